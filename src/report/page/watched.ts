import type { Json } from "../json-event.ts";
import { count, duration } from "../paint.ts";
import type { Seen } from "../seen.ts";
import { type Html, html } from "./html.ts";

/** More pairs are counted; JSON has them all. */
const pairsAtMost = 100;

/** What `--watch` saw: the pairs with gaps, the longest first, with what went on meanwhile. */
export function watchedSection({ watched }: Seen): Html[] {
  return watched.map(one);
}

function one({ title, pairs, everyMs, sampleOf, maxGapMs, over = [], notes }: Json<"watched">): Html {
  const gone = pairs
    .filter(({ gaps, reached }) => gaps.length > 0 || !reached)
    .sort((a, b) => b.longestMs - a.longestMs);
  const sample = sampleOf === undefined ? "" : `, a sample of ${sampleOf}`;
  return html`<section class="watched"><h2>Gaps: ${title}</h2>
<p>${count(pairs.length, "ordered pair")}${sample}, a packet every ${everyMs} ms on each; ${pairs.length - gone.length} lost nothing${
    maxGapMs !== undefined && `; ${over.length} over --max-gap ${duration(maxGapMs)}`
  }</p>
${gone.length > 0 && html`<div class="scroll"><table><tr><th>pair</th><th>longest</th><th>lost</th><th>meanwhile</th></tr>${gone.slice(0, pairsAtMost).map(row)}</table></div>`}
${gone.length > pairsAtMost && html`<p>… and ${gone.length - pairsAtMost} more pairs</p>`}
<ul class="plain quiet">${notes.map((note) => html`<li>${note}</li>`)}</ul></section>`;
}

function row({ from, to, reached, sent, lost, longestMs, gaps }: Json<"watched">["pairs"][number]): Html {
  const longest = gaps.find(({ ms }) => ms === longestMs);
  const during = (longest?.during ?? []).map(
    ({ host, task, what }) => `${task === undefined ? "" : `${task}: `}${what} on ${host}`,
  );
  const open = longest?.open ? ", no answer any more" : "";
  return html`<tr><td>${from} → ${to}</td><td>${reached ? `${duration(longestMs)}${open}` : "never reached"}</td><td>${lost} of ${sent}</td><td>${during.join(", ") || "no step of this run"}</td></tr>`;
}
