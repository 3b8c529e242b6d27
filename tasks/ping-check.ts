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
  type ProbeContainer,
  removeContainers,
  startContainers,
  type Unstarted,
} from "./ping-check/containers.ts";
import { endCaptures, judgeCaptures, removeCaptures, startCaptures } from "./ping-check/evidence.ts";
import { gatherFacts, secondsToLookInto } from "./ping-check/facts.ts";
import { judge } from "./ping-check/judge.ts";
import {
  type Ends,
  mostOfOne,
  type Selection,
  selectPairs,
  suspectsOf,
  takesPart,
} from "./ping-check/pairs.ts";
import { isTried, type Pair, patience, readPing, secondsToTry, tryPairs } from "./ping-check/pings.ts";
import { strayPairs } from "./ping-check/stray.ts";
import { watchPairs } from "./ping-check/watch.ts";
import { wireParam } from "./ping-check/wire.ts";

/** Of more hosts a sample is tried. */
const allPairsUpTo = 16;

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
    family: Type.Optional(
      Type.Union([Type.Literal(4), Type.Literal(6)], {
        default: 4,
        description: "whether the containers reach each other by their IPv4 or by their IPv6 addresses",
      }),
    ),
    count: Type.Integer({ default: 3, minimum: 1, maximum: 100, description: "packets per pair" }),
    source: Type.Union([Type.Literal("preserved"), Type.Literal("any")], {
      default: "preserved",
      description: "whether the far side has to see the container's own address",
    }),
    wire: Type.Optional(wireParam),
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
    all_pairs_up_to: Type.Optional(
      Type.Integer({
        default: allPairsUpTo,
        minimum: 2,
        description:
          "up to this number of hosts every ordered pair is tried, above it a sample; `--all-pairs` tries every pair of any fleet",
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
 * Proves with real packets which containers reach which: ordered pairs of hosts, container to container, with loss,
 * round-trip time, the source address that the far side saw, and the largest packet that crosses in one piece. Up to 16
 * hosts it tries every pair; above that a sample, and every pair of a host with which one of the sample failed, unless the
 * command line says `--all-pairs`. As a gate between batches it tries the pairs of the hosts just changed alone. A pair that fails is looked into on both hosts, and gets one cause. What the sample is,
 * and how each verdict and each cause is decided: [the proof](../proof.md). The containers are always removed.
 *
 * With `--watch` a container on every host pings its peers during the whole run: [what it cost](../rolling.md#what-it-cost).
 */
export const pingCheck = defineProbe({
  name: "ping-check",
  summary: "Ordered pairs of hosts, container to container",
  params,
  run: async (all, asked, run): Promise<Matrix> => {
    const { among } = run;
    const wanted = { ...asked, pairs: (asked.pairs ?? []).filter((pair) => takesPart(pair, among)) };
    const able = all.filter(({ name }) => wanted.hosts?.includes(name) ?? true);
    const selection = selectPairs(
      able.map(({ name }) => name),
      {
        everything: run.allPairs,
        allUpTo: wanted.all_pairs_up_to ?? allPairsUpTo,
        named: wanted.pairs,
        among,
      },
    );
    const hosts = among ? able.filter(({ name }) => among.has(name) || isEnd(name, selection)) : able;
    const names = hosts.map(({ name }) => name);
    const id = `${process.pid}-${Date.now().toString(36)}`;
    const label = `causeway.probe=${id}`;
    const capturing = run.evidence || wanted.evidence === true;
    try {
      run.say(`starting a container on each of ${hosts.length} hosts`);
      const { ends, notes } = await startContainers(hosts, {
        ...wanted,
        pairs: selection.pairs,
        label,
        id,
        lifetime: lifetimeOf(selection, hosts.length, wanted),
        say: run.say,
      });
      const found = await tryAll({ ends, selection, label, id, capturing }, wanted, run);
      return {
        title: `containers on ${wanted.network}${wanted.family === 6 ? ", IPv6" : ""}`,
        hosts: names,
        cells: [...inOrder(found.cells, names), ...found.own],
        ...(found.cells.length < selection.all ? { sampleOf: selection.all } : {}),
        ...(found.captures === undefined ? {} : { captures: found.captures }),
        notes: [...notes, ...found.notes, ...notTried(hosts, wanted)],
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
  watch: (all, wanted, run) =>
    watchPairs(
      all.filter(({ name }) => wanted.hosts?.includes(name) ?? true),
      wanted,
      run,
    ),
});

const isEnd = (name: string, { pairs }: Selection) =>
  pairs.some(({ from, to }) => from === name || to === name);

/** Long enough for all that may be tried with the containers, and two minutes for their start. */
function lifetimeOf({ pairs, all }: Selection, hosts: number, wanted: Params): number {
  const further = pairs.length < all ? secondsToTry(hosts - 1, wanted) : 0;
  return (
    120 +
    (wanted.wire?.rejoins ?? 0) +
    secondsToTry(mostOfOne(pairs), wanted) +
    further +
    secondsToLookInto(hosts - 1)
  );
}

interface Setting {
  ends: readonly (ProbeContainer | Unstarted)[];
  selection: Selection;
  label: string;
  id: string;
  capturing: boolean;
}

interface Found {
  cells: MatrixCell[];
  /** Of hosts and their own containers. */
  own: MatrixCell[];
  captures: string | undefined;
  notes: string[];
}

/** Tries the pairs, captures meanwhile, goes on where one of a sample failed, and finds the causes. */
async function tryAll(setting: Setting, wanted: Params, run: ProbeRun): Promise<Found> {
  const { ends, selection, label, id, capturing } = setting;
  const containers = ends.filter(isStarted);
  const sampled = selection.pairs.length < selection.all;
  const stray = sampled
    ? (await strayPairs(containers, wanted.wire, selection.pairs)).filter((pair) =>
        takesPart(pair, run.among),
      )
    : [];
  const pairs = [...selection.pairs, ...stray];
  const seconds = secondsToTry(mostOfOne(pairs), wanted) + secondsForOwn(wanted);
  const refused = capturing
    ? await startCaptures(containers, id, { wire: wanted.wire, seconds: seconds + 60 })
    : undefined;
  run.say(`proving ${howMany(pairs.length, selection.all)} ordered pairs: at most ${seconds} s`);
  const [tried, own] = await Promise.all([
    tryPairs(between(ends, pairs), wanted),
    everyOf(containers.map((container) => pingOwn(container, label, wanted))),
  ]);
  const evidence =
    refused &&
    (await judgeCaptures(between(containers, selection.sample), await endCaptures(containers, id, refused), {
      ...wanted,
      keep: run.keep,
    }));
  const first = tried.map((pair) => ({ pair, cell: judge(pair, wanted, evidence) }));
  const further = sampled ? await tryFurther(first, setting, wanted, run) : { judged: [], notes: [] };
  const judged = [...first, ...further.judged];
  return {
    cells: await explain(judged, { ...wanted, label, say: run.say }),
    own: own.flat(),
    captures: evidence?.folder,
    notes: [
      ...(judged.length < selection.all ? [sampleNote(judged.length, selection)] : []),
      ...(stray.length === 0
        ? []
        : [`${stray.length} of them because a route of their sender leads elsewhere`]),
      ...further.notes,
      ...(capturing && judged.length > selection.sample.length
        ? [`captures of ${selection.sample.length} pairs were judged`]
        : []),
    ],
  };
}

interface JudgedPair {
  pair: Pair;
  cell: MatrixCell;
}

/** The hosts of pairs that failed, with all others: so many hosts at most. */
async function tryFurther(
  first: readonly JudgedPair[],
  { ends, selection }: Setting,
  wanted: Params,
  { say, among }: ProbeRun,
): Promise<{ judged: JudgedPair[]; notes: string[] }> {
  const failed = first.filter(({ pair, cell }) => isTried(pair) && isUnexplained(cell));
  const suspects = suspectsOf(
    ends.filter(isStarted).map(({ host }) => host.name),
    failed.map(({ cell }) => cell),
    first.map(({ cell }) => cell),
  );
  if (suspects.hosts.length === 0) return { judged: [], notes: [] };
  const more = suspects.pairs.filter((pair) => takesPart(pair, among));
  const seconds = secondsToTry(mostOfOne(more), wanted);
  const whom = `${suspects.hosts.join(", ")} with all others`;
  say(`trying ${whom}: ${howMany(more.length, selection.all)} more ordered pairs, at most ${seconds} s`);
  const tried = await tryPairs(between(ends, more), wanted);
  const rest = suspects.more === 0 ? "" : `; ${suspects.more} more hosts with a failed pair were left out`;
  return {
    judged: tried.map((pair) => ({ pair, cell: judge(pair, wanted) })),
    notes: [`a pair failed: tried ${whom}${rest}`],
  };
}

const isUnexplained = ({ ok, cause }: MatrixCell) => !ok && cause === undefined;

function howMany(some: number, all: number): string {
  return some < all ? `${inWords(some)} of ${inWords(all)}` : `all ${inWords(all)}`;
}

const inWords = (number: number) => number.toLocaleString("en-US");

function sampleNote(tried: number, { all }: Selection): string {
  return `a sample: ${howMany(tried, all)} ordered pairs; a fault between just two hosts may be missed: --all-pairs tries every pair`;
}

/** The pairs as containers. */
function between<E extends ProbeContainer | Unstarted>(
  ends: readonly E[],
  pairs: readonly Ends[],
): { from: E; to: E }[] {
  const byName = new Map(ends.map((end) => [end.host.name, end]));
  return pairs.flatMap((pair) => {
    const [from, to] = [byName.get(pair.from), byName.get(pair.to)];
    return from && to ? [{ from, to }] : [];
  });
}

/** Row by row, as the table has them. */
function inOrder(cells: readonly MatrixCell[], hosts: readonly string[]): MatrixCell[] {
  const at = new Map(hosts.map((host, index) => [host, index]));
  const place = ({ from, to }: MatrixCell) => (at.get(from) ?? 0) * hosts.length + (at.get(to) ?? 0);
  return [...cells].sort((a, b) => place(a) - place(b));
}

/** What is said of a pair that a host is missing from: proving nothing is not passed over in silence. */
function notTried(hosts: readonly ProbeHost[], { pairs = [] }: Params): string[] {
  const here = new Set(hosts.map((host) => host.name));
  return pairs
    .filter(({ from, to }) => !here.has(from) || !here.has(to))
    .map(({ from, to }) => `not tried: ${from} → ${to}, because a host is not in this run`);
}

/** Gives every pair that failed without saying why its cause, all of them together. */
async function explain(
  judged: readonly JudgedPair[],
  { wire, label, image, family = 4, say }: Params & { label: string; say: ProbeRun["say"] },
): Promise<MatrixCell[]> {
  const failed = judged.filter(({ cell }) => isUnexplained(cell));
  if (failed.length === 0) return judged.map(({ cell }) => cell);
  const seconds = secondsToLookInto(mostOfOne(failed.map(({ cell }) => cell)));
  say(
    `looking into ${inWords(failed.length)} ordered pairs that failed: their second try takes at most ${seconds} s`,
  );
  const facts = await gatherFacts(
    failed.map(({ pair }) => pair),
    { wire, label, image, family },
  );
  const factsOf = new Map(failed.map((one, index) => [one, facts[index]]));
  return judged.map((one) => {
    const found = factsOf.get(one);
    if (!found) return one.cell;
    const largest = found.largest === undefined ? {} : { largestPacket: found.largest };
    return { ...one.cell, ...largest, ...causeOf(found, wire) };
  });
}

/** Docker takes so many seconds at most to start what pings a host's own container. */
const startOfOwn = 30;

/** They come after the pings of the pairs: a host does one thing after the other. */
function secondsForOwn({ pairs = [], count }: Params): number {
  return pairs.some(({ from, to }) => from === to) ? count + startOfOwn : 0;
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
    sh`timeout -k 2 ${count + startOfOwn} docker run --rm --label ${label} --network host --userns host ${image} ping -c ${count} -w ${count + patience} -W ${patience} ${address}`,
    { timeoutMs: (count + startOfOwn + 30) * 1000 },
  );
  const said = readPing(stdout, false);
  // A host without any route to it sends nothing, and does not reach it.
  const loss = /sendto: Network is unreachable/.test(stderr) ? 100 : said.loss;
  const { rtt } = said;
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
