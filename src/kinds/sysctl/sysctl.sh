# sysctl KEY: the running value, and the file that sets it at boot. Keys are written with slashes or dots.

cw_sysctl_path() { case $1 in */*) echo "/proc/sys/$1" ;; *) echo "/proc/sys/$1" | sed 's/^\(.proc.sys.\)\(.*\)$/\1\n\2/' | { read -r cw_a; read -r cw_b; printf '%s%s\n' "$cw_a" "$(printf %s "$cw_b" | tr . /)"; } ;; esac; }
cw_sysctl_file() { printf '/etc/sysctl.d/90-causeway-%s.conf' "$(printf %s "$1" | tr / -)"; }

cw_sysctl_token() (
  tr '\t' ' ' <"$(cw_sysctl_path "$1")" 2>/dev/null
  cat "$(cw_sysctl_file "$1")" 2>/dev/null
  true
)

cw_sysctl_save() (
  cat "$(cw_sysctl_path "$1")" >"$B.before" 2>/dev/null || : >"$B.before"
  if [ -f "$(cw_sysctl_file "$1")" ]; then cat "$(cw_sysctl_file "$1")" >"$B.before.boot"; fi
)

cw_sysctl_restore() (
  if [ -f "$B.before.boot" ]; then
    cw_file_write "$(cw_sysctl_file "$1")" 644 0:0 <"$B.before.boot" || exit 1
  else
    rm -f "$(cw_sysctl_file "$1")"
  fi
  # A value whose device is gone has nothing to be restored on.
  [ ! -s "$B.before" ] || [ ! -e "$(cw_sysctl_path "$1")" ] || cat "$B.before" >"$(cw_sysctl_path "$1")"
)

cw_sysctl_stays() {
  [ -e "$(cw_sysctl_path "$3")" ] && [ "$1" != "$2" ] && printf 'before: %s\nnow:    %s\n' "$1" "$2"
}

cw_sysctl_tidy() { rm -f "$(cw_file_temp "$(cw_sysctl_file "$1")")"; }

# cw_sysctl_put KEY VALUE
cw_sysctl_put() (
  printf '# Written by causeway\n%s = %s\n' "$1" "$2" | cw_file_write "$(cw_sysctl_file "$1")" 644 0:0 || exit 1
  printf '%s\n' "$2" >"$(cw_sysctl_path "$1")"
)
