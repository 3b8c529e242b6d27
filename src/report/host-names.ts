/** More pieces than this are counted. */
const piecesAtMost = 8;

/** A host, or several whose names count up. */
interface Piece {
  text: string;
  hosts: number;
}

/** Hosts as an inventory has them: `db1, web[001:198]`. */
export function hostRanges(names: readonly string[]): string {
  return pieces(names)
    .map(({ text }) => text)
    .join(", ");
}

/** The same, cut where it gets long: `db1, web[001:198], … and 12 more`. */
export function someHosts(names: readonly string[]): string {
  const all = pieces(names);
  const shown = all.slice(0, piecesAtMost).map(({ text }) => text);
  const left = all.slice(piecesAtMost).reduce((sum, { hosts }) => sum + hosts, 0);
  return `${shown.join(", ")}${left > 0 ? ` and ${left} more` : ""}`;
}

const byNumber = new Intl.Collator("en", { numeric: true });

/** Three names or more that count up are one piece. */
function pieces(names: readonly string[]): Piece[] {
  const sorted = names.map(split).sort((a, b) => byNumber.compare(a.join(""), b.join("")));
  const found: Piece[] = [];
  for (let from = 0; from < sorted.length; ) {
    const end = endOfRange(sorted, from);
    const group = sorted.slice(from, end - from >= 3 ? end : from + 1);
    found.push({ text: rangeOf(group), hosts: group.length });
    from += group.length;
  }
  return found;
}

/** A name as text, number, text, …: the numbers stand at odd places. */
function split(name: string): string[] {
  return name.split(/(\d+)/);
}

/** Where the names end that count up from this one at the same place. */
function endOfRange(names: readonly string[][], from: number): number {
  const place = placeThatCounts(names[from], names[from + 1]);
  let end = from + 1;
  while (place !== undefined && placeThatCounts(names[end - 1], names[end]) === place) end += 1;
  return end;
}

/** The only place at which two names differ, if the second has the next number of the same width there. */
function placeThatCounts(one: string[] = [], two: string[] = []): number | undefined {
  if (one.length !== two.length) return undefined;
  const places = one.flatMap((part, i) => (part === two[i] ? [] : [i]));
  const [place, more] = places;
  if (place === undefined || more !== undefined || place % 2 === 0) return undefined;
  const digits = one[place] ?? "";
  const next = String(Number(digits) + 1).padStart(digits.length, "0");
  // After 9 comes 10, but a range that begins with 09 has a width.
  return two[place] === next ? place : undefined;
}

function rangeOf(names: readonly string[][]): string {
  const [first = [], last = first] = [names[0], names.at(-1)];
  return first.map((part, i) => (part === last[i] ? part : `[${part}:${last[i]}]`)).join("");
}
