import type { Json } from "../json-event.ts";
import { duration } from "../paint.ts";
import type { Seen, Span } from "../seen.ts";
import { type Html, html } from "./html.ts";

/** The lanes of so many hosts have a window of their own. */
const scrolledFrom = 30;

interface Bar {
  from: number;
  to: number;
  kind: string;
  title: string;
  label?: string;
}

interface Gap {
  from: number;
  to: number;
  titles: string[];
}

/** Every step, restart, wait and gap of every host, on one scale. */
export function timelineSection(seen: Seen): Html | undefined {
  const { run, endMs, spans, watched, failures } = seen;
  if (!run || endMs === 0) return undefined;
  const gaps = gapsByHost(watched);
  const byHost = new Map<string, Span[]>(run.hosts.map((host) => [host, []]));
  for (const span of spans) byHost.set(span.host, [...(byHost.get(span.host) ?? []), span]);
  const bars = [...byHost].map(([host, some]) => ({
    name: host,
    bars: [
      ...some.map(barOf),
      ...(gaps.get(host) ?? []).map(gapBar),
      ...failures.flatMap(({ host: of, at, type }): Bar[] =>
        of === host ? [{ from: at, to: at, kind: "mark", title: `${type} at ${duration(at)}` }] : [],
      ),
    ],
  }));
  return html`<section id="timeline"><h2>Timeline</h2>
<p class="legend"><i class="connection"></i> connecting <i class="step"></i> step <i class="restart"></i> restart <i class="wait"></i> waiting <i class="bad"></i> failed <i class="gap"></i> gap of a pair (with --watch)</p>
<div class="${run.hosts.length > scrolledFrom ? "scroll many" : "scroll"}"><div class="timeline">${axis(endMs)}${[...fleetLanes(seen), ...bars].map(({ name, bars }) => lane(name, bars, endMs))}</div></div></section>`;
}

/** What concerns all hosts: plays, batches and proofs. */
function fleetLanes({ plays, batches, proofs, endMs }: Seen): { name: string; bars: Bar[] }[] {
  const begun = batches.filter(({ state }) => state === "started");
  const next = (at: number, starts: readonly number[]) =>
    Math.min(endMs, ...starts.filter((start) => start > at));
  const playStarts = plays.map(({ at }) => at);
  const proofStarts = proofs.map(({ began }) => began);
  const lanes = [
    {
      name: "plays",
      bars: plays.map(
        ({ at, title }): Bar => ({ from: at, to: next(at, playStarts), kind: "play", title, label: title }),
      ),
    },
    {
      name: "batches",
      bars: begun.map(({ at, index, count, hosts }): Bar => {
        const to = next(at, [...begun.map((batch) => batch.at), ...playStarts, ...proofStarts]);
        return {
          from: at,
          to,
          kind: "batch",
          title: `batch ${index + 1} of ${count}: ${hosts.join(", ")}`,
          label: `${index + 1}`,
        };
      }),
    },
    {
      name: "proofs",
      bars: proofs.map(({ began, end }): Bar => {
        const title = `${end.name}${end.stage === undefined ? "" : ` (${end.stage})`}: ${end.state}, ${duration(end.at - began)}`;
        return { from: began, to: end.at, kind: end.state === "passed" ? "proof" : "bad", title };
      }),
    },
  ];
  return lanes.filter(({ bars }) => bars.length > 0);
}

function barOf({ from, to, kind, what, state }: Span): Bar {
  const end = state === "done" ? "" : `, ${state}`;
  return {
    from,
    to,
    kind: state === "done" ? kind : "bad",
    title: `${what}: ${duration(to - from)}${end}, from ${duration(from)}`,
  };
}

function gapBar({ from, to, titles }: Gap): Bar {
  const more = titles.length > 8 ? `\n… and ${titles.length - 8} more` : "";
  return {
    from,
    to,
    kind: "gap",
    title: `gap of ${duration(to - from)}\n${titles.slice(0, 8).join("\n")}${more}`,
  };
}

/** The gaps of the pairs that a host is in; those that overlap are one bar. */
function gapsByHost(watched: readonly Json<"watched">[]): ReadonlyMap<string, Gap[]> {
  const all = new Map<string, Gap[]>();
  for (const { from, to, gaps } of watched.flatMap(({ pairs }) => pairs))
    for (const gap of gaps)
      for (const host of new Set([from, to])) {
        const one = { from: gap.at, to: gap.at + gap.ms, titles: [`${from} → ${to}: ${duration(gap.ms)}`] };
        all.set(host, [...(all.get(host) ?? []), one]);
      }
  return new Map([...all].map(([host, gaps]) => [host, joined(gaps)]));
}

function joined(gaps: readonly Gap[]): Gap[] {
  const together: Gap[] = [];
  for (const gap of [...gaps].sort((a, b) => a.from - b.from)) {
    const last = together.at(-1);
    if (last && gap.from <= last.to) {
      last.to = Math.max(last.to, gap.to);
      last.titles.push(...gap.titles);
    } else together.push({ ...gap });
  }
  return together;
}

function lane(name: string, bars: readonly Bar[], endMs: number): Html {
  return html`<div class="lane"><b>${name}</b><div>${bars.map(({ from, to, kind, title, label }) => {
    const [left, width] = [percent(from, endMs), percent(Math.max(0, to - from), endMs)];
    return html`<i class="${kind}" style="left:${left};width:${width}" title="${title}">${label}</i>`;
  })}</div></div>`;
}

function axis(endMs: number): Html {
  const step = tick(endMs);
  // One at the very end has no room for its words.
  const ticks = Array.from({ length: Math.floor((endMs * 0.96) / step) + 1 }, (_, i) => i * step);
  return html`<div class="lane axis"><b></b><div>${ticks.map(
    (at) =>
      html`<i style="left:${percent(at, endMs)}">${at === 0 ? "0" : at % 60_000 === 0 ? `${at / 60_000} min` : `${at / 1000} s`}</i>`,
  )}</div></div>`;
}

/** A round time, about a sixth of the whole. */
function tick(ms: number): number {
  const round = [100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000];
  return round.find((step) => ms / step <= 6) ?? Math.ceil(ms / 6 / 600_000) * 600_000;
}

function percent(part: number, whole: number): string {
  return `${((part / whole) * 100).toFixed(3)}%`;
}
