import type { Matrix, MatrixCell } from "../../task/matrix.ts";
import { matrixSummary } from "../matrix.ts";
import { duration, oneLine } from "../paint.ts";
import type { Seen, SeenProof } from "../seen.ts";
import { describeJsonError } from "../words.ts";
import { type Html, html } from "./html.ts";

/** Up to so many hosts a cell has its number in it. */
const numbersAtMost = 16;
/** With more cells than this, cells of a shade are one shape, without words of their own. */
const titledAtMost = 5000;
/** More failed pairs are counted; JSON has them all. */
const failedAtMost = 200;

/** The proofs by which the run is judged; those on its way that found something are closed. */
export function proofSections({ proofs }: Seen): Html[] {
  const [judged, others] = [proofs.filter(({ counts }) => counts), proofs.filter(({ counts }) => !counts)];
  const failed = others.filter(({ end }) => end.state === "failed");
  return [
    ...judged.map(
      (proof) => html`<section class="proof"><h2>Proof: ${titleOf(proof)}</h2>${foundBy(proof)}</section>`,
    ),
    ...failed.map(
      (proof) =>
        html`<section class="proof"><details><summary>${titleOf(proof)}, after ${duration(proof.began)}: not all pairs worked, and the run went on</summary>${foundBy(proof)}</details></section>`,
    ),
  ];
}

function titleOf({ end }: SeenProof): string {
  return end.stage === undefined ? end.name : `${end.name} (${end.stage})`;
}

function foundBy({ end: { error, matrix } }: SeenProof): Html {
  return html`${error && html`<pre class="failure">${describeJsonError(error)}</pre>`}${matrix && matrixOf(matrix)}`;
}

function matrixOf(matrix: Matrix): Html {
  const { hosts, cells, notes, captures } = matrix;
  const failed = cells.filter(({ ok }) => !ok);
  const shadeOf = shades(cells);
  return html`<p class="${failed.length === 0 ? "good" : "bad"}">${matrix.title}: ${matrixSummary(matrix)}</p>
<div class="scroll">${hosts.length <= numbersAtMost ? table(matrix, shadeOf) : heatMap(matrix, shadeOf)}</div>
${legend(cells)}
${failed.length > 0 && failedPairs(failed)}
<ul class="plain quiet">${[...(captures === undefined ? [] : [`captures: ${captures}`]), ...notes].map(
    (note) => html`<li>${note}</li>`,
  )}</ul>`;
}

/** How long the round trip took, against the median: a class for each doubling. */
function shades(cells: readonly MatrixCell[]): (cell: MatrixCell) => string {
  const median = medianOf(cells);
  return (cell) => {
    if (!cell.ok) return "bad";
    if (cell.expected === "unreachable") return "apart";
    const times = (cell.rttMs ?? 0) / (median || 1);
    return `heat${times <= 1 ? 1 : times <= 2 ? 2 : times <= 4 ? 3 : times <= 8 ? 4 : 5}`;
  };
}

function medianOf(cells: readonly MatrixCell[]): number {
  const times = cells.flatMap(({ rttMs }) => rttMs ?? []).sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)] ?? 0;
}

function legend(cells: readonly MatrixCell[]): Html {
  const median = medianOf(cells);
  const upTo = median > 0 ? [...[1, 2, 4, 8].map((n) => `≤ ${(median * n).toFixed(2)} ms`), "more"] : [];
  const has = (test: (cell: MatrixCell) => boolean) => cells.some(test);
  return html`<p class="legend">rows send, columns answer${median > 0 && "; round trip:"} ${upTo.map(
    (words, i) => html`<i class="heat${i + 1}"></i> ${words} `,
  )}${has(({ ok, expected }) => ok && expected === "unreachable") && html`<i class="apart"></i> kept apart, as expected `}${
    has(({ ok }) => !ok) && html`<i class="bad"></i> not as expected `
  }<i class="untried"></i> not tried</p>`;
}

