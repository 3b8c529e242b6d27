import {
  defineProbe,
  type Matrix,
  type MatrixCell,
  type ProbeHost,
  type ProbeRun,
  type Static,
  sh,
  Type,
} from "causeway";
import { causeOf } from "./ping-check/cause.ts";
import {
  everyOf,
  isStarted,
  othersThan,
  type ProbeContainer,
  removeContainers,
  startContainers,
  type Unstarted,
} from "./ping-check/containers.ts";
import {
  type Evidence,
  endCaptures,
  judgeCaptures,
  removeCaptures,
  startCaptures,
} from "./ping-check/evidence.ts";
import { gatherFacts } from "./ping-check/facts.ts";
import { isTried, type Pair, pingAll, readPing, type Tried, type TriedPair } from "./ping-check/pings.ts";
import type { Verdict } from "./ping-check/verdict.ts";
import { tunnelOf, Wire } from "./ping-check/wire.ts";

const params = Type.Object(
  {
    hosts: Type.Optional(
      Type.Array(Type.String(), {
        description: "the hosts that take part, by name; every host of the run unless given",
      }),
    ),
    network: Type.String({ default: "bridge", description: "the Docker network that the containers are on" }),
    image: Type.String({
      default: "busybox",
      description: "an image with busybox's ping and nc, already on every host; nothing is pulled",
    }),
    count: Type.Integer({ default: 3, minimum: 1, maximum: 100, description: "packets a pair" }),
    source: Type.Union([Type.Literal("preserved"), Type.Literal("any")], {
      default: "preserved",
      description: "whether the far side has to see the container's own address",
    }),
    wire: Type.Optional(Wire),
    names: Type.Optional(
      Type.Boolean({
        default: false,
        description: "whether a container has to resolve the far one by its name, too",
      }),
    ),
    evidence: Type.Optional(
      Type.Boolean({
        default: false,
        description: "capture on the network between the hosts during the pings, as `--evidence` does",
      }),
    ),
    pairs: Type.Optional(
      Type.Array(
        Type.Object(
          {
            from: Type.String({ description: "the host that sends" }),
            to: Type.String({ description: "the host whose container is to be reached" }),
            expected: Type.Union([Type.Literal("reachable"), Type.Literal("unreachable")]),
          },
          { additionalProperties: false },
        ),
        {
          default: [],
          description:
            "pairs of which something else is expected than that containers of two hosts reach each other; from a host to itself is the host and its own container, which is only tried where it is named here",
        },
      ),
    ),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

/**
 * Proves with real packets which containers reach which: every ordered pair of hosts, container to container, with
 * loss, round-trip time, the source address that the far side saw, and the largest packet that crosses in one piece. A
 * pair that fails is looked into on both hosts, and gets one cause. How each verdict and each cause is decided:
 * [the proof](../proof.md). The containers are always removed.
 */
export const pingCheck = defineProbe({
  name: "ping-check",
  summary: "Every ordered pair of hosts, container to container",
  params,
  run: async (all, wanted, { say, keep, ...asked }): Promise<Matrix> => {
    const hosts = all.filter(({ name }) => wanted.hosts?.includes(name) ?? true);
    const id = `${process.pid}-${Date.now().toString(36)}`;
    const label = `causeway.probe=${id}`;
    const capturing = asked.evidence || wanted.evidence === true;
    try {
      say(`starting a container on each of ${hosts.length} hosts`);
      const { ends, notes } = await startContainers(hosts, { ...wanted, label, id, say });
      const containers = ends.filter(isStarted);
      const refused = capturing ? await startCaptures(containers, id, wanted.wire) : undefined;
      say(`pinging ${hosts.length * (hosts.length - 1)} ordered pairs`);
      const [tried, own] = await Promise.all([
        everyOf(containers.map((from) => pingAll(from, othersThan(from, containers), wanted))),
        everyOf(containers.map((container) => pingOwn(container, label, wanted))),
      ]);
      const evidence =
        refused &&
        (await judgeCaptures(containers, await endCaptures(containers, id, refused), { ...wanted, keep }));
      const pairs = [...tried.flat(), ...untried(ends)];
      const cells = pairs.map((pair) => ({ pair, cell: judge(pair, wanted, evidence) }));
      return {
        title: `containers on ${wanted.network}`,
        hosts: hosts.map((h) => h.name),
        cells: [...(await explain(cells, { ...wanted, label, say })), ...own.flat()],
        ...(evidence?.folder === undefined ? {} : { captures: evidence.folder }),
        notes: [...notes, ...notTried(hosts, wanted)],
      };
    } finally {
      await Promise.allSettled(
        hosts.flatMap((host) => [
          removeContainers(host, label),
          ...(capturing ? [removeCaptures(host, id)] : []),
        ]),
      );
    }
  },
});

/** The pairs of which a container did not start. */
function untried(ends: readonly (ProbeContainer | Unstarted)[]): Pair[] {
  return ends.flatMap((from) =>
    othersThan(from, ends)
      .filter((to) => !isStarted(from) || !isStarted(to))
      .map((to) => ({ from, to })),
  );
}

/** What is said of a pair that a host is missing from: proving nothing is not passed over in silence. */
function notTried(hosts: readonly ProbeHost[], { pairs = [] }: Params): string[] {
  const here = new Set(hosts.map((host) => host.name));
  return pairs
    .filter(({ from, to }) => !here.has(from) || !here.has(to))
    .map(({ from, to }) => `not tried: ${from} → ${to}, of which a host is not in this run`);
}

/** How a pair came out, without the cause where that has to be looked for. */
function judge(pair: Pair, wanted: Params, evidence: Evidence | undefined): MatrixCell {
  const [from, to] = [pair.from.host.name, pair.to.host.name];
  const expected = wanted.pairs?.find((p) => p.from === from && p.to === to)?.expected ?? "reachable";
  const cell = { from, to, expected, ok: false, lossPercent: pair.tried?.loss ?? 100 };
  if (!isTried(pair)) return cell;
  const { loss, rtt, caller, resolved } = pair.tried;
  const reached = { ...cell, ...(rtt === undefined ? {} : { rttMs: rtt }) };
  if (expected === "unreachable") return apart(reached, pair.tried);
  const preserved = caller === undefined ? undefined : caller === pair.from.address;
  const { largest, whole } = sizeOf(pair, wanted.wire);
  const verdict = evidence?.verdicts.get(`${from} ${to}`);
  const named = resolved === undefined ? undefined : resolved === pair.to.address;
  const works = loss === 0 && (wanted.source === "any" || preserved === true) && whole && named !== false;
  return {
    ...reached,
    ok: works && verdict?.ok !== false,
    ...(caller === undefined ? {} : { sourceSeen: caller }),
    ...(preserved === undefined ? {} : { sourcePreserved: preserved }),
    ...(largest === undefined ? {} : { largestPacket: largest }),
    ...(named === undefined ? {} : { nameResolved: named }),
    ...(verdict === undefined ? {} : { evidence: { ok: verdict.ok, seen: verdict.seen } }),
    ...(works && verdict?.ok === false ? wrongOnTheWire(verdict, pair) : {}),
  };
}

/** Two that have to be kept apart; a ping that could not be tried proves nothing, least of all that. */
function apart(cell: MatrixCell, { loss, caller }: Tried): MatrixCell {
  if (loss === 100 && caller === undefined) return { ...cell, ok: true };
  const cause =
    loss === undefined ? "the ping could not be tried" : "reached, although it is to be kept apart";
  return { ...cell, cause, command: "iptables -vnL FORWARD" };
}

/**
 * The largest packet that crosses in one piece, as far as that is known already, and whether it is the one that the
 * interface inside promises. What does not fit the network below is cut in pieces by a tunnel, and arrives all the same.
 */
function sizeOf({ from, to, tried }: TriedPair, wire: Params["wire"]): { largest?: number; whole: boolean } {
  if (tried.promised === undefined || tried.loss === 100) return { whole: true };
  if (!tried.crossed) return { whole: false };
  const below = from.ways.get(to.host.name)?.mtu ?? Number.POSITIVE_INFINITY;
  const fits = tunnelOf(wire) ? below - (tunnelOf(wire)?.overhead ?? 0) : tried.promised;
  return { largest: Math.min(tried.promised, fits), whole: tried.promised <= fits };
}

function wrongOnTheWire({ seen, without }: Verdict, { from, to }: TriedPair) {
  const missing = seen.includes("is not installed");
  return {
    cause: `evidence: ${seen}`,
    command: missing
      ? "apt-get install tcpdump"
      : `tcpdump -ni any host ${to.address} or host ${from.address}`,
    ...(without === undefined || without === from.host.name ? {} : { commandOn: without }),
  };
}

/** Gives every pair that failed without saying why its cause, all of them together. */
async function explain(
  cells: readonly { pair: Pair; cell: MatrixCell }[],
  { wire, label, image, say }: Params & { label: string; say: ProbeRun["say"] },
): Promise<MatrixCell[]> {
  const failed = cells.filter(({ cell }) => !cell.ok && cell.cause === undefined);
  if (failed.length === 0) return cells.map(({ cell }) => cell);
  say(`looking into ${failed.length} pairs that failed`);
  const facts = await gatherFacts(
    failed.map(({ pair }) => pair),
    { wire, label, image },
  );
  return cells.map((one) => {
    const found = facts[failed.indexOf(one)];
    if (!found) return one.cell;
    const largest = found.largest === undefined ? {} : { largestPacket: found.largest };
    return { ...one.cell, ...largest, ...causeOf(found, wire) };
  });
}

/** Whether a host itself reaches its container, from a container in the host's own network: hosts need no ping. */
async function pingOwn(
  { host, address }: ProbeContainer,
  label: string,
  { pairs, image, count }: Params,
): Promise<MatrixCell[]> {
  const expected = pairs?.find(({ from, to }) => from === host.name && to === host.name)?.expected;
  if (expected === undefined) return [];
  const { stdout, stderr } = await host.sh(
    sh`docker run --rm --label ${label} --network host ${image} ping -c ${count} -w ${count + 2} ${address}`,
    { timeoutMs: (count + 60) * 1000 },
  );
  const { loss, rtt } = readPing(stdout, false);
  const cell: MatrixCell = {
    from: host.name,
    to: host.name,
    // A ping that could not be tried proves nothing, least of all that they are kept apart.
    ok: loss === (expected === "reachable" ? 0 : 100),
    expected,
    lossPercent: loss ?? 100,
    ...(rtt === undefined ? {} : { rttMs: rtt }),
  };
  if (cell.ok) return [cell];
  const cause =
    loss === undefined
      ? `the ping could not be tried: ${stderr.trim()}`
      : expected === "reachable"
        ? "the host does not reach its own container"
        : "the host reaches its own container: over a shim, or a router that sends it back";
  return [{ ...cell, cause, command: `ip route get ${address}` }];
}
