# rule TABLE CHAIN SPECIFICATION: one iptables rule, and the line that brings it back at boot and with Docker.

# iptables -C says 1 for "absent"; whatever else is an error, lock contention above all.
cw_rule_has() {
  cw_said=$(eval "iptables -w 30 -t $1 -C $2 $3" 2>&1)
  cw_code=$?
  case $cw_code in
    0 | 1) return $cw_code ;;
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
  case $? in 0) echo present >"$B.before" ;; 1) echo absent >"$B.before" ;; *) exit 1 ;; esac
  cw_boot_save rules "$*"
)

cw_rule_restore() (
  cw_boot_restore rules "$*" || exit 1
  read -r cw_was <"$B.before"
  cw_rule_has "$@"
  case $?-$cw_was in
    0-absent) eval "iptables -w 30 -t $1 -D $2 $3" ;;
    1-present) eval "iptables -w 30 -t $1 -I $2 $3" ;;
    [01]-*) : ;;
    *) exit 1 ;;
  esac
)

# cw_rule_put -I|-A TABLE CHAIN SPECIFICATION
cw_rule_put() (
  cw_how=$1
  shift
  cw_boot_keep rules "$*" "$1 $cw_how $2 $3" || exit 1
  cw_rule_has "$@"
  case $? in
    # First means first: one that slipped behind others is put in front again.
    0) [ "$cw_how" = -A ] || eval "iptables -w 30 -t $1 -D $2 $3 && iptables -w 30 -t $1 -I $2 $3" ;;
    1) eval "iptables -w 30 -t $1 $cw_how $2 $3" ;;
    *) exit 1 ;;
  esac
)

# cw_rule_drop TABLE CHAIN SPECIFICATION
cw_rule_drop() (
  cw_boot_forget rules "$*"
  cw_rule_has "$@"
  case $? in
    0) eval "iptables -w 30 -t $1 -D $2 $3" ;;
    1) : ;;
    *) exit 1 ;;
  esac
)
