import { hostRanges } from "../host-names.ts";
import { matrixSummary } from "../matrix.ts";
import { duration } from "../paint.ts";
import type { Seen } from "../seen.ts";
import { describeJsonError } from "../words.ts";
import { type Html, html } from "./html.ts";

/** Batches and the proofs between them, in the order in which they came. */
export function batchesSection({ batches, proofs }: Seen): Html | undefined {
  if (batches.length === 0) return undefined;
  const rows = [
    ...batches.map(({ at, play, index, count, hosts, state }) => ({
      at,
      row: html`<tr><td>${state === "planned" ? "planned" : duration(at)}</td><td>batch ${index + 1} of ${count}</td><td>${hostRanges(hosts)}<span class="quiet"> · ${play}</span></td></tr>`,
    })),
    ...proofs.map(({ began, end }) => ({
      at: began,
      row: html`<tr class="${end.state === "passed" ? "good" : "bad"}"><td>${duration(began)}</td><td>${end.stage ?? "last proof"}: ${end.state}</td><td>${
        end.matrix ? matrixSummary(end.matrix) : end.error && describeJsonError(end.error)
      }<span class="quiet"> · took ${duration(end.at - began)}</span></td></tr>`,
    })),
  ].sort((a, b) => a.at - b.at);
  return html`<section id="batches"><h2>Batches and gates</h2><div class="scroll"><table><tr><th>began after</th><th>what</th><th>on whom, with what result</th></tr>${rows.map(({ row }) => row)}</table></div></section>`;
}
