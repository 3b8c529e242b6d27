# members NAME leave|return: this host's containers on a network that one host makes anew for all of them. In between,
# $CW/left/NAME says who has left: name, addresses and aliases, as above.

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

# cw_members_return NAME: those first who asked for an address, before Docker gives it to another.
cw_members_return() (
  [ -f "$CW/left/$1" ] || { mkdir -p "$CW/left" && cp "$B.before" "$CW/left/$1"; } || exit 1
  cw_who='^[^ ]* \([^ ]*,\)\{0,1\}[0-9a-f.:]*[0-9a-f:]\(,\| \|$\)'
  grep "$cw_who" "$CW/left/$1" >"$CW/left/$1.new"
  grep -v "$cw_who" "$CW/left/$1" >>"$CW/left/$1.new"
  cw_network_join "$1" "$CW/left/$1.new" || exit 1
  rm -f "$CW/left/$1" "$CW/left/$1.new"
)
