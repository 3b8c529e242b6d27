# Files out of an archive, for resources of the kind file. What is fetched is parked in the journal's folder, for root
# only and on a disk, until the run has ended: several files out of one archive are fetched once.

# cw_archive_put URL SHA256 MEMBER PATH WAS MODE: fetches the archive and writes one of its files, as cw_file_swap does.
cw_archive_put() (
  umask 077
  cw_archive=$CW/parked-$(printf %s "$2" | cut -c 1-16)
  cw_archive_fetch "$1" "$2" "$cw_archive" || exit 1
  cw_archive_member "$cw_archive" "$3" >"$cw_archive.file" && [ -s "$cw_archive.file" ] || {
    rm -f "$cw_archive.file"
    echo "no file $3 could be unpacked from $1; $4 is left as it is"
    exit 1
  }
  cw_file_swap "$4" "$5" "$6" 0:0 <"$cw_archive.file"
  cw_code=$?
  rm -f "$cw_archive.file"
  exit $cw_code
)

# cw_archive_fetch URL SHA256 FILE: downloads it, unless it is there already; one with another checksum is not kept.
cw_archive_fetch() {
  [ ! -f "$3" ] || [ "$(sha256sum <"$3" | cut -c 1-64)" != "$2" ] || return 0
  if command -v curl >/dev/null; then
    curl -fsSL --connect-timeout 20 --retry 2 -o "$3" "$1"
  elif command -v wget >/dev/null; then
    wget -q -T 20 -O "$3" "$1"
  else
    echo 'neither curl nor wget is on this host'
    false
  fi || {
    rm -f "$3"
    echo "this host cannot fetch $1; nothing was changed"
    echo 'if the host has no internet access, let the controller fetch it: fetch: controller'
    return 1
  }
  cw_found=$(sha256sum <"$3" | cut -c 1-64)
  [ "$cw_found" != "$2" ] || return 0
  echo "checksum mismatch: $1, $(stat -c %s "$3") bytes; nothing was changed"
  echo "found    sha256 $cw_found"
  echo "expected sha256 $2"
  rm -f "$3"
  return 1
}

# cw_archive_member FILE MEMBER: the content of one file of a .tar.gz or .zip, named by its path or its last part. A file
# that is a program itself is its own only member.
cw_archive_member() (
  case $(od -An -tx1 -N2 "$1" | tr -d ' ') in
    1f8b) cw_names=$(tar -tzf "$1") || exit 1 ;;
    504b)
      cw_unzip=unzip
      command -v unzip >/dev/null || cw_unzip='busybox unzip'
      cw_names=$($cw_unzip -l "$1" 2>/dev/null) || {
        echo 'neither unzip nor busybox is on this host; the controller can unpack it: fetch: controller' >&2
        exit 1
      }
      cw_names=$(printf '%s\n' "$cw_names" | sed -n 's/^ *[0-9]\{1,\} \{1,\}[-0-9]\{1,\} \{1,\}[0-9:]\{1,\} \{1,\}//p')
      ;;
    7f45 | 2321) exec cat "$1" ;;
    *)
      echo 'it is neither a .tar.gz nor a .zip nor a program' >&2
      exit 1
      ;;
  esac
  cw_name=$(printf '%s\n' "$cw_names" | while IFS= read -r cw_one; do
    case $cw_one in ("$2" | *"/$2") printf '%s\n' "$cw_one" ;; esac
  done)
  case $cw_name in
    '' | *"$cw_newline"*)
      printf 'it holds %s file named %s:\n' "$([ "$cw_name" ] && echo 'more than one' || echo no)" "$2" >&2
      printf '%s\n' "${cw_name:-$cw_names}" | head -n 20 >&2
      exit 1
      ;;
  esac
  if [ "${cw_unzip:-}" ]; then $cw_unzip -p "$1" "$cw_name"; else tar -xzOf "$1" "$cw_name"; fi
)

# cw_archive_note PATH WAS SHA256 FILES…: writes down which archive these files are from, and what they are.
cw_archive_note() (
  cw_path=$1 cw_was=$2 cw_sum=$3
  shift 3
  cw_sums=$(sha256sum -- "$@") || exit 1
  printf '# Written by causeway: which archive these files came out of, and what they were then.\narchive %s\n%s\n' "$cw_sum" "$cw_sums" |
    cw_file_swap "$cw_path" "$cw_was" 644 0:0
)
