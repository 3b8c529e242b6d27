# link NAME: a network interface that a command makes, and the script that makes it at boot.

cw_link_token() (
  ip -o link show dev "$1" 2>/dev/null | sed 's/^[0-9]*: //; s/ state [A-Z]* / /; s/<[^>]*>//; s/@[^:]*//; s/ qlen [0-9]*//'
  ip -o -4 addr show dev "$1" 2>/dev/null | sed 's/^[0-9]*: //; s/ *valid_lft.*//'
  cat "/etc/causeway/links/$(cw_boot_name "$1")" 2>/dev/null
  true
)

cw_link_save() (
  if ip -o link show dev "$1" >/dev/null 2>&1; then echo present >"$B.before"; else echo absent >"$B.before"; fi
  cw_boot_save links "$1"
)

cw_link_restore() (
  cw_boot_restore links "$1" || exit 1
  read -r cw_was <"$B.before"
  if [ "$cw_was" = absent ]; then
    cw_link_gone "$1"
  elif [ -f "$B.before.boot" ]; then
    cw_link_gone "$1" && sh "/etc/causeway/links/$(cw_boot_name "$1")"
  fi
)

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

cw_link_gone() { ! ip link show dev "$1" >/dev/null 2>&1 || ip link del dev "$1"; }
