/** An ordered pair of hosts, by name: who sends, and whom it is to reach. */
export interface Ends {
  readonly from: string;
  readonly to: string;
}

export interface Selection {
  pairs: readonly Ends[];
  /** The pairs of the sample, or all where nothing is left out: what captures are judged of. */
  sample: readonly Ends[];
  /** How many ordered pairs there are to choose from. */
  all: number;
}

export interface Choice {
  everything: boolean;
  /** Up to so many hosts, or as many pairs as these have, no sample is taken. */
  allUpTo: number;
  named: readonly Ends[];
  /** Only pairs in which one of these hosts takes part; all of them without it. */
  among?: ReadonlySet<string> | undefined;
}

/**
 * Which pairs are tried. Up to so many hosts all of them are; above that a sample, and what somebody expects something else
 * of, unless everything is asked for. Of a few hosts with all others there are fewer pairs: all of them are tried up to as
 * many as so many hosts have.
 */
export function selectPairs(
  hosts: readonly string[],
  { everything, allUpTo, named, among }: Choice,
): Selection {
  const every = allPairs(hosts).filter((pair) => takesPart(pair, among));
  const isSampled = every.length > allUpTo * (allUpTo - 1);
  const sample = isSampled ? samplePairs(hosts).filter((pair) => takesPart(pair, among)) : every;
  const all = every.length;
  if (everything) return { pairs: every, sample, all };
  const known = new Set(hosts);
  const fit = named.filter(
    (pair) => pair.from !== pair.to && known.has(pair.from) && known.has(pair.to) && takesPart(pair, among),
  );
  return { pairs: distinct([...sample, ...fit]), sample, all };
}

/** Whether one of these hosts is an end of the pair; any is where none are given. */
export function takesPart({ from, to }: Ends, among: ReadonlySet<string> | undefined): boolean {
  return among === undefined || among.has(from) || among.has(to);
}

/** Each host begins with the one behind it: where all begin at once, no host is called by all at once. */
function allPairs(hosts: readonly string[]): Ends[] {
  const steps = Array.from({ length: Math.max(0, hosts.length - 1) }, (_, index) => index + 1);
  return pairsBySteps(hosts, steps);
}

/**
 * A ring of all hosts, each with the next, and its longest chords, each host with the one across: each both ways, so three
 * or four pairs a host. The order of the ring is that of the names: the order of an inventory changes nothing.
 */
function samplePairs(hosts: readonly string[]): Ends[] {
  const ring = [...hosts].sort();
  const size = ring.length;
  const steps = [1, Math.floor(size / 2), Math.ceil(size / 2), size - 1];
  return pairsBySteps(ring, [...new Set(steps)]);
}

function pairsBySteps(hosts: readonly string[], steps: readonly number[]): Ends[] {
  return hosts.flatMap((from, at) =>
    steps.flatMap((step) => {
      const to = hosts[(at + step) % hosts.length];
      return to === undefined || to === from ? [] : [{ from, to }];
    }),
  );
}

/** More hosts than these are not tried with all others after a pair of the sample has failed. */
export const suspectsAtMost = 8;

export interface Suspects {
  /** The hosts that are tried with all others, those with the most failed pairs first. */
  hosts: readonly string[];
  /** How many more hosts have a failed pair. */
  more: number;
  /** Their pairs, both ways, that were not tried yet. */
  pairs: readonly Ends[];
}

/** What is tried after pairs of the sample have failed: the hosts of those pairs, with all others. */
export function suspectsOf(
  hosts: readonly string[],
  failed: readonly Ends[],
  tried: readonly Ends[],
): Suspects {
  const counts = new Map<string, number>();
  for (const { from, to } of failed)
    for (const host of [from, to]) counts.set(host, (counts.get(host) ?? 0) + 1);
  const inOrder = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([host]) => host);
  const suspects = new Set(inOrder.slice(0, suspectsAtMost));
  const known = new Set(tried.map(keyOf));
  const pairs = suspects.size === 0 ? [] : allPairs(hosts);
  return {
    hosts: [...suspects],
    more: counts.size - suspects.size,
    pairs: pairs.filter(
      (pair) => (suspects.has(pair.from) || suspects.has(pair.to)) && !known.has(keyOf(pair)),
    ),
  };
}

/** How many of the pairs the host with the most of them sends. */
export function mostOfOne(pairs: readonly Ends[]): number {
  const counts = new Map<string, number>();
  for (const { from } of pairs) counts.set(from, (counts.get(from) ?? 0) + 1);
  return [...counts.values()].reduce((most, count) => Math.max(most, count), 0);
}

function distinct(pairs: readonly Ends[]): Ends[] {
  return [...new Map(pairs.map((pair) => [keyOf(pair), pair])).values()];
}

export const keyOf = ({ from, to }: Ends) => `${from} ${to}`;
