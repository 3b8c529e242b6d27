# file PATH: a regular file; a symbolic link is followed and stays. The token is owner, mode and checksum.

cw_file_token() (
  [ -e "$1" ] || { echo absent; exit 0; }
  [ -d "$1" ] && { echo folder; exit 0; }
  printf '%s %s\n' "$(stat -L -c '%a %u %g' -- "$1")" "$(sha256sum <"$1" | cut -c 1-64)"
)

cw_file_save() (
  if [ -e "$1" ]; then
    cat -- "$1" >"$B.before" && stat -L -c '%a %u %g' -- "$1" >"$B.before.mode"
  else
    # The first folder on the way that is missing goes away again with the file.
    cw_missing='' cw_dir=$(dirname -- "$1")
    while [ ! -d "$cw_dir" ]; do cw_missing=$cw_dir cw_dir=$(dirname -- "$cw_dir"); done
    printf '%s\n' "$cw_missing" >"$B.before.folder"
  fi
)

cw_file_restore() (
  if [ -f "$B.before.mode" ]; then
    read -r cw_mode cw_uid cw_gid <"$B.before.mode"
    cw_file_write "$1" "$cw_mode" "$cw_uid:$cw_gid" <"$B.before"
  else
    rm -f -- "$(readlink -f -- "$1")" || exit 1
    cw_dir=$(dirname -- "$1")
    read -r cw_missing <"$B.before.folder"
    [ -n "$cw_missing" ] || exit 0
    while :; do
      rmdir -- "$cw_dir" 2>/dev/null || break
      [ "$cw_dir" = "$cw_missing" ] && break
      cw_dir=$(dirname -- "$cw_dir")
    done
    exit 0
  fi
)

# cw_file_write PATH MODE OWNER: standard input becomes the file, whole or not at all.
cw_file_write() (
  umask 077
  cw_target=$(readlink -f -- "$1") || { echo "$1: the folder above it is missing"; exit 1; }
  cw_temp=$(mktemp "$(dirname -- "$cw_target")/.causeway.XXXXXX") || exit 1
  trap 'rm -f -- "$cw_temp"' EXIT
  cat >"$cw_temp" || { echo "$1: it is left as it was"; exit 1; }
  chown "$3" "$cw_temp" && chmod "$2" "$cw_temp" && cw_sync "$cw_temp" || exit 1
  # A file that is itself a mount point cannot be renamed over: it is written in place.
  if cut -d ' ' -f 5 /proc/self/mountinfo | grep -qxF -e "$(printf %s "$cw_target" | sed 's/ /\\040/g')"; then
    cat -- "$cw_temp" >"$cw_target" && chown "$3" "$cw_target" && chmod "$2" "$cw_target" && cw_sync "$cw_target"
  else
    mv -f -T -- "$cw_temp" "$cw_target" && trap - EXIT && cw_sync "$(dirname -- "$cw_target")"
  fi
)

# cw_file_swap PATH WAS MODE OWNER: writes only over what was planned against (a checksum, or absent).
cw_file_swap() (
  cw_found=absent
  [ -e "$1" ] && cw_found=$(sha256sum <"$1" | cut -c 1-64)
  if [ "$cw_found" != "$2" ]; then
    echo "$1 changed between the plan and now; it is left as it is. Run again to plan against what it holds now."
    exit 1
  fi
  mkdir -p -m 755 -- "$(dirname -- "$1")" && cw_file_write "$1" "$3" "$4"
)
