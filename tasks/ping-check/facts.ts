import { type Counter, countersMoved, type Family, type ProbeHost, parseCounters, sh } from "causeway";
import { arrivedOf, countsOf, pingsInto, readPinged } from "./arrivals.ts";
import { callerPort, everyOf, isStarted, type ProbeContainer } from "./containers.ts";
import { countersOf, devicesOf, forwardingOff, otherCounters } from "./forwarding.ts";
import { inEach, secondsFor } from "./inside.ts";
import { outerAddress, outerFamily } from "./outer.ts";
import { addressOf, headersOf, type Pair } from "./pings.ts";
import { askFor, readSizes, waysTo } from "./routes.ts";
import { type HostFacts, isRoutedByHosts, type PairFacts, type Wire } from "./wire.ts";

/** Pings that are sent again; a rule that drops them all moves by so many at least. */
const again = 5;

/** What the proof was asked, as far as it matters for what is looked at. */
interface Asked {
  wire: Wire | undefined;
  label: string;
  image: string;
  family: Family;
}

/**
 * Asks all that explains the pairs which failed, for all of them together: three round trips a host. Between two looks at
 * the counters everything is tried once more.
 */
export async function gatherFacts(
  failed: readonly Pair[],
  { wire, label, image, family }: Asked,
): Promise<PairFacts[]> {
  const ends = [
    ...new Map(failed.flatMap(({ from, to }) => [from, to]).map((end) => [end.host, end])).values(),
  ];
  const outerOf = ({ from, to }: { from: { host: ProbeHost }; to: { host: ProbeHost } }) =>
    wire?.tunnel ? outerFamily(wire.tunnel, from.host.name, to.host.name) : family;
  const families = [...new Set([family, ...failed.map(outerOf)])];
  const looks = new Map(
    await everyOf(
      ends.map(async (end) => {
        const asked = { wire, label, image, family, families };
        return [end.host, await lookAt(end, peersIn(failed, end), asked)] as const;
      }),
    ),
  );
  const retried = new Map<Pair, Retried>();
  const told = ({ from, to }: Pair) => looks.get(from.host)?.told.get(to.host);
  const silent = failed.filter((pair) => told(pair) === undefined);
  await everyOf(ends.filter(isStarted).map((end) => retry(end, failed, new Set(silent), retried)));
  const later = new Map(
    await everyOf(
      ends.map(
        async (end) =>
          [end.host, await lookAgain(end, looks.get(end.host)?.other?.tool, { family, families })] as const,
      ),
    ),
  );
  const factsOf = (end: Pair["from"], peer: ProbeHost, outer: Family): HostFacts => {
    const { facts: looked, counters: before, other } = looks.get(end.host) as Look;
    const again = later.get(end.host);
    const movedOf = (which: Family) =>
      countersMoved(before.get(which) ?? [], again?.counters.get(which) ?? []);
    const moved = movedOf(family);
    const outerMoved = outer === family ? {} : { outerMoved: movedOf(outer) };
    const otherMoved = other && { ...other, moved: countersMoved(other.counters, again?.other ?? []) };
    const facts = { ...looked, moved, ...outerMoved, ...(otherMoved ? { otherMoved } : {}) };
    const { name } = end.host;
    const address = outerAddress(end.host, wire?.tunnel);
    const hops = isStarted(end) ? end.hops : [end.host.address];
    if (!isStarted(end)) return { name, address, hops, container: "", unstarted: end.said, ...facts };
    const underlay = end.ways.get(peer.name)?.device;
    return { name, address, hops, container: end.address, ...(underlay ? { underlay } : {}), ...facts };
  };
  return failed.map((pair) => {
    const { from, to, tried } = pair;
    const wayThere = looks.get(from.host)?.routes.get(to.host);
    const wayBack = looks.get(to.host)?.routes.get(from.host);
    const largest = told(pair) ?? retried.get(pair)?.largest;
    const called = tried?.caller !== undefined || retried.get(pair)?.answered === true;
    const waiting = isStarted(from) && later.get(to.host)?.callers.has(from.address) === true;
    return {
      family,
      from: factsOf(from, to.host, outerOf(pair)),
      to: factsOf(to, from.host, outerOf(pair)),
      arrived:
        called ||
        waiting ||
        arrivedOf(pair, failed, {
          before: looks.get(to.host)?.pinged,
          after: later.get(to.host)?.pinged,
          each: again,
        }),
      sent: again,
      ...(tried === undefined ? {} : { tried }),
      ...(wayThere === undefined ? {} : { wayThere }),
      ...(wayBack === undefined ? {} : { wayBack }),
      ...(largest === undefined ? {} : { largest }),
    };
  });
}

