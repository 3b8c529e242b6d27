# route DESTINATION: the routes of the main table to one destination, and the line that brings ours back at boot.

# cw_route_ip DESTINATION ARGUMENTS: `ip route` of the destination's family.
cw_route_ip() {
  case $1 in *:*) shift && ip -6 route "$@" ;; *) shift && ip -4 route "$@" ;; esac
}

# What `ip` says of every IPv6 route that says nothing else: its metric and its preference.
cw_route_lines() { cw_route_ip "$1" show exact "$1" table main | sed 's/ *linkdown//; s/ *dead//; s/ metric 1024 pref medium//; s/ *$//'; }

cw_route_token() (
  cw_route_lines "$1"
  cat "/etc/causeway/routes/$(cw_boot_name "$1")" 2>/dev/null
  true
)

cw_route_save() (
  cw_route_lines "$1" >"$B.before" || exit 1
  cw_boot_save routes "$1"
)

cw_route_restore() (
  cw_boot_restore routes "$1" || exit 1
  # Only what carries our protocol number is ours to take away.
  cw_route_ip "$1" flush exact "$1" proto 202 table main 2>/dev/null
  while read -r cw_line; do
    ! cw_route_lines "$1" | grep -qxF -e "$cw_line" || continue
    cw_foreign=$(cw_route_lines "$1" | grep -vxF -f "$B.before")
    if [ -n "$cw_foreign" ] && [ "$cw_force" != force ]; then
      printf 'somebody changed the route since: %s\nbefore causeway: %s\n' "$cw_foreign" "$cw_line"
      exit 3
    fi
    cw_route_ip "$1" replace $cw_line table main || exit 1
  done <"$B.before"
)

cw_route_tidy() { cw_boot_tidy routes "$1"; }

# cw_route_put DESTINATION ARGUMENTS: now, and at every boot. A destination is replaced, never doubled.
cw_route_put() (
  cw_routes_free "$1" || exit 1
  cw_boot_keep routes "$1" "$1 $2 proto 202" || exit 1
  cw_route_ip "$1" flush exact "$1" table main 2>/dev/null
  cw_route_ip "$1" replace $1 $2 proto 202 table main
)

# cw_route_drop DESTINATION
cw_route_drop() (
  cw_boot_forget routes "$1"
  cw_route_ip "$1" flush exact "$1" table main
)
