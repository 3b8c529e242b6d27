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
    rm -f -- "$(readlink -f -- "$1")"
  fi
)

# cw_file_tidy PATH: after the entry was taken back, or cut off: no temporary file stays, nor a folder that was made for
# a file that is not there.
cw_file_tidy() (
  cw_target=$(readlink -f -- "$1") && rm -f -- "$(cw_file_temp "$cw_target")"
  { [ ! -e "$1" ] && [ -s "$B.before.folder" ] && read -r cw_missing <"$B.before.folder"; } || exit 0
  cw_dir=$(dirname -- "$1")
  while [ -n "$cw_missing" ]; do
    [ ! -d "$cw_dir" ] || rmdir -- "$cw_dir" 2>/dev/null || break
    [ "$cw_dir" != "$cw_missing" ] || break
    cw_dir=$(dirname -- "$cw_dir")
  done
  exit 0
)

# cw_file_temp TARGET: the name beside it under which the entry writes it, known to whoever cleans up after it.
cw_file_temp() { printf '%s/.causeway.%s' "$(dirname -- "$1")" "$(printf %s "${B#"$CW/runs/"}" | tr / -)"; }

# cw_file_write PATH MODE OWNER: standard input becomes the file, whole or not at all; folders above it are made.
cw_file_write() (
  mkdir -p -m 755 -- "$(dirname -- "$1")" || exit 1
  umask 077
  cw_target=$(readlink -f -- "$1") || { echo "$1: the folder above it is missing"; exit 1; }
  cw_temp=$(cw_file_temp "$cw_target")
  rm -f -- "$cw_temp"
  trap 'rm -f -- "$cw_temp"' EXIT
  # Never over what somebody else put there under that name.
  set -C
  cat >"$cw_temp" || { echo "$1: it is left as it was"; exit 1; }
  set +C
  chown "$3" "$cw_temp" && chmod "$2" "$cw_temp" || exit 1
  [ -z "$cw_foretold" ] || cw_file_token "$cw_temp" >"$cw_foretold" || exit 1
  cw_sync "$cw_temp" ${cw_foretold:+"$cw_foretold"} || exit 1
  # A file that is itself a mount point cannot be renamed over: it is written in place.
  if cut -d ' ' -f 5 /proc/self/mountinfo | grep -qxF -e "$(printf %s "$cw_target" | sed 's/ /\\040/g')"; then
    : >"$B.torn"
    cat -- "$cw_temp" >"$cw_target" && chown "$3" "$cw_target" && chmod "$2" "$cw_target" && cw_sync "$cw_target" &&
      rm -f "$B.torn"
  else
    mv -f -T -- "$cw_temp" "$cw_target" && trap - EXIT && cw_sync "$(dirname -- "$cw_target")"
  fi
)

# cw_file_merge PATH WAS MODE OWNER: writes only over what was planned against (a checksum, or absent).
cw_file_merge() (
  cw_file_is "$1" "$2" && cw_file_write "$1" "$3" "$4"
)

# cw_file_swap PATH WAS MODE OWNER: the same for a step, which notes beforehand what the file is to become.
cw_file_swap() (
  cw_foretold=$B.now
  cw_file_merge "$@"
)

# cw_file_remove PATH WAS: takes away only what was planned against.
cw_file_remove() (
  [ ! -e "$1" ] || cw_file_is "$1" "$2" || exit 1
  umask 077
  echo absent >"$B.now" && rm -f -- "$(readlink -f -- "$1")"
)

cw_file_is() {
  cw_found=absent
  [ ! -e "$1" ] || cw_found=$(sha256sum <"$1" | cut -c 1-64)
  [ "$cw_found" != "$2" ] || return 0
  echo "$1 changed between the plan and now; it is left as it is. Run again to plan against what it holds now."
  return 1
}
