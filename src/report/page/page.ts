import { hostRanges } from "../host-names.ts";
import type { JsonEvent } from "../json-event.ts";
import { count, duration } from "../paint.ts";
import { reason } from "../recap.ts";
import { type Seen, seenIn } from "../seen.ts";
import type { ReportKind } from "../written-report.ts";
import { batchesSection } from "./batches.ts";
import { failuresSection, messagesSection } from "./failures.ts";
import { type Content, type Html, html } from "./html.ts";
import { proofSections } from "./matrix.ts";
import { planSection } from "./plan.ts";
import { hostsSection } from "./recap.ts";
import { style } from "./style.ts";
import { timelineSection } from "./timeline.ts";
import { topologySection } from "./topology.ts";
import { watchedSection } from "./watched.ts";

const mark = '<meta name="generator" content="causeway report">';

/**
 * `--report`: a run on one page. The page has no script and allows none, loads nothing, and takes all its data from the events;
 * whatever a host said is text in it.
 */
export const htmlReport: ReportKind = {
  option: "--report",
  mark,
  render: (events: readonly JsonEvent[], began: Date) => page(seenIn(events), began).text,
};

function page(seen: Seen, began: Date): Html {
  const { run } = seen;
  const title = run ? `${run.playbook}${run.check ? " (check)" : ""}` : "a run that did not begin";
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="causeway report">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}: ${verdict(seen).words}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${title}</h1>
${run && html`<p>${run.summary}</p>`}
<p class="verdict ${verdict(seen).mood}">${verdict(seen).words}</p>
<p class="quiet">${facts(seen, began)}</p>
</header>
<main>
${tiles(seen)}
${failuresSection(seen)}
${topologySection(seen)}
${proofSections(seen)}
${batchesSection(seen)}
${planSection(seen)}
${timelineSection(seen)}
${watchedSection(seen)}
${hostsSection(seen)}
${messagesSection(seen)}
</main>
</body>
</html>
`;
}

function verdict({ recap, run }: Seen): { words: string; mood: "good" | "bad" } {
  if (!recap) return { words: `${run ? "the run" : "it"} did not come to its end`, mood: "bad" };
  return {
    words: `${reason(recap)} (exit code ${recap.exitCode})`,
    mood: recap.exitCode === 0 ? "good" : "bad",
  };
}

function facts({ run, endMs, recap }: Seen, began: Date): Content {
  return [
    run ? `run ${run.id} on ${count(run.hosts.length, "host")}` : "no host was connected to",
    `began ${began.toISOString().replace("T", " ").slice(0, 19)} UTC`,
    `took ${duration(endMs)}`,
    ...(recap?.notBegun ? [`not begun: ${hostRanges(recap.notBegun)}`] : []),
    ...(recap?.undone ? [`undone again: ${hostRanges(recap.undone)}`] : []),
  ].join(" · ");
}

function tiles({ recap, proofs, watched }: Seen): Html | undefined {
  if (!recap) return undefined;
  const hosts = Object.values(recap.hosts);
  const lost = (r: (typeof hosts)[number]) => r.failed > 0 || r.unreachable;
  const cells = proofs
    .filter(({ end }) => end.stage === undefined)
    .flatMap(({ end }) => end.matrix?.cells ?? []);
  const gaps = watched.flatMap(({ pairs }) => pairs.filter((pair) => pair.gaps.length > 0));
  const restarts = hosts.reduce((sum, { restarts }) => sum + restarts, 0);
  const all: [number | string, string, string][] = [
    [hosts.filter((r) => !lost(r) && r.changed === 0).length, "hosts ok", "good"],
    [
      hosts.filter((r) => !lost(r) && r.changed > 0).length,
      recap.check ? "would change" : "changed",
      "changed",
    ],
    [hosts.filter((r) => r.failed > 0).length, "failed", "bad"],
    [hosts.filter((r) => r.unreachable).length, "unreachable", "bad"],
    [restarts, recap.check ? "would be restarts" : "restarts", "changed"],
    ...(cells.length > 0
      ? [
          [
            `${cells.filter((c) => c.ok).length}/${cells.length}`,
            "pairs as expected",
            cells.every((c) => c.ok) ? "good" : "bad",
          ] satisfies [string, string, string],
        ]
      : []),
    ...(watched.length > 0
      ? [[gaps.length, "pairs with a gap", "changed"] satisfies [number, string, string]]
      : []),
  ];
  return html`<ul class="tiles">${all.map(
    ([number, words, mood]) =>
      html`<li class="${number === 0 ? "none" : mood}"><b>${number}</b> ${words}</li>`,
  )}</ul>`;
}
