# link NAME: a network interface that a command makes, and the script that makes it at boot. One of somebody's that has the name
# comes back with what hung on it: its MAC address, MTU, master and ports, its addresses, its routes, up or down.

cw_link_token() (
  if cw_link_there "$1"; then
    cw_link_made "$1" || ip -o link show dev "$1" | sed 's/^[0-9]*: //; s/ state [A-Z]* / /; s/<[^>]*>//; s/@[^:]*//; s/ q[a-z]* [^ ]*//g'
    cw_link_held "$1"
    cw_link_held_v6 "$1"
  fi
  cat "/etc/causeway/links/$(cw_boot_name "$1")" 2>/dev/null
  true
)

cw_link_save() (
  cw_boot_save links "$1"
  cw_link_there "$1" || { echo absent >"$B.before"; exit 0; }
  echo present >"$B.before"
  cw_on_it=$(ip -o link show | sed -n "s/^[0-9]*: \([^@]*\)@$1:.*/\1/p" | tr '\n' ' ')
  [ -z "$cw_on_it" ] || { echo "$1 would take along the interfaces that are on it: $cw_on_it"; exit 1; }
  cw_link_made "$1" >"$B.before.made" || [ -f "$B.before.boot" ] || {
    echo "$1 could not be given back: causeway can make a bridge, dummy, ipvlan, macvlan or vlan anew, and nothing else"
    exit 1
  }
  cw_link_held "$1" >"$B.before.held"
  cw_link_held_v6 "$1" >"$B.before.held-v6"
)

cw_link_restore() (
  cw_boot_restore links "$1" || exit 1
  read -r cw_was <"$B.before"
  if [ "$cw_was" = absent ]; then
    cw_link_gone "$1"
    exit
  fi
  if [ -f "$B.before.boot" ]; then
    cw_link_gone "$1" && sh "/etc/causeway/links/$(cw_boot_name "$1")" || exit 1
  elif [ -s "$B.before.made" ]; then
    cw_link_gone "$1" && ip link add $(cat "$B.before.made") || exit 1
  fi
  # What cannot be put back, as a route through what is gone meanwhile, is told when it is compared.
  [ ! -f "$B.before.held" ] || { ip -4 -force -batch "$B.before.held"; ip -6 -force -batch "$B.before.held-v6"; } 2>&1
  true
)

# An older version kept nothing of what hung on it. The commands of the boot may hold a secret, and are not shown.
cw_link_stays() (
  [ "$1" != "$2" ] && read -r cw_was <"$B.before" || exit 1
  [ "$cw_was" = absent ] || [ -f "$B.before.held" ] || exit 1
  [ "$cw_was" != absent ] || { echo "$3 is still there"; exit 0; }
  { cw_link_held "$3"; cw_link_held_v6 "$3"; } >"$B.held"
  echo "not as it was:"
  cat "$B.before.held" "$B.before.held-v6" | grep -vxF -f "$B.held"
  rm -f "$B.held"
)

cw_link_there() { ip -o link show dev "$1" >/dev/null 2>&1; }

# cw_link_made NAME: the words by which `ip link add` makes it; fails for a kind that is not known well enough.
cw_link_made() (
  cw_shown=$(ip -d -o link show dev "$1") || exit 1
  cw_below=$(printf '%s\n' "$cw_shown" | sed -n 's/^[0-9]*: [^@: ]*@\([^:]*\):.*/link \1 /p')
  cw_how=$(printf '%s\n' "$cw_shown" | tr '\\' '\n' | sed -n '
    s/^ *\(dummy\) .*/\1/p
    s/^ *bridge \(forward_delay .*\) bridge_id .*/bridge \1/; s/^\(bridge .*\) vlan_filtering 0.*/\1/; s/^bridge forward/&/p
    s/^ *macvlan *mode \([a-z]*\).*/macvlan mode \1/p
    s/^ *ipvlan *mode \([a-z0-9]* [a-z]*\).*/ipvlan mode \1/p
    s/^ *vlan protocol \([^ ]*\) id \([0-9]*\).*/vlan protocol \1 id \2/p')
  [ -n "$cw_how" ] && echo "${cw_below}name $1 type $cw_how"
)

# cw_link_held NAME: the commands of `ip -4 -batch` that bring back what hangs on it; what the kernel adds by itself is left out.
cw_link_held() (
  ip -o link show dev "$1" | sed -n 's/.* mtu \([0-9]*\) .*link\/ether \([0-9a-f:]*\).*/link set dev '"$1"' mtu \1\nlink set dev '"$1"' address \2/p'
  ip -o link show dev "$1" | sed -n 's/.* master \([^ ]*\).*/link set dev '"$1"' master \1/p'
  ip -o link show master "$1" 2>/dev/null | sed 's/^[0-9]*: \([^@: ]*\).*/link set dev \1 master '"$1"'/'
  cw_link_addresses -4 "$1" | sed 's/ \([^ ]*\)$/ label \1/; s/^/address replace /; s/$/ dev '"$1"'/'
  ! ip -o link show dev "$1" | grep -q '<[^>]*\bUP\b' || echo "link set dev $1 up"
  cw_link_routes -4 "$1"
)

# cw_link_held_v6 NAME: the same for `ip -6 -batch`.
cw_link_held_v6() (
  cw_link_addresses -6 "$1" | sed 's/^/address replace /; s/$/ dev '"$1"'/'
  cw_link_routes -6 "$1"
)

# cw_link_addresses -4|-6 NAME: those that somebody gave it.
cw_link_addresses() {
  ip -o "$1" addr show dev "$2" 2>/dev/null | grep -v -e ' dynamic ' -e 'inet6 .* scope link' |
    sed 's/^[0-9]*: *[^ ]* *inet6\{0,1\} //; s/ *\\.*//; s/ \(secondary\|deprecated\|tentative\|dadfailed\)//g'
}

# cw_link_routes -4|-6 NAME
cw_link_routes() {
  ip -o "$1" route show table all dev "$2" 2>/dev/null | grep -v -e 'proto kernel' -e 'proto ra' -e '^local ' -e '^broadcast ' -e '^multicast ' |
    sed 's/ linkdown//; s/ dead//; s/ *$//; s/^/route replace /; s/$/ dev '"$2"'/'
}

cw_link_tidy() { cw_boot_tidy links "$1"; }

# cw_link_put NAME SCRIPT: an interface of that name is recreated.
cw_link_put() (
  # Before and after: the first link of all starts the unit, which makes it, too.
  cw_link_gone "$1" && cw_boot_keep links "$1" "$2" && cw_link_gone "$1" || exit 1
  sh "/etc/causeway/links/$(cw_boot_name "$1")"
)

# cw_link_drop NAME
cw_link_drop() (
  cw_boot_forget links "$1"
  cw_link_gone "$1"
)

cw_link_gone() { ! cw_link_there "$1" || ip link del dev "$1"; }
