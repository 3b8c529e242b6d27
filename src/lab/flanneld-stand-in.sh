#!/bin/sh
# The lab's stand-in for flanneld: not flannel, and not for anybody's real hosts. flanneld is in no package archive that
# the lab reaches, so this keeps its contract (docs/schemes/flannel.md) with what a lab host has: sh, curl, iproute2.
# Leases lie in real etcd (its v2 API), made atomically and with a TTL; vxlan and host-gw carry real packets. It polls
# where flanneld watches, and has no udp backend: that one passes packets through user space.

version='v0.13.0 (the stand-in of the causeway lab)'
ttl=86400
endpoints=${FLANNELD_ETCD_ENDPOINTS:-http://127.0.0.1:4001}
prefix=${FLANNELD_ETCD_PREFIX:-/coreos.com/network}
iface=${FLANNELD_IFACE:-}
public=${FLANNELD_PUBLIC_IP:-}
masq=${FLANNELD_IP_MASQ:-false}
env_file=/run/flannel/subnet.env

say() { echo "flanneld stand-in: $*" >&2; }
die() { say "$*"; exit 1; }

for argument; do
  value=${argument#*=}
  case $argument in
    -version* | --version*) echo "$version"; exit 0 ;;
    -etcd-endpoints=* | --etcd-endpoints=*) endpoints=$value ;;
    -etcd-prefix=* | --etcd-prefix=*) prefix=$value ;;
    -iface=* | --iface=*) iface=$value ;;
    -public-ip=* | --public-ip=*) public=$value ;;
    -ip-masq | --ip-masq) masq=true ;;
    -ip-masq=* | --ip-masq=*) masq=$value ;;
    -subnet-file=* | --subnet-file=*) env_file=$value ;;
    *) die "the flag $argument is none of mine" ;;
  esac
done

# etcd METHOD KEY [FORM…]: the body, from the first endpoint that answers; fails when none does.
etcd() {
  method=$1 key=$2
  shift 2
  form=
  for pair; do form="$form --data-urlencode $pair"; done
  for endpoint in $(echo "$endpoints" | tr , ' '); do
    curl -s -m 5 -L -X "$method" $form "$endpoint/v2/keys$prefix$key" && return
  done
  return 1
}

to_number() { echo "$1" | { IFS=. read -r a b c d && echo $(((a << 24) + (b << 16) + (c << 8) + d)); }; }
to_address() { echo "$(($1 >> 24 & 255)).$(($1 >> 16 & 255)).$(($1 >> 8 & 255)).$(($1 & 255))"; }
field() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"; }

