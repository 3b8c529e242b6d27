import type { Matrix, MatrixCell } from "../task/matrix.ts";
import { count, oneLine, type Paint } from "./paint.ts";

/** More hosts than this are told in numbers, with the pairs that failed. */
const tableAtMost = 16;
/** More pairs than this are counted: a fleet that is cut in two has thousands with the same cause. */
const pairsAtMost = 50;
/** More hosts than this are counted. */
const hostsAtMost = 20;
/** So many of the slowest pairs are named. */
const slowest = 3;

/** A proof that held and is not the last one: how many pairs did. */
export function matrixInShort(matrix: Matrix, paint: Paint): string {
  return paint("green", `${matrix.title}: ${matrixSummary(matrix)}`);
}

/** The connectivity matrix: rows are where a packet starts, columns where it goes; below it what is wrong. */
export function matrixLines(matrix: Matrix, paint: Paint): string[] {
  const { cells, hosts, notes } = matrix;
  const failed = cells.filter((c) => !c.ok);
  return [
    paint(
      failed.length === 0 ? "green" : "red",
      `${matrix.title}: ${matrixSummary(matrix)}${mostly(failed)}`,
    ),
    ...(hosts.length <= tableAtMost ? table(matrix, paint) : inNumbers(cells, paint)),
    ...sourceLines(cells, paint),
    ...sizeLines(cells, paint),
    ...nameLines(cells),
    ...evidenceLines(matrix, paint),
    ...failed.slice(0, pairsAtMost).flatMap((cell) => failedPair(cell, paint)),
    ...more(failed.length - pairsAtMost, "failed pair"),
    ...notes.map((note) => `  ${oneLine(note)}`),
  ];
}

/** `6/6 ordered pairs reached`. */
export function matrixSummary({ cells, sampleOf }: Matrix): string {
  const wanted = cells.filter((c) => c.expected === "reachable");
  const apart = cells.filter((c) => c.expected === "unreachable");
  const good = (some: readonly MatrixCell[]) => `${some.filter((c) => c.ok).length}/${some.length}`;
  return [
    `${good(wanted)} ordered pairs reached`,
    ...(sampleOf === undefined ? [] : [`a sample of ${sampleOf.toLocaleString("en-US")}`]),
    ...(apart.length > 0 ? [`${good(apart)} kept apart, as expected`] : []),
  ].join(", ");
}

/** Why, where that is one thing: whoever reads the first line alone knows it. */
function mostly(failed: readonly MatrixCell[]): string {
  const [first, ...others] = byFrequency(failed, ({ cause = "" }) => cause);
  return first && first[0] !== "" && others.length === 0 ? `; ${oneLine(first[0])}` : "";
}

/** What stands for the table of many hosts: how long packets took, and which hosts have failed pairs. */
function inNumbers(cells: readonly MatrixCell[], paint: Paint): string[] {
  const timed = cells
    .flatMap(({ from, to, rttMs }) => (rttMs === undefined ? [] : [{ from, to, rttMs }]))
    .sort((a, b) => b.rttMs - a.rttMs);
  const middle = timed[Math.floor(timed.length / 2)];
  const worst = timed.slice(0, slowest).map((cell) => `${milliseconds(cell.rttMs)} ${pair(cell)}`);
  const times = middle
    ? [`  round trip: median ${milliseconds(middle.rttMs)}, worst ${worst.join(", ")}`]
    : [];
  const failed = cells.filter(({ ok }) => !ok);
  const ends = failed.flatMap(({ from, to }) => (from === to ? [from] : [from, to]));
  const hosts = byFrequency(ends, (host) => host);
  const named = hosts.slice(0, hostsAtMost).map(([host, { length }]) => `${host} (${length})`);
  const rest = hosts.length > hostsAtMost ? ` and ${hosts.length - hostsAtMost} more` : "";
  return hosts.length === 0
    ? times
    : [...times, paint("red", `  hosts with failed pairs: ${named.join(", ")}${rest}`)];
}

function table({ hosts, cells }: Matrix, paint: Paint): string[] {
  if (hosts.length < 2) return [];
  const byPair = new Map(cells.map((cell) => [`${cell.from} ${cell.to}`, cell]));
  const rows = hosts.map((from) => hosts.map((to) => byPair.get(`${from} ${to}`)));
  const wide = Math.max(9, ...hosts.map((h) => h.length), ...rows.flat().map((c) => cellWords(c).length)) + 2;
  const shown = (cell: MatrixCell | undefined) =>
    paint(!cell ? "dim" : cell.ok ? "green" : "red", cellWords(cell).padEnd(wide));
  return [
    `  ${["from \\ to", ...hosts].map((word) => word.padEnd(wide)).join("")}`.trimEnd(),
    ...rows.map((row, i) => `  ${(hosts[i] ?? "").padEnd(wide)}${row.map(shown).join("")}`.trimEnd()),
  ];
}

