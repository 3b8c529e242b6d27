# What has to come back at boot lies in /etc/causeway/{links,routes,chains,rules}, a file each; one unit applies them after
# the network and Docker are up, and again whenever Docker restarts. The unit comes with the first file, goes with the last.

# Asked several times a step, so with as few processes as can be.
cw_boot_name() {
  cw_sum=$(printf %s "$1" | cksum)
  printf %s "$1" | sed "s/[^A-Za-z0-9.-]/_/g; s/^\(.\{60\}\).*/\1/; s/\$/-${cw_sum%% *}/"
}

# cw_boot_save FOLDER NAME
cw_boot_save() {
  cw_file=/etc/causeway/$1/$(cw_boot_name "$2")
  if [ -f "$cw_file" ]; then cat "$cw_file" >"$B.before.boot"; fi
}

# cw_boot_restore FOLDER NAME
cw_boot_restore() {
  if [ -f "$B.before.boot" ]; then
    cw_boot_keep "$1" "$2" "$(cat "$B.before.boot")"
  else
    cw_boot_forget "$1" "$2"
  fi
}

# cw_boot_keep FOLDER NAME LINES
cw_boot_keep() {
  [ -d "/etc/causeway/$1" ] || mkdir -p "/etc/causeway/$1" || return 1
  cw_named=$(cw_boot_name "$2")
  cw_file=/etc/causeway/$1/$cw_named cw_new=/etc/causeway/$1/.$cw_named.new
  # Only for root: the commands that make a link may hold a secret.
  (umask 077 && printf '%s\n' "$3" >"$cw_new") && cw_sync "$cw_new" && mv -f "$cw_new" "$cw_file" || return 1
  cw_sync "/etc/causeway/$1"
  cw_boot_renew || return 1
  # Enabled last: without that, whoever installed it was cut off.
  [ -L /etc/systemd/system/docker.service.wants/causeway-network.service ] || cw_boot_install
}

# cw_boot_tidy FOLDER NAME: what was being written has a name that the unit does not take for a line of its own.
cw_boot_tidy() { rm -f "/etc/causeway/$1/.$(cw_boot_name "$2").new"; }

# cw_boot_forget FOLDER NAME
cw_boot_forget() {
  cw_named=$(cw_boot_name "$2")
  rm -f "/etc/causeway/$1/$cw_named" "/etc/causeway/$1/.$cw_named.new"
  rmdir "/etc/causeway/$1" 2>/dev/null
  for cw_left in /etc/causeway/*/*; do
    [ -e "$cw_left" ] && return 0
  done
  [ -d /etc/causeway ] || return 0
  systemctl disable -q causeway-network.service 2>/dev/null
  systemctl stop causeway-network.service 2>/dev/null
  systemctl reset-failed causeway-network.service 2>/dev/null
  rm -f /etc/systemd/system/causeway-network.service /etc/causeway/apply /etc/causeway/.apply.new
  systemctl daemon-reload
  rmdir /etc/causeway 2>/dev/null || true
}

# What a step and the script for the boot have in common, as text: both are made of it. cw_iptables TABLE OPERATION CHAIN SPEC
# takes the specification as iptables-save prints it or as a shell would read it, and executes nothing of it: it may hold
# anybody's comment.
cw_boot_functions() {
  cat <<'END'
# cw_with_words TEXT COMMAND…: the command, with the words of the text behind it. Words are quoted by '…', "…" or \.
cw_with_words() {
  cw_rest=$1 cw_word= cw_any=
  shift
  while [ -n "$cw_rest" ]; do
    case $cw_rest in
      [\ \	]*)
        [ -z "$cw_any" ] || set -- "$@" "$cw_word"
        cw_rest=${cw_rest#?} cw_word= cw_any=
        continue ;;
      \'*\'*)
        cw_rest=${cw_rest#?}
        cw_part=${cw_rest%%\'*}
        cw_rest=${cw_rest#"$cw_part"?} ;;
      \"*\"*)
        cw_rest=${cw_rest#?} cw_part=
        until case $cw_rest in \"* | '') : ;; *) false ;; esac do
          case $cw_rest in \\?*) cw_rest=${cw_rest#?} cw_next=${cw_rest%"${cw_rest#?}"} ;; *) cw_next=${cw_rest%%[\"\\]*} ;; esac
          [ -n "$cw_next" ] || cw_next=\\
          cw_part=$cw_part$cw_next cw_rest=${cw_rest#"$cw_next"}
        done
        [ -n "$cw_rest" ] || { echo "a quote that does not end: $cw_part" >&2; return 64; }
        cw_rest=${cw_rest#?} ;;
      \\?*)
        cw_rest=${cw_rest#?}
        cw_part=${cw_rest%"${cw_rest#?}"} cw_rest=${cw_rest#?} ;;
      [\'\"\\]*)
        echo "a quote that does not end: $cw_rest" >&2
        return 64 ;;
      *)
        cw_part=${cw_rest%%[\ \	\'\"\\]*}
        cw_rest=${cw_rest#"$cw_part"} ;;
    esac
    cw_word=$cw_word$cw_part cw_any=1
  done
  [ -z "$cw_any" ] || set -- "$@" "$cw_word"
  "$@"
}

# cw_tables TABLE ARGUMENTS: iptables on that table; ip6tables on one that is written ip6:filter.
cw_tables() {
  cw_table=$1
  shift
  case $cw_table in
    ip6:*) ip6tables -w 30 -t "${cw_table#ip6:}" "$@" ;;
    *) iptables -w 30 -t "$cw_table" "$@" ;;
  esac
}

# cw_iptables TABLE OPERATION CHAIN SPEC
cw_iptables() { cw_with_words "$4" cw_tables "$1" "$2" "$3"; }

# Loads what iptables-save would print, from standard input, beside what is there: all of it or nothing. A table may be
# written *ip6:filter.
cw_iptables_load() {
  if iptables-restore --help 2>&1 </dev/null | grep -q -e --wait; then set -- -w 30; else set --; fi
  cw_text=$(cat)
  case $cw_text in
    '*ip6:'*) printf '*%s\n' "${cw_text#\*ip6:}" | ip6tables-restore "$@" --noflush ;;
    *) printf '%s\n' "$cw_text" | iptables-restore "$@" --noflush ;;
  esac
}

# Replaces routes of the main table, one a line on standard input, in one go. `ip` tells the family by the destination.
cw_routes_replace() { sed 's/^/route replace /; s/$/ table main/' | ip -force -batch -; }
END
}
eval "$(cw_boot_functions)"

cw_boot_apply() {
  echo '#!/bin/sh'
  echo '# Written by causeway: puts its links, routes, chains and rules in place again.'
  cw_boot_functions
  cat <<'END'

cd /etc/causeway || exit 0
code=0
for file in links/*; do
  [ -f "$file" ] || continue
  # One that is there already, as after a restart of Docker, need not be made.
  name=${file##*/}
  there=$(ip link show dev "${name%-*}" 2>/dev/null)
  sh "$file" || [ -n "$there" ] || code=1
