import { createTwoFilesPatch } from "diff";
import { endedWords, fateWords } from "../../run/container-words.ts";
import { alike } from "../alike.ts";
import { hostRanges } from "../host-names.ts";
import { count, duration } from "../paint.ts";
import type { Change, Seen } from "../seen.ts";
import { grouped } from "./failures.ts";
import { type Html, html } from "./html.ts";

/** A file whose diff has more lines is cut. */
const linesAtMost = 400;
/** Each diff takes at most so long, in milliseconds. */
const longestMs = 1000;

/** The changes by play, those of many hosts that are alike as one that opens. */
export function planSection({ changes, run, recap, plays, containers }: Seen): Html {
  const hosts = new Set(run?.hosts ?? []);
  const order = plays.map(({ title }) => title);
  const placeOf = (some: readonly Change[]) => order.indexOf(some[0]?.play ?? "") + 1 || order.length + 1;
  const byPlay = grouped(changes, headingOf).sort((a, b) => placeOf(a) - placeOf(b));
  return html`<section id="plan"><h2>${run?.check ? "What would be done" : "What was done"}</h2>
${changes.length === 0 && html`<p>${whyNothing(plays.length > 0, recap?.exitCode)}</p>`}
${byPlay.map(
  (some) =>
    html`<h3>${some[0] && headingOf(some[0])}</h3>${grouped(some, (change) => alike(`${change.task}\0${whatOf(change)}\0${change.state}`, hosts)).map((same) => group(same, hosts))}`,
)}
${
  containers.length > 0 &&
  html`<h3>Containers that end with Docker</h3><ul class="plain">${containers.map(
    ({ host, state, containers: some }) =>
      html`<li><b>${host}</b> ${state === "planned" ? fateWords(some) : endedWords(some)}</li>`,
  )}</ul>`
}</section>`;
}

function whyNothing(hasPlays: boolean, exitCode: number | undefined): string {
  if (!hasPlays) return "No play was begun: nothing was changed.";
  return exitCode === 0 ? "Nothing was missing." : "The run came to no step.";
}

function headingOf({ play, step }: Change): string {
  return play || (step ? "Undone" : "Reloads and restarts");
}

function whatOf({ step, because }: Change): string {
  return step?.what ?? because ?? "";
}

function changeOf({ play, step, because }: Change): string {
  if (!step) return because ? `${play === "" ? "because of" : "later:"} ${because}` : "";
  return step.from === step.to ? `${step.to}, made anew` : `${step.from ?? "—"} → ${step.to ?? "—"}`;
}

function group(same: readonly Change[], names: ReadonlySet<string>): Html {
  const [first] = same;
  if (!first) return html``;
  const hosts = [...new Set(same.map(({ host }) => host))];
  const isEqual = same.every(
    (change) =>
      changeOf(change) === changeOf(first) && whatOf(change) === whatOf(first) && change.task === first.task,
  );
  const words = (text: string) => (isEqual ? text : alike(text, names));
  const who = hosts.length === 1 ? hosts[0] : count(hosts.length, "host");
  return html`<details class="change ${first.state.replace(" ", "-")}"><summary><b>${who}</b> <span class="state">${first.state}</span> ${words(first.task)}${
    first.step && html` · ${words(whatOf(first))}`
  } <span class="quiet">${isEqual ? changeOf(first) : "differs by host"}</span>${
    first.step?.irreversible !== undefined &&
    html` <span class="bad">cannot be undone: ${first.step.irreversible}</span>`
  }</summary>${hosts.length > 1 && html`<p class="quiet">${hostRanges(hosts)}</p>`}<ul class="plain">${same.map((change) => one(change, words(first.task)))}</ul></details>`;
}

/** With its task, where that differs from what the summary shows. */
function one(change: Change, shown: string): Html {
  const { host, ms, step, task } = change;
  return html`<li><b>${host}</b> ${task !== shown && `${task} `}${whatOf(change) !== changeOf(change) && step && `${whatOf(change)}: `}${changeOf(change)}${
    ms !== undefined && html` <span class="quiet">${duration(ms)}</span>`
  }${step?.diff && diff(step.diff)}</li>`;
}

function diff({ path, before, after }: { path: string; before: string; after: string }): Html | undefined {
  if (before === after) return undefined;
  const patch = createTwoFilesPatch(path, path, before, after, "now", "then", {
    context: 3,
    timeout: longestMs,
  });
  if (patch === undefined)
    return html`<p class="quiet">${path} changes too much to be shown line by line</p>`;
  const all = patch.split("\n");
  // Above the headers is a title for tools, not for people.
  const lines = all.slice(all.findIndex((line) => line.startsWith("--- ")));
  const more = lines.length - linesAtMost;
  return html`<pre class="diff">${lines
    .slice(0, linesAtMost)
    .map(
      (line) => html`<span class="${kindOf(line)}">${line}</span>\n`,
    )}${more > 0 && `… ${more} lines more`}</pre>`;
}

function kindOf(line: string): string {
  if (line.startsWith("+")) return "added";
  if (line.startsWith("-")) return "removed";
  return line.startsWith("@@") ? "place" : "";
}
