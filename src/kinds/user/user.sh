# user NAME: its line in /etc/passwd and its groups, by name.

# Only the host's own files: what a directory service knows is not ours to change.
cw_user_line() { getent -s files passwd "$1"; }

cw_user_groups() { id -Gn "$1" | tr ' ' '\n' | LC_ALL=C sort | tr '\n' ' '; }

cw_user_token() (
  cw_line=$(cw_user_line "$1") || { echo absent; exit 0; }
  printf '%s: %s\n' "$cw_line" "$(cw_user_groups "$1")"
)

cw_user_save() (
  if cw_line=$(cw_user_line "$1"); then
    printf '%s\n' "$cw_line" >"$B.before"
    id -Gn "$1" | tr ' ' '\n' | grep -vxF -e "$(id -gn "$1")" | tr '\n' ',' | sed 's/,$//' >"$B.before.groups"
    exit 0
  fi
  # userdel takes the group along where it is the user's own, also one that was there before.
  getent -s files group "$1" | cut -d : -f 3 >"$B.before.gid"
  # Some distributions make a mailbox for every new user.
  ls -d /var/mail/"$1" /var/spool/mail/"$1" >"$B.before.mail" 2>/dev/null
  true
)

cw_user_restore() (
  if [ -s "$B.before" ]; then
    cw_user_line "$1" >/dev/null || { echo "the user $1 is gone"; exit 3; }
    IFS=: read -r cw_name cw_x cw_uid cw_gid cw_gecos cw_home cw_shell <"$B.before"
    usermod --uid "$cw_uid" --gid "$cw_gid" --comment "$cw_gecos" --home "$cw_home" --shell "$cw_shell" \
      --groups "$(cat "$B.before.groups")" "$1" 2>&1 | grep -v 'no changes'
    exit 0
  fi
  ! cw_user_line "$1" >/dev/null || userdel "$1" || exit 1
  cw_gid=$(cat "$B.before.gid")
  if [ -n "$cw_gid" ]; then getent group "$1" >/dev/null || groupadd --gid "$cw_gid" "$1" || exit 1
  else ! getent -s files group "$1" >/dev/null || groupdel "$1" || exit 1; fi
  for cw_box in /var/mail/"$1" /var/spool/mail/"$1"; do
    grep -qxF -e "$cw_box" "$B.before.mail" || [ ! -f "$cw_box" ] || [ -s "$cw_box" ] || rm -f -- "$cw_box"
  done
  [ ! -f "$B.home" ] || cw_user_home_away "$(cat "$B.home")"
)

# cw_user_home_away FOLDER: removes a home that was made, where it holds nothing but what useradd put there.
cw_user_home_away() {
  [ ! -d "$1" ] || [ "$(cw_user_holds "$1")" != "$(cw_user_holds /etc/skel)" ] || rm -rf -- "$1"
}

cw_user_holds() { (cd "$1" 2>/dev/null && { find . -type f -exec sha256sum {} + && find . ! -type f; } | LC_ALL=C sort); }

cw_user_stays() (
  if [ "$1" != "$2" ]; then printf 'before: %s\nnow:    %s\n' "$1" "$2"; exit 0; fi
  [ -f "$B.home" ] && cw_home=$(cat "$B.home") && [ -d "$cw_home" ] &&
    printf '%s stays: somebody put files there since; to remove them: rm -rf %s\n' "$cw_home" "$cw_home"
)

# cw_user_add NAME FLAGS…: a group of its name that is there already becomes its own.
cw_user_add() (
  cw_name=$1
  shift
  case " $* " in
    *' --gid '*) ;;
    *) if getent group "$cw_name" >/dev/null; then set -- "$@" --gid "$cw_name"; else set -- "$@" --user-group; fi ;;
  esac
  # Known before it is made, for whoever cleans up after a step that was cut off.
  cw_home= cw_last=
  for cw_flag; do [ "$cw_last" != --home-dir ] || cw_home=$cw_flag; cw_last=$cw_flag; done
  cw_home=${cw_home:-$(useradd -D | sed -n 's/^HOME=//p')/$cw_name}
  case " $* " in *' --create-home '*) [ -e "$cw_home" ] || printf '%s\n' "$cw_home" >"$B.home" ;; esac
  useradd "$@" "$cw_name"
)
