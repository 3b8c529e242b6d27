# chain TABLE NAME: a chain of our own, of iptables or (table ip6:filter) of ip6tables, and the file that loads it at boot and with Docker. Its rules change all
# at once. The rule that leads to it is a step of its own, after this one, and taken back before it.

# Its declaration and its rules, as `iptables -S` prints them; nothing where there is none.
cw_chain_rules() {
  cw_all=$(cw_tables "$1" -S) || return 1
  printf '%s\n' "$cw_all" | grep -e "^-[NA] $2\$" -e "^-A $2 "
  true
}

cw_chain_token() (
  cw_chain_rules "$@" || exit 1
  cat "/etc/causeway/chains/$(cw_boot_name "$*")" 2>/dev/null
  true
)

cw_chain_save() (
  cw_chain_rules "$@" >"$B.before" && cw_boot_save chains "$*"
)

cw_chain_restore() (
  cw_boot_restore chains "$*" || exit 1
  if [ -s "$B.before" ]; then
    { printf '*%s\n:%s - [0:0]\n' "$@"; grep '^-A ' "$B.before"; echo COMMIT; } | cw_iptables_load
    exit
  fi
  [ -n "$(cw_chain_rules "$@")" ] || exit 0
  cw_leads=$(cw_tables "$1" -S | grep -e " -[jg] $2\$" -e " -[jg] $2 ")
  if [ -n "$cw_leads" ]; then
    printf 'a rule that causeway did not make uses the chain %s: %s\n' "$2" "$cw_leads"
    exit 3
  fi
  printf '*%s\n-F %s\n-X %s\nCOMMIT\n' "$1" "$2" "$2" | cw_iptables_load
)

cw_chain_tidy() { cw_boot_tidy chains "$*"; }

# cw_chain_put TABLE NAME TEXT: the chain as iptables-restore reads it.
cw_chain_put() (
  cw_boot_keep chains "$1 $2" "$3" && printf '%s\n' "$3" | cw_iptables_load
)
