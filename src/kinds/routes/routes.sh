# routes NAME DESTINATIONS: a list of routes that is kept as one file, one a line, and the routes of the main table to these
# destinations: those of the list, and those that an earlier list had. However many they are, it is a few processes.

# cw_routes_to DESTINATIONS: the routes of the main table to them, one a line, as `ip` takes them again.
cw_routes_to() {
  cw_all=$(case $1 in *.*) ip -4 -o route show table main ;; esac) || return 1
  cw_all6=$(case $1 in *:*) ip -6 -o route show table main ;; esac) || return 1
  # Of every IPv6 route that says nothing else `ip` prints its metric and its preference.
  printf '%s\n' "$cw_all" "$cw_all6" |
    sed 's/ *\\[[:space:]]*/ /g; s/ linkdown//g; s/ dead//g; s/ metric 1024 pref medium//; s/ *$//' | cw_routes_among "$1"
}

# cw_routes_among DESTINATIONS: of the routes on standard input those to them. The first word may be the route's type.
cw_routes_among() {
  sed -e 's/^[bu][a-z]* \([0-9a-f][^ ]*\)/|\1|&/' -e t -e 's/^[pt][a-z]* \([0-9a-f][^ ]*\)/|\1|&/' -e t -e 's/^\([^ ]*\)/|\1|&/' |
    cw_routes_keyed "$1"
}

# cw_routes_keyed DESTINATIONS: of lines |DESTINATION|TEXT on standard input the texts of those.
cw_routes_keyed() {
  grep -F -f /dev/fd/3 3<<END | sed 's/^|[^|]*|//'
$(cw_routes_keys $1)
END
}

# cw_routes_not_in LINES: what is on standard input and not there.
cw_routes_not_in() {
  grep -vxF -f /dev/fd/3 3<<END
$1
END
}

# `ip` prints a single address without its length. Nothing matches where there are none.
cw_routes_keys() { printf '|%s|\n' "${@:-none}" | sed '/:/!s/\/32|$/|/; s/\/128|$/|/'; }

# cw_routes_but LINES: of the routes on standard input those that are not in the list. A list need not name the device.
cw_routes_but() {
  sed 's/.*/|&|&/; s/^\(|[^|]* via [^| ]*\) dev [^| ]*/\1/; s/^\(|[^|]*\) scope link/\1/' | grep -vF -f /dev/fd/3 3<<END | sed 's/^|[^|]*|//'
$(printf '%s\n' "$1" | cw_routes_listed | sed 's/.*/|&|/')
END
}

# The lines of a list as cw_routes_but compares them.
cw_routes_listed() { sed '/:/!s/\/32 / /; s/\/128 / /; s/^\(.* via [^ ]*\) dev [^ ]*/\1/'; }

# cw_routes_destinations: those of the lines on standard input, parted by blanks.
cw_routes_destinations() { sed 's/ .*//' | tr '\n' ' '; }

cw_routes_delete() { sed '/./!d; s/^/route del /; s/$/ table main/' | ip -force -batch -; }

cw_routes_token() (
  cw_routes_to "$2"
  cat "/etc/causeway/routes/$(cw_boot_name "$1")" 2>/dev/null
  true
)

cw_routes_save() (
  cw_routes_to "$2" >"$B.before" && cw_boot_save routes "$1"
)

