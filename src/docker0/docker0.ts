import { CausewayError } from "../errors.ts";
import { sh } from "../host/sh.ts";
import type { DockerContainer, DockerState } from "../host/tools/docker.ts";
import type { FileState } from "../host/tools/file.ts";
import type { UnitState } from "../host/tools/systemd.ts";
import { readJson } from "../kinds/file/json.ts";
import { step } from "../kinds/index.ts";
import { formatAddress6, networkOf6 } from "../net/ipv6.ts";
import { type Consequence, restart, type Step } from "../task/step.ts";

/** What decides whether docker0 can get another address. */
export interface Docker0 {
  /** /etc/docker/daemon.json. */
  config: FileState;
  /** docker.service. */
  unit: UnitState;
  docker: DockerState;
  /** What docker0 has, with its prefix; undefined where there is no docker0. */
  address: string | undefined;
  /** What it is to have, in words. */
  wanted: string;
}

/** So many names make a command that a person still reads. */
const namesAtMost = 8;

/**
 * With live-restore containers go on without their daemon, and one that starts and finds any of them leaves docker0 as it
 * is, whatever networks they are on: "There are old running containers, the network config will not take affect"
 * (initNetworkController in daemon/daemon_unix.go; seen on 20.10.5 with containers on docker0, on a network of their own, on
 * the host's and on none).
 */
export function refuseLiveRestore({ config, unit, docker, address, wanted }: Docker0): void {
  const flag = /--live-restore(=true)?( |$)/.test(unit.commandLine);
  if (!flag && readJson(config)["live-restore"] !== true) return;
  const running = docker.containers.filter(holdsDocker0);
  if (running.length === 0) return;
  const names = running.map(({ name }) => name);
  const few = names.length <= namesAtMost;
  const these = few ? names.join(" ") : "$(docker ps -q)";
  const off = flag
    ? "remove --live-restore from docker.service, systemctl daemon-reload && systemctl restart docker (which ends them)"
    : `set "live-restore": false in ${config.path} (without the key a reload leaves it on), systemctl reload docker, and run with -e interrupt_containers=true (which ends them)`;
  throw new CausewayError("host", "docker0 keeps its address while containers run, because of live-restore", {
    found: `docker0 has ${address ?? "no address"}; live-restore is on in ${flag ? unit.fragmentPath : config.path}; ${names.length} running: ${few ? names.join(", ") : `${names.slice(0, namesAtMost).join(", ")}, …`}`,
    expected: `${wanted}, which Docker gives to docker0 only when it starts without a running container`,
    advice: `docker stop ${these}, run again, then docker start ${few ? these : "them again"}; or switch it off: ${off}`,
  });
}

/**
 * The steps for a Docker that does not run and that is about to: none where it runs. Their undo stops it again, with its socket,
 * and takes docker0 away where there was none (`docker0` is its address). `now` starts it at once, otherwise a restart does
 * that other steps ask for; `to` is what docker0 will have.
 */
export function dockerStarts(
  { active, enabled }: Pick<UnitState, "active" | "enabled">,
  docker0: string | undefined,
  { to = "Docker's default", now = false }: { to?: string; now?: boolean } = {},
): Step[] {
  if (["active", "activating", "reloading"].includes(active)) return [];
  const was = `${enabled}, ${active}`;
  return [
    // Taken back last: docker0 is taken away by a Docker that runs.
    step.unit({ name: "docker.service", active: true, was, withRestart: !now }),
    ...(docker0 === undefined ? [docker0Address({ from: undefined, to, idle: true })] : []),
  ];
}

/** One without a network of its own shares another's. */
function holdsDocker0({ state, networks }: DockerContainer): boolean {
  return (state === "running" || state === "paused") && networks.length > 0;
}

/** The address that Docker gives to docker0 in a subnet of IPv6: the first one. */
export function docker0Of(subnet: string): string {
  const network = networkOf6(subnet);
  return network ? `${formatAddress6(network.first + 1n)}/${network.prefix}` : subnet;
}

/**
 * Docker's restart gives docker0 its IPv6 address; this step is there for its undo, which comes after that of `docker0Address`. A
 * Docker that starts makes docker0 as it was, out of its own store, before it makes it as its settings say, and leaves there
 * what it has too much: it has to start once without the keys before the address goes for good (seen on 26.1 and 28.5).
 * fe80::1 is of Docker 26.
 */