function peersIn(failed: readonly Pair[], end: Pair["from"]): Pair["from"][] {
  const pairs = failed.filter(({ from, to }) => from === end || to === end);
  return [...new Set(pairs.map(({ from, to }) => (from === end ? to : from)))];
}

interface Look {
  facts: Pick<HostFacts, "links" | "own" | "forwardingOff" | "flushed">;
  /** Per peer, where its container's address is routed to. */
  routes: ReadonlyMap<ProbeHost, string>;
  /** Per peer, the largest packet that a router on the way lets through, as it told the container's kernel. */
  told: ReadonlyMap<ProbeHost, number>;
  counters: ReadonlyMap<Family, readonly Counter[]>;
  /** Those of the other backend of iptables, where it has rules. */
  other: { tool: string; counters: readonly Counter[] } | undefined;
  /** How many pings came into the container so far. */
  pinged: number | undefined;
}

async function lookAt(
  end: Pair["from"],
  peers: readonly Pair["from"][],
  { wire, label, image, family, families }: Asked & { families: readonly Family[] },
): Promise<Look> {
  const { host } = end;
  const reached = isRoutedByHosts(wire) ? peers.filter(isStarted) : [];
  const [rules, other, pinged, off, links, own, told, ways] = await Promise.all([
    countersOf(host, families),
    family === 4 ? otherCounters(host) : undefined,
    isStarted(end) ? host.sh(pingsInto(end, family)) : undefined,
    isRoutedByHosts(wire) ? forwardingOff(host, devicesOf(end, wire), family) : [],
    host.reader.links(),
    wire?.look?.(host, { label, image }),
    isStarted(end) ? toldSizes(end, peers.filter(isStarted)) : new Map(),
    waysTo(
      host,
      reached.map(({ address }) => address),
    ),
  ]);
  const routes = reached.map((peer) => [peer.host, ways.get(peer.address)?.words ?? ""] as const);
  return {
    facts: {
      links,
      forwardingOff: off,
      flushed: rules.flushed.get(family) === true,
      ...(own === undefined ? {} : { own }),
    },
    routes: new Map(routes),
    told,
    counters: rules.of,
    other,
    pinged: readPinged(pinged?.stdout),
  };
}

/** A router that refuses a packet says how large it may be; the kernel remembers that for ten minutes (ip-route(8), "mtu"). */
async function toldSizes(
  { id, host }: ProbeContainer,
  peers: readonly ProbeContainer[],
): Promise<Map<ProbeHost, number>> {
  if (peers.length === 0) return new Map();
  const { stdout } = await host.sh(
    sh`pid=$(docker inspect -f '{{.State.Pid}}' ${id}) && command -v nsenter >/dev/null || exit 0
${askFor(peers.map(({ address }) => address))} | nsenter -t "$pid" -n ip -force -batch - 2>/dev/null; true`,
  );
  const sizes = readSizes(stdout);
  return new Map(
    peers.flatMap((peer) => {
      const size = sizes.get(peer.address);
      return size === undefined ? [] : [[peer.host, size] as const];
    }),
  );
}

interface Retried {
  /** Whether the far side answered over TCP. */
  answered: boolean;
  largest?: number;
}