find_device() {
  [ -n "$iface" ] || iface=$(ip -4 route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
  [ -n "$iface" ] || die 'no default route, and no --iface'
  line=$(ip -o -4 addr show | awk -v want="$iface" '{ split($4, a, "/") } $2 == want || a[1] == want { print $2, a[1]; exit }')
  [ -n "$line" ] || die "no interface with the name or address $iface"
  device=${line% *}
  public=${public:-${line#* }}
  mtu=$(cat "/sys/class/net/$device/mtu")
}

# The configuration is read once, at the start; without it, or without etcd, there is nothing to do but to ask again.
read_config() {
  until config=$(etcd GET /config) && network=$(echo "$config" | tr -d '\\' | field Network) && [ -n "$network" ]; do
    say "no configuration at $prefix/config of $endpoints"
    pause 1
  done
  config=$(echo "$config" | tr -d '\\')
  length=$(echo "$config" | field SubnetLen)
  length=${length:-24}
  backend=$(echo "$config" | field Type)
  first=$(to_number "${network%/*}")
  size=$((1 << (32 - length)))
  last=$((first + (1 << (32 - ${network#*/})) - size))
}

# All leases, one a line: ADDRESS LENGTH PUBLIC TYPE MAC.
leases() {
  said=$(etcd GET '/subnets?recursive=true') || return 1
  case $said in *'"node"'* | *'"errorCode":100'*) ;; *) return 1 ;; esac
  echo "$said" | tr -d '\\' | sed 's/{"key":/\n&/g' | awk '
    function field(name, found) {
      if (!match($0, "\"" name "\": *\"?[^\",}]*")) return ""
      found = substr($0, RSTART, RLENGTH)
      sub(/^"[^"]*": *"?/, "", found)
      return found
    }
    match($0, /subnets\/[0-9.]+-[0-9]+"/) {
      at = substr($0, RSTART + 8, RLENGTH - 9)
      sub("-", " ", at)
      print at, field("PublicIP"), field("BackendType"), field("VtepMAC")
    }'
}

lease_value() {
  case $backend in
    vxlan) echo "{\"PublicIP\":\"$public\",\"BackendType\":\"vxlan\",\"BackendData\":{\"VtepMAC\":\"$mac\"}}" ;;
    *) echo "{\"PublicIP\":\"$public\",\"BackendType\":\"$backend\"}" ;;
  esac
}

# Whether an address is the start of a subnet that the present configuration can give.
fits() { [ $# = 2 ] && n=$(to_number "$1") && [ "$2" = "$length" ] && [ "$n" -ge "$first" ] && [ "$n" -le "$last" ]; }

# ADDRESS LENGTH of the subnet in subnet.env; empty where there is none.
previous_lease() {
  set -- $(sed -n 's/^FLANNEL_SUBNET=\(.*\)\/\(.*\)/\1 \2/p' "$env_file" 2>/dev/null)
  [ $# = 0 ] || echo "$(to_address $(($(to_number "$1") - 1))) $2"
}

# The lease under this host's public address, kept over restarts; or a free subnet, taken only if nobody was faster.
acquire() {
  while :; do
    until known=$(leases); do say 'etcd does not answer'; pause 1; done
    mine=$(echo "$known" | awk -v me="$public" '$3 == me { print $1, $2; exit }')
    if [ -n "$mine" ] && fits $mine; then
      subnet=${mine% *}
      case $(hold true) in *'"node"'*) return ;; esac
    elif [ -n "$mine" ]; then
      say "the lease of $mine is not compatible with the configuration: given back"
      etcd DELETE "/subnets/${mine% *}-${mine#* }" >/dev/null
      # As 0.13 does, which then gives back what subnet.env names, too, and ends where that is the same.
      [ "$mine" != "$previous" ] || die "the lease of $previous, which $env_file names, is not there to be given back"
    else
      subnet=${previous% *}
      fits $previous || subnet=$(to_address $((first + size * (1 + $(random) % ((last - first) / size)))))
      previous=
      case "$known" in "$subnet "* | *"
$subnet "*) continue ;; esac
      case $(hold false) in *'"node"'*) return ;; esac
    fi
    pause 1
  done
}

hold() { etcd PUT "/subnets/$subnet-$length" "value=$(lease_value)" "ttl=$ttl" "prevExist=$1"; }
random() { od -An -N3 -tu4 /dev/urandom | tr -d ' '; }

make_device() {
  case $backend in
    vxlan)
      mtu=$((mtu - 50))
      ip -d link show flannel.1 2>/dev/null | grep -q "vxlan id 1 local $public dev $device .*dstport 8472 .*nolearning" || {
        ip link del flannel.1 2>/dev/null
        ip link add flannel.1 type vxlan id 1 dev "$device" local "$public" dstport 8472 nolearning || die 'no vxlan device'
      }
      ip link set flannel.1 mtu "$mtu"
      mac=$(cat /sys/class/net/flannel.1/address)
      ;;
    host-gw) ;;
    *) die "the backend $backend is not the stand-in's: it has vxlan and host-gw" ;;
  esac
}

address_device() {
  [ "$backend" = vxlan ] || return 0
  ip -o -4 addr show dev flannel.1 | grep -q " $subnet/32 " || {
    ip -4 addr flush dev flannel.1
    ip addr add "$subnet/32" dev flannel.1
  }
  ip link set flannel.1 up
}

masquerade() {
  [ "$masq" = true ] || return 0
  for rule in "-s $network -d $network -j RETURN" "-s $network ! -d 224.0.0.0/4 -j MASQUERADE" \
    "! -s $network -d $subnet/$length -j RETURN" "! -s $network -d $network -j MASQUERADE"; do
    iptables -w -t nat -C POSTROUTING $rule 2>/dev/null || iptables -w -t nat -A POSTROUTING $rule
  done
}

write_env() {
  mkdir -p "${env_file%/*}"
  printf 'FLANNEL_NETWORK=%s\nFLANNEL_SUBNET=%s/%s\nFLANNEL_MTU=%s\nFLANNEL_IPMASQ=%s\n' \
    "$network" "$(to_address $(($(to_number "$subnet") + 1)))" "$length" "$mtu" "$masq" >"$env_file.new"
  chmod 644 "$env_file.new"
  mv "$env_file.new" "$env_file"
}

join_peer() {
  case $backend in
    vxlan)
      ip neigh replace "$1" lladdr "$5" dev flannel.1 nud permanent
      bridge fdb replace "$5" dev flannel.1 dst "$3"
      ip route replace "$1/$2" via "$1" dev flannel.1 onlink
      ;;
    host-gw) ip route replace "$1/$2" via "$3" dev "$device" ;;
  esac
}

leave_peer() {
  case $backend in
    vxlan)
      ip route del "$1/$2" via "$1" dev flannel.1
      ip neigh del "$1" dev flannel.1
      bridge fdb del "$5" dev flannel.1 dst "$3"
      ;;
    host-gw) ip route del "$1/$2" via "$3" dev "$device" ;;
  esac 2>/dev/null
}

# What changed among the peers since it was last looked; a lease of another backend is nobody's peer.
follow() {
  now=$(echo "$1" | awk -v me="$public" -v type="$backend" '$3 != me && $4 == type' | sort)
  [ "$now" != "$peers" ] || return 0
  echo "$peers" | while read -r peer; do case "$now" in *"$peer"*) ;; *) leave_peer $peer ;; esac; done
  echo "$now" | while read -r peer; do [ -z "$peer" ] || join_peer $peer; done
  peers=$now
}

# A trap waits for a child in front, so that a pause has to be one behind.
pause() { sleep "$1" & wait $!; }
trap 'exit 0' TERM INT

find_device
say "$version on $device, $public"
read_config
previous=$(previous_lease)
make_device
acquire
address_device
masquerade
write_env
say "lease $subnet/$length, backend $backend"
peers=
known=$(leases) && follow "$known"
[ -z "$NOTIFY_SOCKET" ] || systemd-notify --ready

beat=0
while pause 1; do
  beat=$((beat + 1))
  [ $((beat % 3600)) != 0 ] || hold true >/dev/null
  known=$(leases) || continue
  # As flannel 0.13 does: whose lease is gone ends, and leaves it to systemd to begin anew.
  case "$known" in *"$subnet $length $public "*) ;; *) say 'my lease is gone'; exit 0 ;; esac
  follow "$known"
done