export function docker0Address6(subnet: string): Step {
  const address = docker0Of(subnet);
  return step.run({
    what: "IPv6 address of docker0",
    from: null,
    to: `${address}, with the restart`,
    do: sh`:`,
    done: sh`ip -o -6 addr show dev docker0 | grep -qF ${` ${address} `}`,
    undo: sh`[ -e /sys/class/net/docker0 ] || exit 0
! grep -qsF ${subnet} /etc/docker/daemon.json || exit 0
[ "$(systemctl show -p LoadState --value docker.service)" = loaded ] || exit 0
idle=$(for unit in docker.service docker.socket; do systemctl is-active -q $unit || echo $unit; done)
if [ "$(docker network inspect -f '{{.EnableIPv6}}' bridge 2>/dev/null)" != false ]; then
  if cw_outlive_docker && [ -n "$(docker ps -q)" ]; then
    echo "docker0 keeps its addresses while containers run, because of live-restore: docker stop $(docker ps --format '{{.Names}}' | tr '\n' ' '), then run this again, then docker start them"
    exit 1
  fi
  systemctl reset-failed docker.service; systemctl restart docker.service || exit 1
  cw_await_kept
fi
# One that somebody stopped is stopped again.
case $idle in *docker.service*) systemctl stop $idle ;; esac
ip -6 addr del ${address} dev docker0 2>/dev/null
ip -6 route flush ${subnet} dev docker0 2>/dev/null
grep -qs '"fixed-cidr-v6"' /etc/docker/daemon.json || ip -6 addr del fe80::1/64 dev docker0 2>/dev/null
true`,
    touches: ["link", "route"],
    causes: [restart("docker")],
    undoneIdle: true,
  });
}

/**
 * Docker's restart gives docker0 its address; this step is there for its undo. A Docker without a `bip` takes the last one
 * out of its own store, whatever docker0 has (seen on 20.10), so that it has to be started once with the old address; or,
 * where there was no docker0, with `--bridge=none`: that makes it forget the address, and takes docker0 away (seen on 20.10).
 * `idle` says that Docker does not run yet: then there is no docker0 afterwards, otherwise it has Docker's default.
 */
export function docker0Address({
  from,
  to,
  idle = false,
  causes = [],
}: {
  from: string | undefined;
  to: string;
  idle?: boolean;
  causes?: readonly Consequence[];
}): Step {
  const other = from
    ? sh`! ip -o -4 addr show dev docker0 | grep -qF ${` ${from} `}`
    : idle
      ? sh`[ -e /sys/class/net/docker0 ]`
      : sh`ip -o -4 addr show dev docker0 | grep -qF ${` ${to} `}`;
  return step.run({
    what: "address of docker0",
    from: from ?? (idle ? "no docker0" : "no address"),
    to: `${to}, with the restart`,
    do: sh`:`,
    // Without Docker there is nothing to take back.
    done: sh`[ "$(systemctl show -p LoadState --value docker.service)" = loaded ] && { ${other}; }`,
    undo: sh`! grep -qsE '"(bip|bridge)"' /etc/docker/daemon.json || exit 0
systemctl daemon-reload
start=$(systemctl show -p ExecStart docker.service | sed -n 's/.*argv\[\]=\(.*\) ; ignore_errors.*/\1/p')
[ -n "$start" ] || exit 0
idle=$(for unit in docker.service docker.socket; do cw_will_run $unit || echo $unit; done)
if cw_outlive_docker && [ -n "$(docker ps -q)" ]; then
  echo "docker0 keeps its address while containers run, because of live-restore: docker stop $(docker ps --format '{{.Names}}' | tr '\n' ' '), then run this again, then docker start them"
  exit 1
fi
drop=/run/systemd/system/docker.service.d
mkdir -p $drop && printf '[Service]\nExecStart=\nExecStart=%s %s\n' "$start" ${from ? `--bip=${from}` : "--bridge=none"} >$drop/zzz-causeway-once.conf || exit 1
# Docker starts after flanneld, and one that finds no etcd would keep it waiting for ever; it is stopped next.
[ "$(systemctl is-active flanneld.service)" != activating ] || systemctl stop flanneld.service
systemctl daemon-reload; systemctl reset-failed docker.service; systemctl restart docker.service; code=$?; cw_await_kept
# One that somebody stopped is stopped again.
case $idle in *docker.service*) systemctl stop $idle ;; esac
rm -f $drop/zzz-causeway-once.conf; rmdir $drop 2>/dev/null; systemctl daemon-reload; exit $code`,
    touches: ["link"],
    causes,
    undoneIdle: true,
  });
}
