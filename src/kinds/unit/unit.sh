# unit NAME: whether it is enabled and whether it runs.

cw_unit_token() (
  printf '%s %s\n' "$(systemctl is-enabled "$1" 2>/dev/null | head -n 1)" "$(systemctl is-active "$1" 2>/dev/null | head -n 1)"
)

cw_unit_save() { cw_unit_token "$1" >"$B.before"; }

cw_unit_restore() (
  [ "$(systemctl show -p LoadState --value "$1")" != not-found ] || exit 0
  cw_now=$(cw_unit_token "$1")
  read -r cw_enabled cw_active <"$B.before"
  case $cw_enabled in active | inactive | '') cw_active=$cw_enabled cw_enabled=disabled ;; esac
  if [ "${cw_now% *}" != "$cw_enabled" ]; then
    case $cw_enabled in
      enabled) systemctl unmask -q "$1"; systemctl enable -q "$1" ;;
      masked) systemctl disable -q "$1"; systemctl mask -q "$1" ;;
      disabled) systemctl unmask -q "$1"; systemctl disable -q "$1" ;;
    esac
  fi
  case $cw_active-${cw_now#* } in
    active-active | active-activating) : ;;
    active-* | activating-*) systemctl start "$1" ;;
    *-active | *-activating | *-failed) systemctl stop "$1"; systemctl reset-failed "$1" 2>/dev/null; true ;;
  esac
)

# cw_unit_put NAME ENABLED ACTIVE [--no-block]: an empty word leaves that side as it is.
cw_unit_put() (
  case $2 in
    yes) systemctl unmask -q "$1" && systemctl enable -q "$1" || exit 1 ;;
    no) systemctl disable -q "$1" || exit 1 ;;
  esac
  case $3 in
    yes) systemctl reset-failed "$1" 2>/dev/null; systemctl start $4 "$1" || { cw_words_of "$1"; exit 1; } ;;
    no) systemctl stop "$1" || exit 1 ;;
  esac
)