function cellWords(cell: MatrixCell | undefined): string {
  if (!cell) return "—";
  if (cell.expected === "unreachable") return cell.ok ? "no (as expected)" : "✗ reached";
  if (cell.lossPercent > 0) return `✗ loss ${cell.lossPercent}%`;
  if (!cell.ok) return "✗ see below";
  return cell.rttMs === undefined ? "yes" : milliseconds(cell.rttMs);
}

/** Whether senders were seen under their own address, where the probe looked at that, and which were not. */
function sourceLines(cells: readonly MatrixCell[], paint: Paint): string[] {
  const looked = cells.filter((c) => c.sourcePreserved !== undefined);
  if (looked.length === 0) return [];
  const lost = looked.filter((c) => !c.sourcePreserved);
  return [
    `  source preserved: ${looked.length - lost.length}/${looked.length}`,
    ...lost
      .slice(0, pairsAtMost)
      .map((cell) => paint("yellow", `  source not preserved: ${pair(cell)}${seen(cell)}`)),
    ...more(lost.length - pairsAtMost, "pair"),
  ];
}

/** One line where all pairs carry the same; otherwise how many carry which, and which pairs carry less than most. */
function sizeLines(cells: readonly MatrixCell[], paint: Paint): string[] {
  const measured = cells.filter((c) => c.largestPacket !== undefined);
  const [usual, ...others] = byFrequency(measured, (c) => c.largestPacket ?? 0);
  if (!usual) return [];
  const pairs = wantedOf(cells).length;
  const on = usual[1].length === pairs ? "all" : `${usual[1].length} of ${pairs}`;
  const few = others
    .flatMap(([, some]) => some)
    .slice(0, pairsAtMost)
    .map((cell) => paint("yellow", `  largest packet: ${cell.largestPacket} bytes on ${pair(cell)}`));
  return [`  largest packet: ${usual[0]} bytes on ${on} pairs`, ...few];
}

function nameLines(cells: readonly MatrixCell[]): string[] {
  const looked = cells.filter((c) => c.nameResolved !== undefined);
  return looked.length === 0
    ? []
    : [`  names resolved: ${looked.filter((c) => c.nameResolved).length}/${looked.length}`];
}

/** How packets crossed, the most frequent way first, and where the captures are. */
function evidenceLines({ cells, captures }: Matrix, paint: Paint): string[] {
  const judged = cells.flatMap(({ evidence }) => evidence ?? []);
  if (judged.length === 0) return [];
  const good = judged.filter(({ ok }) => ok);
  const ways = byFrequency(good, ({ seen }) => seen);
  const as = ways.length === 0 ? "" : ` as ${ways.map(([way]) => oneLine(way)).join(" or ")}`;
  const line = `  evidence: ${good.length}/${judged.length} pairs${as}`;
  return [
    paint(good.length === judged.length ? "green" : "red", line),
    ...(captures === undefined ? [] : [`  captures: ${oneLine(captures)}`]),
  ];
}

/** What things have in common and those that have it, the most frequent first. */
function byFrequency<T, K>(things: readonly T[], keyOf: (thing: T) => K): [K, T[]][] {
  const groups = new Map<K, T[]>();
  for (const thing of things) {
    const group = groups.get(keyOf(thing));
    if (group) group.push(thing);
    else groups.set(keyOf(thing), [thing]);
  }
  return [...groups].sort(([, a], [, b]) => b.length - a.length);
}

function wantedOf(cells: readonly MatrixCell[]): MatrixCell[] {
  return cells.filter(({ expected, from, to }) => expected === "reachable" && from !== to);
}

function seen({ sourceSeen }: MatrixCell): string {
  return sourceSeen === undefined ? "" : `, seen as ${oneLine(sourceSeen)}`;
}

const milliseconds = (ms: number) => `${ms.toFixed(2)} ms`;

function pair({ from, to }: Pick<MatrixCell, "from" | "to">): string {
  return `${from} → ${to}`;
}

function failedPair(cell: MatrixCell, paint: Paint): string[] {
  const unsaid = cell.expected === "unreachable" ? "reached, although it should not be" : "no answer";
  return [
    paint("red", `  ✗ ${pair(cell)}: ${oneLine(cell.cause ?? unsaid)}`),
    ...(cell.command ? [`      on ${cell.commandOn ?? cell.from}: ${oneLine(cell.command)}`] : []),
  ];
}

function more(n: number, noun: string): string[] {
  return n > 0 ? [`  … and ${count(n, `more ${noun}`)}`] : [];
}
