import type { Matrix, MatrixCell } from "./events.ts";
import type { Paint } from "./paint.ts";

/** More hosts than this are told in numbers, with the pairs that failed. */
const tableAtMost = 12;

/** The connectivity matrix: rows are where a packet starts, columns where it goes; below it what is wrong. */
export function matrixLines(matrix: Matrix, paint: Paint): string[] {
  const { cells, hosts } = matrix;
  const good = cells.filter((c) => c.ok).length;
  const head = `${matrix.title}: ${good}/${cells.length} ordered pairs as they should be`;
  return [
    paint(good === cells.length ? "green" : "red", head),
    ...(hosts.length > 1 && hosts.length <= tableAtMost ? table(matrix, paint) : []),
    ...sourceLine(cells),
    ...cells.filter((c) => !c.ok).flatMap((c) => failedPair(c, paint)),
    ...matrix.notes,
  ];
}

function table({ hosts, cells }: Matrix, paint: Paint): string[] {
  const wide = Math.max(...hosts.map((h) => h.length), 12) + 2;
  const row = (from: string) =>
    hosts
      .map((to) => {
        const cell = cells.find((c) => c.from === from && c.to === to);
        const text = cell ? cellWords(cell) : "·";
        return paint(!cell ? "dim" : cell.ok ? "green" : "red", text.padEnd(wide));
      })
      .join("");
  return [
    `  ${"from \\ to".padEnd(wide)}${hosts.map((h) => h.padEnd(wide)).join("")}`.trimEnd(),
    ...hosts.map((from) => `  ${from.padEnd(wide)}${row(from)}`.trimEnd()),
  ];
}

function cellWords(cell: MatrixCell): string {
  if (cell.expected === "unreachable") return cell.ok ? "not, as meant" : "✗ reached";
  if (cell.lossPercent > 0) return `✗ ${cell.lossPercent}% lost`;
  if (!cell.ok) return "✗ see below";
  return cell.rttMs === undefined ? "✓" : `✓ ${cell.rttMs.toFixed(2)} ms`;
}

/** One line on source addresses, when the probe looked at them. */
function sourceLine(cells: readonly MatrixCell[]): string[] {
  const seen = cells.filter((c) => c.sourcePreserved !== undefined);
  if (seen.length === 0) return [];
  const kept = seen.filter((c) => c.sourcePreserved).length;
  return [`  source addresses preserved: ${kept}/${seen.length}`];
}

function failedPair(cell: MatrixCell, paint: Paint): string[] {
  const cause =
    cell.cause ?? (cell.expected === "unreachable" ? "reached, although it should not be" : "no answer");
  return [
    paint("red", `  ✗ ${cell.from} → ${cell.to}: ${cause}`),
    ...(cell.command ? [`      on ${cell.from}: ${cell.command}`] : []),
  ];
}
