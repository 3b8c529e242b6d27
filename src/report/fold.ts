import { alike } from "./alike.ts";
import { diffLines } from "./diff.ts";
import { someHosts } from "./host-names.ts";
import { count, duration, oneLine, type Paint } from "./paint.ts";
import type { Fact } from "./story.ts";

/** So many values are a line each; more that differ only in names and addresses are one line. */
const valuesAtMost = 3;
/** So many lines has one resource of a task; what is left over is counted. */
const linesAtMost = 8;

interface FoldOptions {
  paint: Paint;
  diff: boolean;
  /** A fact as the line that it is where nothing is folded. */
  one: (fact: Fact) => string[];
}

/** Facts that are told as one line. */
interface Group {
  first: Fact;
  hosts: Set<string>;
  facts: number;
  /** How many different texts they have. */
  values: number;
  shortestMs: number;
  longestMs: number;
}

/** The equal facts of a play, counted. Taking one in costs the same however many there are. */
export class Fold {
  readonly #names: ReadonlySet<string>;
  readonly #options: FoldOptions;
  /** By what happened to which resource, then word for word. */
  #families = new Map<string, Map<string, Group>>();
  #of: number;

  constructor(names: readonly string[], options: FoldOptions) {
    this.#names = new Set(names);
    this.#of = names.length;
    this.#options = options;
  }

  /** So many hosts take part from now on. */
  of(hosts: number): void {
    this.#of = hosts;
  }

  add(fact: Fact): void {
    const family = this.#alike(`${fact.did}\0${fact.about}`);
    const groups = this.#families.get(family) ?? new Map<string, Group>();
    this.#families.set(family, groups);
    const words = `${fact.did}\0${fact.about}\0${fact.rest}`;
    const group = groups.get(words);
    if (group) merge(group, groupOf(fact));
    else groups.set(words, groupOf(fact));
  }

  /** The lines of all facts since the last time, in the order in which their like came first. */
  take(): string[] {
    const families = [...this.#families.values()];
    this.#families = new Map();
    return families.flatMap((groups) => this.#family([...groups.values()]));
  }

  #family(groups: readonly Group[]): string[] {
    const lines = this.#byShape(groups).sort((a, b) => b.hosts.size - a.hosts.size);
    if (lines.length <= linesAtMost) return lines.flatMap((group) => this.#line(group));
    const shown = lines.slice(0, linesAtMost - 1);
    return [...shown.flatMap((group) => this.#line(group)), ...this.#leftOver(lines.slice(shown.length))];
  }

  /** Groups that differ in names and addresses only become one, unless they are few. */
  #byShape(groups: readonly Group[]): Group[] {
    const shapes = new Map<string, Group[]>();
    for (const group of groups) {
      const { did, about, rest } = group.first;
      const shape = this.#alike(`${did}\0${about}\0${rest}`);
      const some = shapes.get(shape);
      if (some) some.push(group);
      else shapes.set(shape, [group]);
    }
    return [...shapes].flatMap(([shape, some]) => {
      if (some.length <= valuesAtMost) return some;
      const [did = "", about = "", rest = ""] = shape.split("\0");
      return [together(some, { did, about, rest })];
    });
  }

  /** What is too varied to be told; but for what cannot be undone. */
  #leftOver(groups: readonly Group[]): string[] {
    const about = new Set(groups.map(({ first }) => first.about));
    const [only = ""] = about;
    const words = about.size === 1 ? only : this.#alike(only);
    const lasting = groups.find(({ first }) => first.step?.irreversible)?.first.step?.irreversible;
    return this.#line(
      together(groups, {
        did: groups[0]?.first.did ?? "",
        about: words,
        rest: lasting === undefined ? "" : `  (cannot be undone: ${oneLine(lasting)})`,
      }),
    );
  }

  #line(group: Group): string[] {
    const { first, hosts } = group;
    if (group.facts === 1) return this.#options.one(first);
    const about = first.about === "" ? first.rest : `  ${first.about}${first.rest}`;
    const did = first.did === "" ? "" : `${first.did} `;
    const line = `${did}on ${this.#hosts(hosts)}${this.#extras(group)}${about}`;
    return [first.style === "none" ? line : this.#options.paint(first.style, line), ...this.#diff(group)];
  }

  #hosts(hosts: ReadonlySet<string>): string {
    const [only = ""] = hosts;
    if (hosts.size === 1) return only;
    if (hosts.size === this.#of) return `all ${this.#of} hosts`;
    return hosts.size < this.#of ? `${hosts.size} of ${this.#of} hosts` : count(hosts.size, "host");
  }

  /** The smaller part is named, and all that failed; then how often, how varied and how long. */
  #extras({ first, hosts, facts, values, shortestMs, longestMs }: Group): string {
    const named = hosts.size > 1 && (first.style === "red" || hosts.size * 2 <= this.#of);
    const extras = [
      named ? someHosts([...hosts]) : "",
      facts > hosts.size ? `${facts} times` : "",
      values > 1 ? `${count(values, "different value")}` : "",
      longestMs < 1000 ? "" : range(duration(shortestMs), duration(longestMs)),
    ].filter(Boolean);
    return extras.length > 0 ? ` (${extras.join("; ")})` : "";
  }

  /** One diff stands for all: each has its own in the whole transcript. */
  #diff(group: Group): string[] {
    const { first } = group;
    if (!first.step || !this.#options.diff) return [];
    const lines = diffLines(first.step, this.#options.paint);
    return lines.length === 0
      ? []
      : [
          `    on ${first.host}${group.hosts.size > 1 ? " (-v shows the diff of every host)" : ""}:`,
          ...lines,
        ];
  }

  #alike(text: string): string {
    return alike(text, this.#names);
  }
}

function groupOf(first: Fact): Group {
  const { host, ms = 0 } = first;
  return { first, hosts: new Set([host]), facts: 1, values: 1, shortestMs: ms, longestMs: ms };
}

/** Several groups as one, with words that hold for all of them. */
function together(groups: readonly Group[], words: Pick<Fact, "did" | "about" | "rest">): Group {
  const [some, ...rest] = groups;
  if (!some) throw new Error("no groups");
  const all = {
    ...some,
    hosts: new Set(some.hosts),
    first: { ...some.first, ...words },
    values: groups.reduce((sum, { values }) => sum + values, 0),
  };
  for (const group of rest) merge(all, group);
  return all;
}

function merge(into: Group, other: Group): void {
  for (const host of other.hosts) into.hosts.add(host);
  into.facts += other.facts;
  into.shortestMs = Math.min(into.shortestMs, other.shortestMs);
  into.longestMs = Math.max(into.longestMs, other.longestMs);
}

/** `1.0 to 4.2 s`, or `850 ms to 1.2 s`. */
function range(from: string, to: string): string {
  if (from === to) return to;
  const unit = to.slice(to.lastIndexOf(" "));
  return `${from.endsWith(unit) && !from.includes("min") ? from.slice(0, -unit.length) : from} to ${to}`;
}
