# unit NAME: whether it is enabled and whether it runs. What its start brings along, such as its socket, stops with it again.

# Of a unit that is not there bullseye's systemd (247) says nothing, and trixie's (257) “not-found”: here nothing, for both.
cw_unit_token() (
  printf '%s %s\n' "$(systemctl is-enabled "$1" 2>/dev/null | head -n 1 | grep -vx not-found)" "$(systemctl is-active "$1" 2>/dev/null | head -n 1)"
)

cw_unit_save() {
  cw_unit_token "$1" >"$B.before"
  cw_unit_along "$1" >"$B.before.along"
}

# cw_unit_along NAME: the services and sockets that a start of it would start as well, and that do not run.
cw_unit_along() {
  systemctl show -p Requires -p Wants -p BindsTo -p TriggeredBy --value "$1" 2>/dev/null | tr ' ' '\n' | grep -E '\.(service|socket)$' |
    sort -u | while read -r cw_other; do systemctl is-active -q "$cw_other" || printf '%s\n' "$cw_other"; done
}

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
    active-* | activating-*) systemctl start "$1" && cw_unit_await "$1" ;;
    # Its socket together with it: alone it would start it again.
    *-active | *-activating | *-failed) systemctl stop "$1" $(cat "$B.before.along" 2>/dev/null); systemctl reset-failed "$1" 2>/dev/null; true ;;
  esac
)

cw_unit_stays() (
  [ "$(systemctl show -p LoadState --value "$3")" != not-found ] || exit 1
  cw_had=$(printf '%s\n' "$1" | cw_unit_plain) cw_has=$(printf '%s\n' "$2" | cw_unit_plain)
  [ "$cw_had" != "$cw_has" ] && printf 'before: %s\nnow:    %s\n' "$cw_had" "$cw_has"
)

# What is alike to who counts on it: one that failed does not run, one that is starting will.
cw_unit_plain() { sed 's/ \(failed\|deactivating\)$/ inactive/; s/ \(activating\|reloading\)$/ active/; s/^ *\([a-z]*\)$/ \1/; s/^ /disabled /'; }

# What is kept beside Docker's own comes back after its start.
cw_unit_await() { case ${1%.service} in docker) cw_await_kept ;; esac; }

# cw_unit_put NAME ENABLED ACTIVE [--no-block]: an empty word leaves that side as it is; so does later, until its restart.
cw_unit_put() (
  case $2 in
    yes) systemctl unmask -q "$1" && systemctl enable -q "$1" || exit 1 ;;
    no) systemctl disable -q "$1" || exit 1 ;;
  esac
  case $3 in
    yes) systemctl reset-failed "$1" 2>/dev/null; systemctl start $4 "$1" || { cw_words_of "$1"; exit 1; }; cw_unit_await "$1" ;;
    no) systemctl stop "$1" || exit 1 ;;
  esac
)
