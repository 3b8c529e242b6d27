import { type Family, type Script, sh } from "causeway";
import { callerPort } from "./containers.ts";
import { capSeconds } from "./inside.ts";

/** How often a pair is tried, in milliseconds; a busybox whose ping knows whole seconds alone says that it takes 1000. */
export const everyMs = 200;
/** A container that has heard nothing for so long ends: its runner is gone. */
const aliveSeconds = 60;
/** How often a runner says that it is there. */
export const aliveEveryMs = 15_000;

/** In a container's shell: its address. Docker writes that of IPv6 nowhere; the kernel has it, of a scope that is 00. */
const ownAddress: Readonly<Record<Family, string>> = {
  4: `sed -n "s/[[:space:]]*$HOSTNAME\\$//p" /etc/hosts`,
  6: "sed -n 's/^\\([0-9a-f]*\\) [^ ]* [^ ]* 00 .*/\\1/p' /proc/net/if_inet6",
};

/**
 * What runs in a host's container. It says who it is (`@here ADDRESS ID EVERY`) and then pings each of the peers that it is told,
 * as `peers ADDRESS=ID …`; a list replaces the one before. One ping a peer goes on until it is told to end; each line has the
 * host's uptime in front. The first pings begin one after the other: every ping of a container is handed the packets of all the
 * others, in a buffer that holds about ten; how many packets found none is told as `@unread`. Before a peer counts, its container has to say its id over TCP (`@met ADDRESS`): with
 * subnets that are not yet each host's own, another container may have its address.
 */
const inside = (family: Family) => `every=0.2; ping -c 1 -W 1 -i $every 127.0.0.1 >/dev/null 2>&1 || every=1
cap=; timeout 1 true 2>/dev/null && cap='timeout ${capSeconds}'
nc -ll -p ${callerPort} -e echo "$HOSTNAME" &
meet() {
  until [ "$($cap nc -w 2 $1 ${callerPort} </dev/null 2>/dev/null)" = "$2" ]; do sleep 1; done
  echo "@met $1"
}
pinging() {
  trap 'kill $m 2>/dev/null; kill -INT $p 2>/dev/null; wait $p; exit' TERM
  sleep $3 2>/dev/null
  meet $1 $2 & m=$!
  while :; do
    echo "@ping $1 $2"
    ping -i $every $1 2>&1 & p=$!
    wait $p
    sleep 1 & p=$!
    wait $p
  done
}
unread() {
  total=0
  while read -r line; do
    for word in $line; do last=$word; done
    case $last in *[!0-9]*) ;; *) total=$((total + last)) ;; esac
  done </proc/net/${family === 6 ? "raw6" : "raw"}
  echo "@unread $total"
}
peers() {
  now=
  for one in $on; do
    case " $* " in *" \${one%=*} "*) now="$now $one" ;; *) kill \${one##*=} && wait \${one##*=} ;; esac
  done
  on=$now n=0
  for peer; do
    case "$on " in
      *" $peer="*) ;;
      *) pinging \${peer%=*} \${peer#*=} 0.$(printf %03d $((n * ${everyMs} / $#))) & on="$on $peer=$!" ;;
    esac
    n=$((n + 1))
  done
}
{
  echo "@here $(${ownAddress[family]} | head -n 1) $HOSTNAME $every"
  while read -r -t ${aliveSeconds} verb list; do
    unread
    [ "$verb" != peers ] || peers $list
  done
  unread
  peers
  kill %1 2>/dev/null
} | while read -r line; do read -r up idle </proc/uptime; echo "$up $line"; done`;

export interface Watching {
  name: string;
  label: string;
  network: string;
  image: string;
  family: Family;
}

/**
 * What runs on a host: the container, started again each time that it went away with its Docker, until its input ends. Docker's
 * command line is not called while dockerd is stopped: its socket would start it. A container of an earlier watch has ended by
 * itself; where Docker was stopped before it could remove it, it is removed now. For the first container on an overlay network Docker would make docker_gwbridge,
 * with its own settings: that is left to whoever sets the network up. `@none` says that there is no container now.
 */
export function keepWatching({ name, label, network, image, family }: Watching): Script {
  return sh`isThere() {
  { read -r pid || [ -n "$pid" ]; } 2>/dev/null </run/docker.pid && read -r its 2>/dev/null <"/proc/$pid/comm" && [ "$its" = dockerd ] ||
    systemctl is-active -q docker
}
hasImage() {
  [ -z "$known" ] || return 0
  said=$(docker image inspect ${image} 2>&1 >/dev/null </dev/null) && known=1 && return
  case $said in *[Nn]'o such '*) echo "@image"; exit 0 ;; esac
  return 1
}
hasNetwork() {
  driver=$(docker network inspect -f '{{.Driver}}' ${network} 2>/dev/null </dev/null) || return
  [ "$driver" != overlay ] || docker network inspect docker_gwbridge >/dev/null 2>&1 </dev/null
}
ended=$(docker ps -aq --filter label=causeway.probe --filter status=exited --filter status=dead 2>/dev/null </dev/null)
[ -z "$ended" ] || docker rm -f $ended >/dev/null 2>&1 </dev/null
times=0
while [ $((times += 1)) -lt 3000 ]; do
  if ! isThere; then sleep 0.2
  elif ! hasImage || ! hasNetwork; then sleep 1
  else
    docker run --rm -i --name ${name}-$times --label ${label} --network ${network} --log-driver none --stop-signal KILL ${image} sh -c ${inside(family)} 2>&1 && exit
    sleep 0.3
  fi
  echo "@none" || exit
done`;
}
