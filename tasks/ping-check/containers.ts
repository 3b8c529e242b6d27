import { CausewayError, type Family, familyOf, type ProbeHost, type ProbeRun, sh } from "causeway";
import { outerAddress } from "./outer.ts";
import { type Ends, keyOf } from "./pairs.ts";
import { waysTo } from "./routes.ts";
import type { Wire } from "./wire.ts";

/** A container that was started for the proof. */
export interface ProbeContainer {
  host: ProbeHost;
  id: string;
  name: string;
  address: string;
  mac: string;
  /** The host's own addresses of the same family, by which others route to it. */
  hops: readonly string[];
  /** Per peer, the host's device on the way to it. */
  ways: ReadonlyMap<string, Way>;
}

export interface Way {
  device: string;
  mtu: number;
}

/** A host on which the container did not start, and what Docker said. */
export interface Unstarted {
  host: ProbeHost;
  said: string;
}

/** The port on which a probe container says from where it was called. */
export const callerPort = 7777;

/** Says over TCP which address a call came from: the connection is found in the kernel's table by its socket. */
const sayCaller = `i=$(readlink /proc/$$/fd/0); i=\${i#*[}; i=\${i%]}
cat /proc/net/tcp /proc/net/tcp6 | while read -r n l r s q t x u o j k; do [ "$j" = "$i" ] && echo "$r"; done`;

interface Wanted {
  id: string;
  label: string;
  network: string;
  image: string;
  family?: Family | undefined;
  /** Whether every container has to learn the names of the others, through the store that their Dockers share. */
  names?: boolean | undefined;
  wire?: Pick<Wire, "rejoins" | "tunnel"> | undefined;
  /** The pairs that will be tried: whose names a container has to learn. */
  pairs: readonly Ends[];
  /** A container that nobody takes away ends by itself after so many seconds. */
  lifetime: number;
  say: ProbeRun["say"];
}

/** How often a host's container is started before what its Docker says counts. */
const starts = 3;

/**
 * Starts a container on every host. A Docker older than 23 that has overlay networks may have threads that are stuck in the
 * namespace of one that is gone, from which no store is reached (moby/libnetwork#1838): a start fails then, or the
 * container learns no names, and the next one does not. What needed more than one is told.
 */
export async function startContainers(
  hosts: readonly ProbeHost[],
  wanted: Wanted,
): Promise<{ ends: (ProbeContainer | Unstarted)[]; notes: string[] }> {
  const start = (host: ProbeHost, time: number) =>
    startContainer(host, othersThan(host, hosts), {
      ...wanted,
      name: `causeway-probe-${wanted.id}-${hosts.indexOf(host)}${"-again".repeat(time)}`,
    });
  let ends = await everyOf(hosts.map((host) => start(host, 0)));
  const anew = new Map<ProbeHost, string>();
  for (let time = 1; time < starts; time += 1) {
    const stuck = await withoutStore(ends, wanted, (time === 1 && wanted.wire?.rejoins) || namesWithin);
    if (stuck.size === 0) break;
    wanted.say(`starting another container on ${[...stuck.keys()].map(({ name }) => name).join(", ")}`);
    for (const [host, why] of stuck) anew.set(host, why);
    ends = await everyOf(
      ends.map(async (end) => {
        if (!stuck.has(end.host)) return end;
        if (isStarted(end)) await end.host.sh(sh`docker rm -f ${end.id}`, { timeoutMs: 60_000 });
        return start(end.host, time);
      }),
    );
  }
  const notes = [...anew].map(
    ([{ name }, why]) => `on ${name} more than one container was started: the first ${why}`,
  );
  return { ends, notes };
}

/** The hosts whose container did not get from the store what it needs, and what was wrong. */
async function withoutStore(
  ends: readonly (ProbeContainer | Unstarted)[],
  { names = false, pairs }: Wanted,
  seconds: number,
): Promise<Map<ProbeHost, string>> {
  const containers = ends.filter(isStarted);
  const refused = ends.flatMap((end) =>
    !isStarted(end) && /connect: (connection refused|network is unreachable)/.test(end.said)
      ? [[end.host, `did not start: ${end.said}`] as const]
      : [],
  );
  const tried = new Set(pairs.map(keyOf));
  const peersOf = (from: ProbeContainer) =>
    containers.filter((to) => tried.has(keyOf({ from: from.host.name, to: to.host.name })));
  const nameless = await everyOf(
    (names ? containers : []).map(async (container) => {
      const unknown = await unknownNames(container, peersOf(container), seconds);
      return unknown.length === 0
        ? []
        : [[container.host, `did not learn the name of the container on ${unknown.join(", ")}`] as const];
    }),
  );
  return new Map([...refused, ...nameless.flat()]);
}

/**
 * A name comes to the other hosts through the store, which may take seconds. One that Docker does not know it asks its own
 * resolver for, which may never answer.
 */