function wordsOf(cell: MatrixCell): string {
  const { from, to, ok, expected, lossPercent, rttMs, largestPacket, sourceSeen, evidence } = cell;
  return [
    `${from} → ${to}: ${ok ? (expected === "unreachable" ? "kept apart, as expected" : "reached") : (cell.cause ?? "not as expected")}`,
    ...(rttMs === undefined ? [] : [`${rttMs.toFixed(2)} ms`]),
    ...(lossPercent > 0 ? [`loss ${lossPercent} %`] : []),
    ...(largestPacket === undefined ? [] : [`up to ${largestPacket} bytes`]),
    ...(sourceSeen === undefined ? [] : [`seen as ${sourceSeen}`]),
    ...(evidence ? [`crossed as ${evidence.seen}`] : []),
  ]
    .map(oneLine)
    .join("; ");
}

function inCell(cell: MatrixCell): string {
  if (!cell.ok) return cell.lossPercent > 0 ? `✗ ${cell.lossPercent} %` : "✗";
  if (cell.expected === "unreachable") return "apart";
  return cell.rttMs === undefined ? "✓" : cell.rttMs.toFixed(2);
}

function table({ hosts, cells }: Matrix, shadeOf: (cell: MatrixCell) => string): Html {
  const byPair = new Map(cells.map((cell) => [`${cell.from}\0${cell.to}`, cell]));
  return html`<table class="matrix"><tr><th>ms</th>${hosts.map((to) => html`<th scope="col">${to}</th>`)}</tr>${hosts.map(
    (from) =>
      html`<tr><th scope="row">${from}</th>${hosts.map((to) => {
        const cell = byPair.get(`${from}\0${to}`);
        if (!cell) return html`<td class="untried">${from === to && "—"}</td>`;
        return html`<td class="${shadeOf(cell)}" title="${wordsOf(cell)}">${inCell(cell)}</td>`;
      })}</tr>`,
  )}</table>`;
}

/** A square a pair. Names stand at every tenth row; each square says its own where there are not too many. */
function heatMap({ hosts, cells }: Matrix, shadeOf: (cell: MatrixCell) => string): Html {
  const at = new Map(hosts.map((host, i) => [host, i]));
  const place = ({ from, to }: MatrixCell) => ({ x: at.get(to) ?? 0, y: at.get(from) ?? 0 });
  const n = hosts.length;
  const squares =
    cells.length <= titledAtMost
      ? cells.map((cell) => {
          const { x, y } = place(cell);
          return html`<rect class="${shadeOf(cell)}" x="${x}" y="${y}" width="1" height="1"><title>${wordsOf(cell)}</title></rect>`;
        })
      : [...new Set(cells.map(shadeOf))].map((shade) => {
          const shape = cells.filter((cell) => shadeOf(cell) === shade).map(place);
          return html`<path class="${shade}" d="${shape.map(({ x, y }) => `M${x} ${y}h1v1h-1z`).join("")}"/>`;
        });
  const named = hosts.flatMap((host, i) => (i % 10 === 0 ? [{ host, i }] : []));
  // A name is as high as the rows that it may take.
  const size = Math.min(5, Math.max(1.2, n / 50));
  const room = Math.max(...named.map(({ host }) => host.length)) * size * 0.66 + 1.5;
  return html`<svg class="heat" viewBox="${-room} ${-size * 1.6} ${n + room + 0.5} ${n + size * 1.6 + 0.5}" role="img" aria-label="the pairs of hosts">
<rect class="frame" x="0" y="0" width="${n}" height="${n}"/>${squares}${named.map(
    ({ host, i }) =>
      html`<text x="-0.6" y="${i + size * 0.8}" font-size="${size}" text-anchor="end">${host}</text><text x="${i}" y="-0.6" font-size="${size}">${i + 1}</text>`,
  )}</svg>`;
}

function failedPairs(failed: readonly MatrixCell[]): Html {
  return html`<details open><summary>${failed.length} pairs not as expected</summary><ul class="plain">${failed
    .slice(0, failedAtMost)
    .map(
      (cell) =>
        html`<li class="failure">${wordsOf(cell)}${
          cell.command !== undefined && html`<pre>on ${cell.commandOn ?? cell.from}: ${cell.command}</pre>`
        }</li>`,
    )}</ul>${failed.length > failedAtMost && html`<p>… and ${failed.length - failedAtMost} more</p>`}</details>`;
}
