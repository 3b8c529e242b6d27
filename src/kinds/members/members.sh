# members NAME leave|return: this host's containers on a network that one host makes anew for all of them. In between,
# $CW/left/NAME says who has left: name, address and aliases, as above.

cw_members_token() (
  cw_now=$(cw_network_members "$1") || exit 1
  printf '%s .\n' "$cw_now" | tr '\n' ' '
)

cw_members_save() { cw_network_members "$1" >"$B.before"; }

cw_members_restore() {
  case $2 in
    leave) cw_members_return "$1" ;;
    return) cw_members_leave "$1" ;;
  esac
}

# Who is on a network changes by itself: nothing is promised of it.
cw_members_stays() { return 1; }

# cw_members_leave NAME: who has left before and is not back yet stays on the list.
cw_members_leave() (
  umask 077
  mkdir -p "$CW/left" && cw_network_members "$1" >"$CW/left/$1.now" || exit 1
  touch "$CW/left/$1"
  sort -u -k 1,1 "$CW/left/$1.now" "$CW/left/$1" >"$CW/left/$1.new" && mv "$CW/left/$1.new" "$CW/left/$1" || exit 1
  rm -f "$CW/left/$1.now"
  cw_sync "$CW/left/$1" "$CW/left"
  cw_members_off "$1"
)

# cw_members_return NAME: those first who asked for their address, before Docker gives it to another.
cw_members_return() (
  [ -f "$CW/left/$1" ] || { mkdir -p "$CW/left" && cp "$B.before" "$CW/left/$1"; } || exit 1
  grep -v '^[^ ]* [^ ]*[?]' "$CW/left/$1" >"$CW/left/$1.new"
  grep '^[^ ]* [^ ]*[?]' "$CW/left/$1" >>"$CW/left/$1.new"
  cw_network_join "$1" "$CW/left/$1.new" || exit 1
  rm -f "$CW/left/$1" "$CW/left/$1.new"
)