const namesAtOnce = 32;
const namesWithin = 12;
const untilKnown = `end=$(($(date +%s) + $1)); shift
while [ $# -gt 0 ]; do
  set -- $(at=0; for name; do
    (timeout 2 nslookup "$name" 127.0.0.11 2>/dev/null | sed 1,2d | grep -q '^Address' || echo "$name") &
    at=$((at + 1)); [ $((at % ${namesAtOnce})) != 0 ] || wait
  done; wait)
  [ $# = 0 ] || [ "$(date +%s)" -ge $end ] && break
  sleep 1
done
echo "$@"`;

/** The hosts of whose container a container does not learn the name. */
async function unknownNames(
  { id, host }: ProbeContainer,
  peers: readonly ProbeContainer[],
  seconds: number,
): Promise<string[]> {
  if (peers.length === 0) return [];
  const { stdout } = await host.sh(
    sh`docker exec ${id} sh -c ${untilKnown} sh ${seconds} ${peers.map(({ name }) => name)}`,
    { timeoutMs: (75 + seconds) * 1000 + Math.ceil(peers.length / namesAtOnce) * 15_000 },
  );
  const unknown = stdout.trim().split(" ");
  return peers.filter(({ name }) => unknown.includes(name)).map((peer) => peer.host.name);
}

/** Waits for all of them, so that nothing is still starting when the removal begins; then the first error counts. */
export async function everyOf<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

export function othersThan<T>(one: T, all: readonly T[]): T[] {
  return all.filter((other) => other !== one);
}

/** Starts a host's container. An image that is not there is an error; whatever else Docker says is what is proved. */
async function startContainer(
  host: ProbeHost,
  peers: readonly ProbeHost[],
  { label, name, network, image, family = 4, wire, lifetime }: Wanted & { name: string },
): Promise<ProbeContainer | Unstarted> {
  const inside = sh`nc -ll -p ${callerPort} -e sh -c ${sayCaller} & exec sleep ${lifetime}`;
  const own = family === 6 ? "{{.GlobalIPv6Address}}" : "{{.IPAddress}}";
  const outer = (peer: ProbeHost) => outerAddress(peer, wire?.tunnel);
  const format = `{{range .NetworkSettings.Networks}}${own} {{.MacAddress}}{{end}}`;
  const [{ stdout, stderr, code }, hops, links, routes] = await Promise.all([
    host.sh(
      sh`said=$(docker image inspect ${image} 2>&1 >/dev/null) || case $said in
  *[Nn]'o such '*) exit 40 ;;
  *) echo "$said" >&2; exit 41 ;;
esac
id=$(timeout 50 docker run -d --rm --name ${name} --label ${label} --network ${network} ${image} sh -c ${inside.text}) || exit 41
echo "$id $(docker inspect -f ${format} "$id")"`,
      { timeoutMs: 60_000 },
    ),
    hopsOf(host, family),
    host.reader.links(),
    waysTo(host, peers.map(outer)),
  ]);
  if (code === 40) throw noImage(host, network, image);
  const [id = "", address = "", mac = ""] = stdout.trim().split(" ");
  if (code !== 0 || address === "") return { host, said: lastLine(stderr, family) };
  const mtuOf = (device: string) => links.find((link) => link.name === device)?.mtu;
  const ways = peers.flatMap((peer) => {
    const device = routes.get(outer(peer))?.route?.dev ?? "";
    const mtu = mtuOf(device);
    return mtu === undefined ? [] : [[peer.name, { device, mtu }] as const];
  });
  return { host, id, name, address, mac, hops, ways: new Map(ways) };
}

/** Peers route to the address at which a host is reached; of the other family, to one that it has. */
async function hopsOf({ address, reader }: ProbeHost, family: Family): Promise<string[]> {
  if (familyOf(address) === family) return [address];
  return (await reader.addresses(family)).map((one) => one.address);
}

/** The image is not on a host; nothing is pulled. */
export function noImage(host: ProbeHost, network: string, image: string): CausewayError {
  return new CausewayError("verify", "the probe container could not be started", {
    host: host.name,
    task: "ping-check",
    command: `docker run --rm --network ${network} ${image} true`,
    found: `no image ${image}`,
    advice: `docker pull ${image}; without a registry: docker save ${image} | ssh ${host.address} docker load`,
  });
}

/** The word that counts: Docker's own hint on how to use it comes after it. */
function lastLine(text: string, family: Family): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("See 'docker run"));
  return lines.at(-1)?.trim() ?? (family === 6 ? "it has no IPv6 address" : "it has no address");
}

/** Takes a run's container away, whether it started or not. */
export async function removeContainers(host: ProbeHost, label: string): Promise<void> {
  await host.sh(
    sh`ids=$(docker ps -aq --filter label=${label}); [ -z "$ids" ] || docker rm -f $ids >/dev/null 2>&1; true`,
    { timeoutMs: 60_000 },
  );
}

export function isStarted(one: ProbeContainer | Unstarted): one is ProbeContainer {
  return "id" in one;
}