/** The largest packet that crosses, where larger ones are lost in silence: by steps, all sizes of a step at once. */
const insideAgain = `n=0; while [ $n -lt ${again} ]; do n=$((n + 1)); ping -c 1 -W 1 $1 >/dev/null 2>&1 & done
[ -z "$($cap nc -w 1 $1 ${callerPort} </dev/null 2>/dev/null)" ] || echo @answered
wait
[ -n "$2" ] || exit 0
${headersOf("$1")}
low=68 high=$2
while [ $((high - low)) -gt 1 ]; do
  step=$(((high - low + 15) / 16)); at=$((low + step))
  best=$({ while [ $at -lt $high ]; do
    (ping -c 1 -W 1 -s $((at - headers)) $1 >/dev/null 2>&1 && echo $at) &
    at=$((at + step))
  done; wait; } | sort -n | tail -n 1)
  best=\${best:-$low}
  [ $((best + step)) -ge $high ] || high=$((best + step))
  low=$best
done
echo "@largest $low"`;

/** Two seconds for the pings and the call, three steps of sizes, and a machine that is busy with them. */
const retrying = { seconds: 10, atOnce: 8 };

/** How many seconds it takes at most to try so many failed pairs of one container again. */
export function secondsToLookInto(peers: number): number {
  return secondsFor(peers, retrying);
}

/** Tries the pairs that begin on a host once more, and finds the largest packet where only that was wrong. */
async function retry(
  from: ProbeContainer,
  failed: readonly Pair[],
  silent: ReadonlySet<Pair>,
  retried: Map<Pair, Retried>,
): Promise<void> {
  const pairs = failed.filter((pair) => pair.from === from && isStarted(pair.to));
  const peers = pairs.map(({ to }) => to as ProbeContainer);
  const byPeer = new Map(pairs.map((pair) => [pair.to, pair]));
  const answers = await inEach(from, peers, { script: insideAgain, ...retrying }, (to) => {
    const pair = byPeer.get(to);
    const { promised, crossed, loss = 100 } = pair?.tried ?? {};
    const search = pair !== undefined && silent.has(pair) && !crossed && loss < 100;
    return [to.address, ...(search && promised !== undefined ? [promised] : [])];
  });
  for (const [index, pair] of pairs.entries()) {
    const answer = answers[index] ?? "";
    const largest = /^@largest (\d+)$/m.exec(answer)?.[1];
    retried.set(pair, {
      answered: /^@answered$/m.test(answer),
      ...(largest === undefined ? {} : { largest: Number(largest) }),
    });
  }
}

interface LaterLook {
  counters: ReadonlyMap<Family, readonly Counter[]>;
  other: readonly Counter[];
  callers: ReadonlySet<string>;
  pinged: number | undefined;
}

/** The counters afterwards, and whose calls have arrived in the container and wait for an answer of theirs. */
async function lookAgain(
  end: Pair["from"],
  tool: string | undefined,
  { family, families }: { family: Family; families: readonly Family[] },
): Promise<LaterLook> {
  const [rules, other, inside] = await Promise.all([
    countersOf(end.host, families),
    tool === undefined ? undefined : end.host.sh(sh`${tool}-save -c`),
    isStarted(end)
      ? end.host.sh(sh`docker exec ${end.id} cat /proc/net/tcp /proc/net/tcp6 ${countsOf[family]}`)
      : undefined,
  ]);
  // State 03 is SYN_RECV: a call came, and what was answered did not get through.
  const waiting = inside?.stdout.matchAll(/^ *\d+: \S+ ([0-9A-F]+):[0-9A-F]{4} 03 /gm) ?? [];
  const callers = [...waiting].flatMap(([, hex]) => addressOf(hex) ?? []);
  return {
    counters: rules.of,
    other: parseCounters(other?.stdout ?? ""),
    callers: new Set(callers),
    pinged: readPinged(inside?.stdout),
  };
}
