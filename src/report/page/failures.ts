import { withoutAddresses, withoutNames } from "../alike.ts";
import { hostRanges } from "../host-names.ts";
import { count } from "../paint.ts";
import type { Failure, Seen } from "../seen.ts";
import { describeJsonError } from "../words.ts";
import { type Html, html } from "./html.ts";

/** Things in the order in which the first of their like came. */
export function grouped<T>(things: readonly T[], keyOf: (thing: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const thing of things) {
    const group = groups.get(keyOf(thing));
    if (group) group.push(thing);
    else groups.set(keyOf(thing), [thing]);
  }
  return [...groups.values()];
}

/** Every failure in full; those of many hosts that differ in names, addresses and a log's numbers are one, which opens. */
export function failuresSection({ failures }: Seen): Html | undefined {
  if (failures.length === 0) return undefined;
  const groups = grouped(failures, (failure) => `${failure.type} ${kernel(failure)}`);
  return html`<section id="failures"><h2>What went wrong</h2>${groups.map(one)}</section>`;
}

function one(failures: readonly Failure[]): Html {
  const [first, ...others] = failures;
  if (!first) return html``;
  const hosts = failures.flatMap(({ host }) => host ?? []);
  const heading = first.type === "refused" ? "refused, nothing was changed" : `${hosts[0]}: ${first.type}`;
  return html`<article class="failure"><h3>${heading}</h3><pre>${describeJsonError(first.error)}</pre>${
    others.length > 0 &&
    html`<details><summary>the same on ${count(others.length, "more host")}: ${hostRanges(hosts.slice(1))}</summary>${others.map(
      ({ error }) => html`<pre>${describeJsonError(error)}</pre>`,
    )}</details>`
  }</article>`;
}

function kernel({ error, host }: Failure): string {
  const text = withoutAddresses(describeJsonError(error));
  return withoutNames(text, new Set(host === undefined ? [] : [host])).replaceAll(/\d+/g, "*");
}

/** What was said to a person on the way; equal words of many hosts once. */
export function messagesSection({ messages }: Seen): Html | undefined {
  if (messages.length === 0) return undefined;
  const groups = grouped(messages, ({ level, text }) => `${level} ${text}`);
  return html`<section id="messages"><h2>What was said</h2><ul class="plain">${groups.map((same) => {
    const hosts = [...new Set(same.flatMap(({ host }) => host ?? []))];
    const [first] = same;
    return html`<li class="${first?.level === "warning" ? "warning" : ""}">${
      hosts.length > 0 && html`<b>${hostRanges(hosts)}</b> `
    }${first?.text}</li>`;
  })}</ul></section>`;
}
