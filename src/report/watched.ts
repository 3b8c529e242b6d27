import type { Activity, RunEvent, ToldGap, ToldPair } from "../run/events.ts";
import { count, duration, oneLine, type Paint } from "./paint.ts";

type Watched = Extract<RunEvent, { type: "watched" }>;

/** More pairs than this are one line a cause, with counts. */
const rowsAtMost = 12;
/** So many pairs are named in one line. */
const namedAtMost = 8;

/** A pair with its longest gap of one sort. */
interface Row {
  pair: ToldPair;
  gap: ToldGap;
  gaps: number;
}

/** What a watch saw: how many pairs lost nothing, then what should not have been noticed, then what could not be helped. */
export function watchedLines(watched: Watched, paint: Paint): string[] {
  const { title, everyMs, pairs, sampleOf } = watched;
  const reached = pairs.filter((pair) => pair.reached);
  const well = reached.filter(({ gaps }) => gaps.length === 0);
  const sent = well.reduce((sum, pair) => sum + pair.sent, 0);
  const of = sampleOf === undefined ? "" : `, a sample of ${sampleOf.toLocaleString("en-US")}`;
  return [
    "",
    paint(
      "bold",
      `WATCH ${oneLine(title)}: ${count(pairs.length, "ordered pair")}${of}, a packet every ${everyMs} ms on each`,
    ),
    ...(well.length > 0
      ? [paint("green", `  ${count(well.length, "pair")} lost nothing: ${count(sent, "packet")}`)]
      : []),
    ...section(
      paint("red", "  gaps, although no container of the pair went away"),
      rowsOf(reached, ({ restarted }) => restarted.length === 0),
    ),
    ...section(
      paint(
        "yellow",
        "  gaps of own restarts: a container of the pair went away, with its Docker or its network",
      ),
      rowsOf(reached, ({ restarted }) => restarted.length > 0),
    ),
    ...named("  never reached", pairs.filter((pair) => !pair.reached).map(arrow), (text) =>
      paint("yellow", text),
    ),
    ...limitLines(watched, paint),
    ...watched.notes.map((note) => `  ${oneLine(note)}`),
  ];
}

/** Pairs with a gap of some sort, the longest first. */
function rowsOf(pairs: readonly ToldPair[], isSuch: (gap: ToldGap) => boolean): Row[] {
  return pairs
    .flatMap((pair) => {
      const such = pair.gaps.filter(isSuch).sort((a, b) => b.ms - a.ms);
      return such[0] ? [{ pair, gap: such[0], gaps: such.length }] : [];
    })
    .sort((a, b) => b.gap.ms - a.gap.ms);
}

function section(heading: string, rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  return [`${heading}:`, ...(rows.length > rowsAtMost ? folded(rows) : rows.map(row))];
}

/** `docker-200 → docker-201  2.3 s, 9 of 61 packets lost  during restart docker on docker-200`. */
function row({ pair, gap, gaps }: Row): string {
  const unsent = gap.restarted.includes(pair.from) ? " (none was sent while its own container was away)" : "";
  const longest = gaps > 1 ? `the longest of ${gaps}: ` : "";
  const still = gap.open ? ", no answer any more" : "";
  return `    ${arrow(pair)}  ${longest}${duration(gap.ms)}${still}, ${pair.lost} of ${count(pair.sent, "packet")} lost${unsent}  ${causes(gap)}`;
}

/** One line for all pairs whose longest gap fell into the same steps. */
function folded(rows: readonly Row[]): string[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) groups.set(causes(row.gap), [...(groups.get(causes(row.gap)) ?? []), row]);
  return [...groups].map(([cause, some]) => {
    const [longest, shortest] = [some[0]?.gap.ms ?? 0, some.at(-1)?.gap.ms ?? 0];
    const open = some.filter(({ gap }) => gap.open).length;
    const still = open > 0 ? `, ${open} of them with no answer any more` : "";
    const worst = some[0] ? `, the longest ${arrow(some[0].pair)}` : "";
    return `    ${count(some.length, "pair")}  ${duration(shortest)} to ${duration(longest)}${worst}${still}  ${cause}`;
  });
}

function causes({ during }: ToldGap): string {
  return during.length === 0
    ? "while no step of this run was going on"
    : `during ${during.map(words).join(", ")}`;
}

function words({ host, task, what }: Activity): string {
  return oneLine(`${task === undefined ? "" : `${task}: `}${what} on ${host}`);
}

function limitLines({ maxGapMs, over = [], pairs }: Watched, paint: Paint): string[] {
  if (maxGapMs === undefined) return [];
  if (over.length === 0) return [paint("green", `  --max-gap ${duration(maxGapMs)}: no gap was longer`)];
  const longest = new Map(pairs.map((pair) => [arrow(pair), pair]));
  const told = over.map((name) => {
    const pair = longest.get(name);
    return `${name} (${pair?.reached ? duration(pair.longestMs) : "never reached"})`;
  });
  return named(`  --max-gap ${duration(maxGapMs)} was exceeded`, told, (text) => paint("red", text));
}

function named(heading: string, names: readonly string[], style: (text: string) => string): string[] {
  if (names.length === 0) return [];
  const more = names.length > namedAtMost ? ` and ${names.length - namedAtMost} more` : "";
  return [style(`${heading}: ${names.slice(0, namedAtMost).join(", ")}${more}`)];
}

function arrow({ from, to }: Pick<ToldPair, "from" | "to">): string {
  return `${from} → ${to}`;
}
