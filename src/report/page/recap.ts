import type { HostRecap } from "../../run/events.ts";
import type { Seen } from "../seen.ts";
import { type Html, html } from "./html.ts";

/** Of more hosts the table is closed at first. */
const openUpTo = 30;

/** How every host came out, those that need a look first. */
export function hostsSection({ recap, run }: Seen): Html | undefined {
  if (!recap) return undefined;
  const hosts = Object.entries(recap.hosts).sort(
    ([, a], [, b]) => Number(needsLook(b)) - Number(needsLook(a)),
  );
  const table = html`<div class="scroll"><table class="recap"><tr><th>host</th><th>ok</th><th>${run?.check ? "would change" : "changed"}</th><th>steps</th><th>${run?.check ? "would restart" : "restarts"}</th><th>state</th></tr>${hosts.map(row)}</table></div>`;
  return html`<section id="recap"><h2>Recap</h2>${
    hosts.length <= openUpTo
      ? table
      : html`<details><summary>${hosts.length} hosts, those that need a look first</summary>${table}</details>`
  }</section>`;
}

function needsLook(recap: HostRecap): boolean {
  return recap.failed > 0 || recap.unreachable || recap.owed.length > 0 || (recap.notBack?.length ?? 0) > 0;
}

function row([name, recap]: [string, HostRecap]): Html {
  const { ok, changed, steps, restarts, owed, notBack = [], rescued = [] } = recap;
  const words = [
    recap.unreachable ? "unreachable" : recap.failed > 0 ? "failed" : "ok",
    ...(owed.length > 0 ? [`owed: ${owed.join(", ")}`] : []),
    ...(notBack.length > 0 ? [`containers not back: ${notBack.join(", ")}`] : []),
    ...rescued.map((play) => `“${play}” failed, and its rescue was done`),
  ].join("; ");
  return html`<tr class="${needsLook(recap) ? "bad" : ""}"><td>${name}</td><td>${ok}</td><td>${changed}</td><td>${steps}</td><td>${restarts}</td><td>${words}</td></tr>`;
}
