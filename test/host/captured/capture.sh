#!/bin/sh
# What the programs of a host say to the questions that causeway asks of them, as a file of this folder:
#   run lab up -i INVENTORY; run lab ssh HOST -i INVENTORY -- sh -s <capture.sh >IMAGE.txt
# for a lab host with a new disk, of each image. It brings the host into a state where there is something to say, and leaves it so.
exec 2>/dev/null

docker network create --subnet 172.20.0.0/24 -o com.docker.network.bridge.name=br-user user
docker network create --subnet 172.21.0.0/24 plain
docker run -d --name web --network user --ip 172.20.0.7 -p 8080:80 --restart always busybox sleep 86400
docker run -d --name direct busybox sleep 86400
docker create --name asleep --network plain busybox true
ip link add vx9 type vxlan id 9 dev host0 dstport 4790
ip link add link host0 name mv9 type macvlan mode bridge
ip tuntap add dev tun9 mode tun
ip route add 192.168.77.0/24 via "$(ip route show default | cut -d ' ' -f 3)" proto 202
ip route add blackhole 192.168.78.0/24
unit() { printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/%s\n[Install]\nWantedBy=multi-user.target\n' "$2" >"/etc/systemd/system/$1.service"; }
unit off true; unit on true; unit broken false
mkdir -p /etc/systemd/system/on.service.d
printf '[Service]\nEnvironment=A=1\n' >/etc/systemd/system/on.service.d/10-a.conf
systemctl daemon-reload
systemctl enable --now on; systemctl start broken; systemctl mask masked.service

# say NAME COMMAND: what it prints, and its code.
say() { printf '== %s\n' "$1"; sh -c "$2" </dev/null 2>&1; printf '\n== code %s\n' $?; }
properties=LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,FragmentPath,DropInPaths,MainPID,ExecStart
for name in docker on off broken masked missing; do
  say "systemctl show $name" "systemctl show -p $properties $name.service"
  say "systemctl is-enabled $name" "systemctl is-enabled $name.service 2>/dev/null"
  say "systemctl is-active $name" "systemctl is-active $name.service 2>/dev/null"
done
say "ip route" "ip -4 route show table main"
say "ip route get" "ip -4 route get 192.168.77.1"
say "ip link" "ip -o -d link show"
say "ip addr" "ip -o -4 addr show"
say "iptables-save" "iptables-save"
say "iptables-save -c" "iptables-save -c"
api='curl -sfi --fail-early --unix-socket /var/run/docker.sock http://docker/networks "http://docker/containers/json?all=1"'
say "docker api" "$api"
say "docker command" "docker version -f 'running {{.Server.Version}}' && docker network inspect -f '{{.ID}} {{.Driver}} {{.Scope}} {{with index .Options \"com.docker.network.bridge.name\"}}{{.}}{{else}}-{{end}} {{range .IPAM.Config}}{{.Subnet}},{{end}}- {{.Name}}' \$(docker network ls -q --no-trunc) && echo -- && docker ps -a --no-trunc --format '{{.ID}} {{.State}} {{.Names}} {{.Networks}}'"
# Of the JSON of `docker info` only what is asked for.
info='docker info --format "{{json .}}" | grep -oE "\"(SecurityOptions\":[[][^]]*[]]|LiveRestoreEnabled\":[a-z]+|FirewallBackend\":[{][^}]*[}])" | paste -sd , | sed "s/.*/{&}/"'
say "docker info" "$info"
# with NAME KEYS: the same with other settings.
with() {
  printf '{%s}\n' "$2" >/etc/docker/daemon.json
  systemctl reset-failed docker
  systemctl restart docker
  say "docker info with $1" "$info"
}
with live-restore '"live-restore": true'
with userns-remap '"userns-remap": "default"'
with ipv6 '"ipv6": true, "fixed-cidr-v6": "fd00:30:1::/64"'
say "docker api with ipv6" "$api"
say "ip addr with ipv6" "ip -o -4 addr show"
rm /etc/docker/daemon.json
