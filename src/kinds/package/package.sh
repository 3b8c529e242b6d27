# package NAMES: installed or not, with whatever their installation brings along.

# Whose packages the host's are: a host of Red Hat's may have dpkg, too, as a mere tool.
cw_package_apt() { command -v apt-get >/dev/null; }

# Whatever is there, a package that is only unpacked included: neither absent (n) nor mere configuration (c). Of the keys
# that rpm keeps as packages of one name, each has its own.
cw_package_list() {
  if cw_package_apt; then
    dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n' | sed -n 's/^.[^nc].  *//p' | LC_ALL=C sort
  else
    rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE}\n' | sed 's/^gpg-pubkey \(.*\)/gpg-pubkey-\1 \1/' | LC_ALL=C sort
  fi
}

# The names that are in the list $B.after and not in $B.before: what was only upgraded was there before.
cw_package_added() {
  cut -d ' ' -f 1 "$B.before" | LC_ALL=C sort -u >"$B.names"
  cut -d ' ' -f 1 "$B.after" | LC_ALL=C sort -u | LC_ALL=C comm -13 "$B.names" - >"$B.added"
  rm -f "$B.names"
}

cw_package_marks() { if command -v apt-mark >/dev/null; then apt-mark showmanual | LC_ALL=C sort; fi; }

# cw_package_in NAME LIST: its line in a list; in an expression, the dot of python3.9 would be any letter.
cw_package_in() {
  grep -F -e "$1 " "$2" | while read -r cw_its cw_version; do
    [ "$cw_its" != "$1" ] || printf '%s %s\n' "$cw_its" "$cw_version"
  done | grep .
}

cw_package_token() (
  cw_all=$cw_newline$(cw_package_list)
  for cw_name in $1; do
    case $cw_all in *"$cw_newline$cw_name "*) printf '%s ' "$cw_name" ;; esac
  done
  echo .
)

cw_package_save() {
  cw_package_list >"$B.before" && cw_package_marks >"$B.before.manual"
}

# What another entry has taken over goes with that one.
cw_package_stays() (
  for cw_name in $3; do
    case " $1" in *" $cw_name "*) ;; *) continue ;; esac
    case " $2" in *" $cw_name "*) ;; *) printf 'not installed again: %s\n' "$cw_name"; exit 0 ;; esac
  done
  for cw_name in $2; do
    case " $1 " in *" $cw_name "*) continue ;; esac
    [ -n "$(cw_package_entry_of "$cw_name")" ] || { printf 'still installed: %s\n' "$cw_name"; exit 0; }
  done
  exit 1
)

cw_package_restore() (
  cw_package_policy_back
  cw_package_list >"$B.after" || exit 1
  if [ ! -f "$B.added" ]; then
    # It was cut off. What had not been announced was installed by somebody else since.
    cw_package_added
    LC_ALL=C comm -12 "$B.added" "$B.will" >"$B.names" 2>/dev/null
    mv -f "$B.names" "$B.added"
  fi
  # Exactly the names that came, as far as they are still there; nothing else that apt or dnf thinks orphaned.
  cw_gone=$(cut -d ' ' -f 1 "$B.after" | LC_ALL=C sort -u | LC_ALL=C comm -12 - "$B.added")
  [ -z "$cw_gone" ] || cw_package_purge $cw_gone || exit $?
  for cw_name in $1; do
    cw_had=$(cw_package_in "$cw_name" "$B.before") || continue
    cw_package_in "$cw_name" "$B.after" >/dev/null || cw_package_get "$cw_name${cw_had:+=${cw_had#* }}" || exit 1
  done
  if [ -s "$B.before.manual" ]; then
    cw_package_marks | LC_ALL=C comm -23 "$B.before.manual" - | xargs -r apt-mark manual >/dev/null
  fi
  rm -f "$B.after"
  systemctl daemon-reload
  systemctl list-units --state=failed --state=not-found --plain --no-legend 2>/dev/null | while read -r cw_unit cw_rest; do
    [ "$(systemctl show -p LoadState --value "$cw_unit")" = not-found ] && systemctl reset-failed "$cw_unit" 2>/dev/null
  done
  true
)