done
# Somebody's network may be up in the meantime, and is not replaced.
theirs=$({ ip -4 -o route show table main; ip -6 -o route show table main; } 2>/dev/null |
  sed -n '/ proto 202/d; /^default /d; s/^\([a-z]* \)\{0,1\}\([0-9a-f][^ ]*\) .*proto .*/^\2 /p')
if held=$(cat routes/* 2>/dev/null | grep -e "${theirs:-none}"); then
  echo "not replaced, because causeway did not make the route that is there: $held" >&2
  code=1
fi
cat routes/* 2>/dev/null | grep -v -e "${theirs:-none}" | cw_routes_replace || code=1
for file in chains/*; do
  [ ! -f "$file" ] || cw_iptables_load <"$file" || code=1
done
# A rule that has to be first is put in front of what Docker has put in front of it since.
for file in rules/*; do
  [ -f "$file" ] && while read -r table how chain spec; do
    if cw_iptables "$table" -C "$chain" "$spec" 2>/dev/null; then
      [ "$how" = -A ] && continue
      cw_iptables "$table" -D "$chain" "$spec" || code=1
    fi
    cw_iptables "$table" "$how" "$chain" "$spec" || code=1
  done <"$file"
done
exit $code
END
}

# One that an older version wrote is renewed; it has to understand the files which that one wrote.
cw_boot_renew() {
  cw_boot_apply | cmp -s - /etc/causeway/apply && return
  cw_boot_apply >/etc/causeway/.apply.new && chmod 755 /etc/causeway/.apply.new && cw_sync /etc/causeway/.apply.new &&
    mv -f /etc/causeway/.apply.new /etc/causeway/apply
}

cw_boot_install() {
  cat >/etc/systemd/system/causeway-network.service <<'END'
# Written by causeway; it goes away with the last route, rule or link that causeway keeps.
[Unit]
Description=Routes, rules and links kept by causeway
Wants=network-online.target
After=network-online.target docker.service
PartOf=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/etc/causeway/apply

[Install]
WantedBy=multi-user.target docker.service
END
  systemctl daemon-reload && systemctl enable -q causeway-network.service || return 1
  # Active, so that a restart of Docker restarts it, too. It waits for nothing here: what it needs is up.
  systemctl start --job-mode=ignore-dependencies causeway-network.service || true
}