# cw_routes_before NAME: the routes that were there, but of ours only those to what is kept once the list is what it was:
# another entry may have been taken back meanwhile. What keeps one route alone is that one's own, and stays as it is.
cw_routes_before() {
  cw_own=/etc/causeway/routes/$(cw_boot_name "$1")
  cw_still=$(for cw_f in /etc/causeway/routes/* "$B.before.boot"; do
    [ ! -f "$cw_f" ] || [ "$cw_f" = "$cw_own" ] || cat "$cw_f"
  done | cw_routes_destinations)
  grep -v ' proto 202' "$B.before"
  grep ' proto 202' "$B.before" | cw_routes_among "$cw_still"
}

# cw_routes_possible: of the routes on standard input not those of ours whose interface is gone. It was taken back before, and its
# routes may be the next to go; where it comes back, whoever brings it finds them in the list.
cw_routes_possible() {
  while read -r cw_line; do
    case $cw_line in *' dev '*' proto 202'*) ;; *) printf '%s\n' "$cw_line"; continue ;; esac
    cw_dev=${cw_line##* dev }
    [ ! -e "/sys/class/net/${cw_dev%% *}" ] || printf '%s\n' "$cw_line"
  done
}

# The list itself comes last: what is cut off before is begun again.
cw_routes_restore() (
  cw_before=$(cw_routes_before "$1")
  cw_now=$(cw_routes_to "$2") || exit 1
  cw_lost=$(printf '%s\n' "$cw_before" | cw_routes_not_in "$cw_now" | cw_routes_possible)
  cw_foreign=$(printf '%s\n' "$cw_now" | grep -v ' proto 202' | cw_routes_not_in "$cw_before")
  cw_kept=
  if [ -n "$cw_foreign" ] && [ "$cw_force" != force ]; then
    cw_elsewhere=$(printf '%s\n' "$cw_foreign" | cw_routes_destinations)
    cw_kept=$(printf '%s\n' "$cw_lost" | cw_routes_among "$cw_elsewhere")
    cw_lost=$(printf '%s\n' "$cw_lost" | cw_routes_not_in "$cw_kept")
  fi
  cw_bad=0
  [ -z "$cw_lost" ] || printf '%s\n' "$cw_lost" | cw_routes_replace || cw_bad=1
  # Only what carries our protocol number is ours to take away.
  cw_routes_to "$2" | grep ' proto 202' | cw_routes_not_in "$cw_before" | cw_routes_delete || cw_bad=1
  cw_boot_restore routes "$1" || cw_bad=1
  [ $cw_bad = 0 ] || exit 1
  [ -n "$cw_kept" ] || exit 0
  printf 'somebody changed the route since: %s\nbefore causeway: %s\n' "$cw_foreign" "$cw_kept"
  exit 3
)

# Routes of ours that were not there before. One that was there and is led elsewhere by now, or by nobody, is not ours to judge.
cw_routes_stays() {
  cw_ours=$(printf '%s\n' "$2" | grep ' proto 202' | cw_routes_not_in "$1")
  [ -n "$cw_ours" ] && printf 'not there before: %s\n' "$cw_ours"
}

cw_routes_tidy() { cw_boot_tidy routes "$1"; }

# cw_routes_free DESTINATIONS: fails where the kernel, a routing daemon or the network's configuration leads there: such a
# route is not ours to replace. One that somebody typed is of the protocol boot, which `ip` does not print.
cw_routes_free() {
  cw_theirs=$(cw_routes_to "$1" | grep ' proto ' | grep -v ' proto 202')
  [ -n "$cw_theirs" ] || return 0
  printf 'not replaced, because neither causeway nor a person made it: %s\n' "$cw_theirs"
  return 1
}

# cw_routes_put NAME DESTINATIONS LINES: now, and at every boot. A route is replaced, and only then whatever else leads to
# its destination goes, so that no packet finds none; of the other destinations only what is ours goes.
cw_routes_put() (
  cw_routes_free "$(printf '%s\n' "$3" | cw_routes_destinations)" || exit 1
  if [ -n "$3" ]; then cw_boot_keep routes "$1" "$3" || exit 1; else cw_boot_forget routes "$1"; fi
  printf '%s\n' "$3" | sed '/./!d' | cw_routes_replace
  cw_wanted=$(printf '%s\n' "$3" | cw_routes_destinations)
  { cw_routes_to "$cw_wanted"; cw_routes_to "$2" | grep ' proto 202'; } | cw_routes_but "$3" | sort -u | cw_routes_delete
  cw_there=$(cw_routes_to "$cw_wanted" | sed 's/^\(.* via [^ ]*\) dev [^ ]*/\1/; s/ scope link//')
  cw_missing=$(printf '%s\n' "$3" | cw_routes_listed | cw_routes_not_in "$cw_there")
  [ -z "$cw_missing" ] || { printf 'not in the main table: %s\n' "$cw_missing"; exit 1; }
)
