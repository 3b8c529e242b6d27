# rule TABLE CHAIN SPECIFICATION: one rule of iptables, or of ip6tables where the table is written ip6:filter, and the line that brings it back at boot and with Docker.

# iptables -C says 1 for "absent"; whatever else is an error, lock contention above all. A chain that is gone (DOCKER-USER
# before Docker's first start) has no rules; asked for in every case, so that the error's words need not be understood.
cw_rule_has() {
  cw_said=$(cw_iptables "$1" -C "$2" "$3" 2>&1)
  cw_code=$?
  case $cw_code in
    0 | 1) return $cw_code ;;
    2) cw_tables "$1" -S >/dev/null && ! cw_tables "$1" -S "$2" >/dev/null 2>&1 && return 1 ;;
    *) printf '%s\n' "$cw_said" >&2; return $cw_code ;;
  esac
}

cw_rule_token() (
  cw_rule_has "$@"
  case $? in 0) echo present ;; 1) echo absent ;; *) exit 1 ;; esac
  cat "/etc/causeway/rules/$(cw_boot_name "$*")" 2>/dev/null
  true
)

cw_rule_save() (
  cw_rule_has "$@"
  case $? in 0) echo present >"$B.before" && cw_tables "$1" -S "$2" >"$B.before.chain" || exit 1 ;; 1) echo absent >"$B.before" ;; *) exit 1 ;; esac
  cw_boot_save rules "$*"
)

cw_rule_restore() (
  read -r cw_was <"$B.before"
  cw_rule_has "$@"
  [ "$?-$cw_was" != 1-present ] || cw_rule_settle "$@" || cw_rule_only_moved
  cw_boot_restore rules "$*" || exit 1
  cw_rule_has "$@"
  case $?-$cw_was in
    0-absent) cw_iptables "$1" -D "$2" "$3" ;;
    [01]-present) cw_rule_settle "$@" ;;
    [01]-*) : ;;
    *) exit 1 ;;
  esac
)

# One that its step only moved, and that cannot be put back because somebody has since taken it away with the chain to which it
# led, is theirs to put back. Leaves the restore.
cw_rule_only_moved() {
  read -r cw_made 2>/dev/null <"$B.now" && [ "$cw_made" = present ] || exit 1
  [ "$cw_force" = force ] || exit 3
  exit 0
}

cw_rule_tidy() { cw_boot_tidy rules "$*"; }

# Puts the rule next to the neighbours it had: several that went together come back one by one, in any order.
cw_rule_settle() {
  cw_line=$(cw_rule_spelled "$@") || return 1
  cw_chain=$(cw_tables "$1" -S "$2" | sed -n 's/^-A [^ ]* //p') || return 1
  cw_slot=$(printf '%s\n' "$cw_chain" | grep -vxF -e "$cw_line" | cw_rule_slot "$cw_line")
  [ "$(printf '%s\n' "$cw_chain" | cw_rule_place "$cw_line")" != "$cw_slot" ] || return 0
  ! cw_rule_has "$@" || cw_iptables "$1" -D "$2" "$3" || return 1
  cw_iptables "$1" -I "$2" "$cw_slot $3"
}

# cw_rule_slot LINE: the number that the rule takes among the others of its chain, which come on standard input: the first
# if it was the first, else before the nearest that came after it, else the last.
cw_rule_slot() {
  cw_others=$(cat)
  cw_saved=$(sed -n 's/^-A [^ ]* //p' "$B.before.chain")
  cw_was_at=$(printf '%s\n' "$cw_saved" | cw_rule_place "$1")
  [ "${cw_was_at:-1}" != 1 ] || { echo 1; return; }
  printf '%s\n' "$cw_saved" | tail -n "+$((cw_was_at + 1))" | while IFS= read -r cw_next; do
    printf '%s\n' "$cw_others" | cw_rule_place "$cw_next" | grep . && break
  done | grep . || echo $(($(printf '%s\n' "$cw_others" | grep -c .) + 1))
}

# The rule as iptables prints it, read off a chain that nothing leads to.
cw_rule_spelled() (
  cw_desk="cw_tables $1"
  $cw_desk -N causeway-desk 2>/dev/null || $cw_desk -F causeway-desk || exit 1
  trap '$cw_desk -F causeway-desk; $cw_desk -X causeway-desk' EXIT
  cw_iptables "$1" -A causeway-desk "$3" && $cw_desk -S causeway-desk | sed -n 's/^-A causeway-desk //p'
)

# cw_rule_place LINE: its number among the rules on standard input; nothing when it is not there.
cw_rule_place() { grep -nxF -e "$1" | head -n 1 | cut -d : -f 1; }

# cw_rule_put -I|-A TABLE CHAIN SPECIFICATION
cw_rule_put() (
  cw_how=$1
  shift
  cw_boot_keep rules "$*" "$1 $cw_how $2 $3" || exit 1
  cw_rule_has "$@"
  case $? in
    # First means first: one that slipped behind others is put in front again.
    0) [ "$cw_how" = -A ] || { cw_iptables "$1" -D "$2" "$3" && cw_iptables "$1" -I "$2" "$3"; } ;;
    1) cw_iptables "$1" "$cw_how" "$2" "$3" ;;
    *) exit 1 ;;
  esac
)

# cw_rule_drop TABLE CHAIN SPECIFICATION
cw_rule_drop() (
  cw_boot_forget rules "$*"
  cw_rule_has "$@"
  case $? in
    0) cw_iptables "$1" -D "$2" "$3" ;;
    1) : ;;
    *) exit 1 ;;
  esac
)
