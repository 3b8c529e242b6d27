import { count } from "../paint.ts";
import type { Seen } from "../seen.ts";
import { type Html, html } from "./html.ts";

/** More hosts than this stand in a grid; the matrix has their pairs. */
const ringAtMost = 16;
/** Of more hosts only those with failed pairs are shown at once. */
const openUpTo = 40;

type Topology = NonNullable<Seen["topology"]>;
type Host = Topology["hosts"][number];
type State = "good" | "bad" | "untried";

/** The hosts with their subnets, and what leads from one to the other, coloured as it was proved last. */
export function topologySection(seen: Seen): Html | undefined {
  const { topology } = seen;
  if (!topology || topology.hosts.length === 0) return undefined;
  const { hosts, words, network, by } = topology;
  const states = statesOf(seen);
  const apart =
    by === "segment"
      ? "on one segment"
      : `${(hosts.length * (hosts.length - 1)).toLocaleString("en-US")} ways between them`;
  return html`<section id="topology"><h2>Topology</h2>
<p>${words}${network !== undefined && html` · all containers in <code>${network}</code>`} · ${count(hosts.length, "host")}, ${apart}</p>
${hosts.length <= ringAtMost ? ring(topology, states) : grid(topology, states)}
<p class="legend"><i class="good"></i> proved both ways <i class="bad"></i> did not behave as expected <i class="untried"></i> not tried</p></section>`;
}

/** By `from\0to`, both ways alike: whether the pair behaved as it should when it was tried last. */
function statesOf({ proofs }: Seen): ReadonlyMap<string, State> {
  const states = new Map<string, State>();
  for (const { end } of proofs) {
    const seen = new Map<string, State>();
    for (const { from, to, ok } of end.matrix?.cells ?? []) {
      const key = pairKey(from, to);
      seen.set(key, ok && seen.get(key) !== "bad" ? "good" : "bad");
    }
    for (const [key, state] of seen) states.set(key, state);
  }
  return states;
}

function pairKey(a: string, b: string): string {
  return [a, b].sort().join("\0");
}

/** Of a box for a host, and of the room between the two columns of them. */
const box = { wide: 150, high: 62, step: 74, between: 120 };

/** The hosts in two columns, clockwise, so that their words are readable on a phone; two of one column are joined by a bow. */
function ring({ hosts, by }: Topology, states: ReadonlyMap<string, State>): Html {
  const rows = Math.ceil(hosts.length / 2);
  const places = hosts.map((host, i) => {
    const isLeft = i < rows;
    const [x, y] = isLeft ? [0, i * box.step] : [box.wide + box.between, (hosts.length - 1 - i) * box.step];
    return { host, x, y, isLeft, end: { x: isLeft ? box.wide : x, y: y + box.high / 2 } };
  });
  const ways = places.flatMap((a, i) =>
    places.slice(i + 1).map((b) => {
      const state = states.get(pairKey(a.host.name, b.host.name)) ?? "untried";
      const bow = a.isLeft === b.isLeft ? Math.min(80, 25 + Math.abs(a.y - b.y) / 6) : 45;
      const [outA, outB] = [a, b].map(({ isLeft, end }) => end.x + (isLeft ? bow : -bow));
      const path = `M${a.end.x} ${a.end.y}C${outA} ${a.end.y} ${outB} ${b.end.y} ${b.end.x} ${b.end.y}`;
      return html`<path class="way ${by} ${state}" d="${path}"><title>${a.host.name} ↔ ${b.host.name}: ${words[state]}</title></path>`;
    }),
  );
  const wide = 2 * box.wide + box.between;
  return html`<svg class="ring" viewBox="-2 -2 ${wide + 4} ${rows * box.step}" role="img" aria-label="the hosts and the ways between them">${ways}${places.map(
    ({ host, x, y }) =>
      html`<g><rect x="${x}" y="${y}" width="${box.wide}" height="${box.high}" rx="6"/><text x="${x + 9}" y="${y + 19}" class="name">${shortened(host.name)}<title>${host.name}</title></text><text x="${x + 9}" y="${y + 36}">${host.address !== host.name && shortened(host.address)}</text><text x="${x + 9}" y="${y + 53}">${host.subnet}</text></g>`,
  )}</svg>`;
}

const words: Readonly<Record<State, string>> = {
  good: "proved both ways",
  bad: "did not behave as expected",
  untried: "not tried",
};

function shortened(text: string): string {
  return text.length > 17 ? `${text.slice(0, 16)}…` : text;
}

/** A host is as its worst pair. */
function grid({ hosts }: Topology, states: ReadonlyMap<string, State>): Html {
  const tried = new Map<string, { bad: number; all: number }>();
  for (const [key, state] of states)
    for (const name of key.split("\0")) {
      const of = tried.get(name) ?? { bad: 0, all: 0 };
      tried.set(name, { bad: of.bad + Number(state === "bad"), all: of.all + 1 });
    }
  const isBad = ({ name }: Host) => (tried.get(name)?.bad ?? 0) > 0;
  const chips = (some: readonly Host[]) =>
    html`<ul class="hosts">${some.map((host) => chip(host, tried.get(host.name) ?? { bad: 0, all: 0 }))}</ul>`;
  if (hosts.length <= openUpTo) return chips(hosts);
  const others = hosts.filter((host) => !isBad(host));
  return html`${chips(hosts.filter(isBad))}<details><summary>${count(others.length, "host")} without a failed pair</summary>${chips(others)}</details>`;
}

function chip({ name, address, subnet }: Host, { bad, all }: { bad: number; all: number }): Html {
  const state: State = bad > 0 ? "bad" : all > 0 ? "good" : "untried";
  const peers = all === 0 ? "no pair tried" : `${all - bad} of ${count(all, "peer")}`;
  return html`<li class="${state}"><b>${name}</b><span>${address !== name && address}</span><span>${subnet}</span><span class="quiet">${peers}</span></li>`;
}
