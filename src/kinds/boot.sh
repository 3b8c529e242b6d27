# What has to come back at boot lies in /etc/causeway/{links,routes,rules}, a file each; one unit applies them after
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
  # Enabled last: without that, whoever installed it was cut off.
  [ -x /etc/causeway/apply ] && [ -L /etc/systemd/system/docker.service.wants/causeway-network.service ] || cw_boot_install
}

# cw_boot_tidy FOLDER NAME: what was being written has a name that the unit does not take for a line of its own.
cw_boot_tidy() { rm -f "/etc/causeway/$1/.$(cw_boot_name "$2").new"; }

# cw_boot_forget FOLDER NAME
cw_boot_forget() {
  cw_named=$(cw_boot_name "$2")
  rm -f "/etc/causeway/$1/$cw_named" "/etc/causeway/$1/.$cw_named.new"
  rmdir "/etc/causeway/$1" 2>/dev/null
  for cw_left in /etc/causeway/links/* /etc/causeway/routes/* /etc/causeway/rules/*; do
    [ -e "$cw_left" ] && return 0
  done
  [ -d /etc/causeway ] || return 0
  systemctl disable -q causeway-network.service 2>/dev/null
  systemctl stop causeway-network.service 2>/dev/null
  systemctl reset-failed causeway-network.service 2>/dev/null
  rm -f /etc/systemd/system/causeway-network.service /etc/causeway/apply
  systemctl daemon-reload
  rmdir /etc/causeway 2>/dev/null || true
}

cw_boot_install() {
  cat >/etc/causeway/apply <<'END'
#!/bin/sh
# Written by causeway: puts its links, routes and rules in place again. A rule that has to be first is put in front of
# what Docker has put in front of it since.
cd /etc/causeway || exit 0
code=0
for file in links/*; do
  [ -f "$file" ] || continue
  # One that is there already, as after a restart of Docker, need not be made.
  name=${file##*/}
  there=$(ip link show dev "${name%-*}" 2>/dev/null)
  sh "$file" || [ -n "$there" ] || code=1
done
for file in routes/*; do
  [ -f "$file" ] && while read -r line; do ip -4 route replace $line table main || code=1; done <"$file"
done
for file in rules/*; do
  [ -f "$file" ] && while read -r table how chain spec; do
    if eval "iptables -w 30 -t $table -C $chain $spec" 2>/dev/null; then
      [ "$how" = -A ] && continue
      eval "iptables -w 30 -t $table -D $chain $spec" || code=1
    fi
    eval "iptables -w 30 -t $table $how $chain $spec" || code=1
  done <"$file"
done
exit $code
END
  chmod 755 /etc/causeway/apply
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