# cw_package_purge NAMES: what another step installed since may need one of them; then that one stays until that step is
# undone. Where somebody's own package needs one, all stay.
cw_package_purge() {
  until [ "$cw_force" = force ] || cw_said=$(cw_package_erase test "$@" 2>&1); do
    cw_kept=$(cw_package_hand_over "$@") && [ -n "$cw_kept" ] || {
      printf '%s\n' "$cw_said"
      return 3
    }
    set -- $(printf '%s\n' "$@" | grep -vxF -e "$cw_kept")
    [ $# -gt 0 ] || return 0
  done
  cw_package_erase '' "$@" || return 1
}

# cw_package_erase '' | test NAMES
cw_package_erase() (
  export LC_ALL=C DEBIAN_FRONTEND=noninteractive
  cw_test=$1
  shift
  if cw_package_apt; then dpkg ${cw_test:+--no-act} --purge "$@"; else rpm -e --allmatches ${cw_test:+--test} "$@"; fi
)

# cw_package_hand_over NAMES: of what cannot be removed yet, adds each package to what the entry brought along whose package
# needs it, and prints its name. Fails where no entry brought that.
cw_package_hand_over() (
  if cw_package_apt; then cw_package_dpkg_refused; else cw_package_rpm_refused "$@"; fi |
    while read -r cw_word cw_name; do
      if [ "$cw_word" = kept ]; then
        cw_needed=$cw_name
        printf '%s\n' "$cw_needed"
        continue
      fi
      cw_heir=$(cw_package_entry_of "$cw_name") && [ -n "$cw_heir" ] || exit 1
      printf '%s\n' "$cw_needed" | LC_ALL=C sort -u -o "$cw_heir" - "$cw_heir" || exit 1
    done
)

# What dpkg refuses to remove: `kept NAME`, then `by NAME` of what needs it.
cw_package_dpkg_refused() {
  printf '%s\n' "$cw_said" |
    sed -n 's/^dpkg: dependency problems prevent removal of \([^ :]*\).*/kept \1/p; s/^ \([^ :]*\).* [a-z-]*depends on .*/by \1/p'
}

# cw_package_rpm_refused NAMES: the same of rpm, which names not a package but what it provides: a version, a library, a file.
cw_package_rpm_refused() {
  printf '%s\n' "$cw_said" | sed -n 's/^[[:space:]]*\([^ ]*\) .*is needed by (installed) \(.*\)/\1 \2/p' |
    while read -r cw_provided cw_by; do
      cw_by=$(rpm -q --qf '%{NAME}\n' "$cw_by") || cw_by=
      for cw_name in $(rpm -q --qf '%{NAME}\n' --whatprovides "$cw_provided" | grep -xF -e "$(printf '%s\n' "$@")"); do
        printf 'kept %s\nby %s\n' "$cw_name" "$cw_by"
      done
    done
}

# The file of names of another entry that stands, and brought this package.
cw_package_entry_of() {
  grep -lxF -e "$1" "$CW"/runs/*/*.added 2>/dev/null | while read -r cw_file; do
    [ "$cw_file" != "$B.added" ] && [ ! -e "${cw_file%.added}.undone" ] || continue
    printf '%s\n' "$cw_file"
    break
  done
}

cw_package_tidy() { cw_package_policy_back; }

# cw_package_put NAMES: installs them with the start of their services prevented.
cw_package_put() (
  cw_package_get "$1" || exit 1
  cw_package_list >"$B.after"
  cw_package_added
  rm -f "$B.after"
)

# cw_package_announce NAMES: keeps the names that are going to be installed, for the undo of an installation that is cut off.
# dnf and yum tell them in a table for people; its other words are no packages that anybody installs.
cw_package_announce() {
  [ ! -f "$B.added" ] || return 0
  if cw_package_apt; then
    $cw_apt -s install $1 2>/dev/null | sed -n 's/^Inst \([^ :]*\).*/\1/p'
  else
    LC_ALL=C $cw_dnf --assumeno install $1 2>/dev/null | sed -n 's/^ \([^ ]*\).*/\1/p'
  fi | LC_ALL=C sort -u >"$B.will"
}

cw_policy=/usr/sbin/policy-rc.d

# Removes our policy, also one that a killed run left, and restores the one that was there before.
cw_package_policy_back() {
  ! grep -qs '^# causeway$' $cw_policy || rm -f $cw_policy
  [ ! -e $cw_policy.causeway ] || mv $cw_policy.causeway $cw_policy
}

# apt starts what it installs; policy-rc.d is Debian's way to say no (101). Somebody's own policy is put back.
cw_package_get() (
  if cw_package_apt; then
    cw_package_policy_back
    [ ! -e $cw_policy ] || mv $cw_policy $cw_policy.causeway
    trap cw_package_policy_back EXIT
    printf '#!/bin/sh\n# causeway\nexit 101\n' >$cw_policy && chmod 755 $cw_policy
    export DEBIAN_FRONTEND=noninteractive
    cw_apt='apt-get -y -q --no-install-recommends -o DPkg::Lock::Timeout=60 -o Dpkg::Options::=--force-confold'
    cw_package_announce "$1"
    $cw_apt install $1 || { apt-get -q update && cw_package_announce "$1" && $cw_apt install $1; }
  else
    cw_dnf=$(command -v dnf || echo yum)
    set -- "$(printf %s "$1" | tr = -)"
    cw_package_announce "$1"
    $cw_dnf -y $(cw_unless_live -q) install $1
  fi
)
