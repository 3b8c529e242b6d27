import type { Static, TObject } from "typebox";
import type { CausewayError, Position } from "../errors.ts";
import type { Reader } from "../host/reader.ts";
import type { Entry } from "../journal/entries.ts";
import type { TaskInstance } from "../task/define.ts";
import type { ProbeInstance } from "../task/probe.ts";
import type { Fleet, HostView } from "./fleet.ts";

/** Something about a host that a playbook wants to know before the first step, read in the first trip. */
export interface Fact<T, V = Readonly<Record<string, unknown>>> {
  name: string;
  /** It comes about during the run: a play that uses it has to learn it. */
  arises?: true;
  /** Looks at the host; what it looks for may depend on what is known of it already. */
  read: (host: Reader, known: KnownHost<V>) => Promise<T>;
}

/** A host before its facts were read. */
export interface KnownHost<V = Readonly<Record<string, unknown>>> extends Omit<HostView<V>, "facts"> {
  /** What causeway did on it and has not taken back, oldest first; it costs no trip of its own. */
  readonly standing: Promise<readonly Standing[]>;
}

/** A step that stands, as the host's journal has it; `owner` is the playbook that did it. */
export type Standing = Pick<Entry, "owner" | "task" | "key" | "what" | "from" | "to" | "keys">;

/** Words for a person before the first step, about one host or about the fleet; a warning unless it says otherwise. */
export interface Remark {
  host?: string;
  level?: "info" | "warning";
  text: string;
}

/** The network of a fleet's containers once it is in place: what a report draws. Nothing is judged by it. */
export interface Topology {
  /** How packets get from host to host: by routes of the hosts, in a tunnel, or on a segment that the containers are on themselves. */
  by: "routes" | "tunnel" | "segment";
  /** The same for a person: `vxlan, UDP 8472`. */
  words: string;
  /** What the containers of all hosts share, where they do: `10.199.0.0/24`. */
  network?: string;
  /** The hosts that have such containers, and each one's own subnet, where it has one and it is known. */
  hosts: readonly { name: string; subnet?: string }[];
}

export function defineFact<T, V = Readonly<Record<string, unknown>>>(fact: Fact<T, V>): Fact<T, V> {
  return fact;
}

export type Facts = Readonly<Record<string, Fact<unknown, never>>>;
export type FactValues<F extends Facts> = {
  readonly [K in keyof F]: F[K] extends Fact<infer T, never> ? T : never;
};

/** What other hosts do around each batch of a play, such as a load balancer that sends nothing to its hosts meanwhile. */
export interface Around<V, F> {
  /** A pattern: the hosts that do it. */
  hosts: string;
  /**
   * Pure: what one of them is to do with one host of the play that is `out`, before its batch begins, or `in`: after its batch,
   * once it is well and the gate holds. One that failed stays out; one that had nothing to do is in.
   */
  tasks: (
    attending: HostView<V, F>,
    member: HostView<V, F>,
    state: "out" | "in",
    fleet: Fleet<V, F>,
  ) => readonly TaskInstance[];
}

export interface Play<V, F> {
  /** What it achieves, as a heading. */
  title: string;
  /** A pattern over the inventory. */
  hosts: string;
  /**
   * Names of facts that plays before it bring about, such as a key that a host makes: they are read again on all hosts of the
   * run before its tasks are composed. Until then, and in a check, they are as they were before the first step.
   */
  learns?: readonly (keyof F & string)[];
  /** By which `--tags` and `--skip-tags` choose all its tasks, beside each one's own; `always` and `never` as in Ansible. */
  tags?: readonly string[];
  /** Only on the first of its hosts that takes part: how a thing is done once. What it does is the fleet's, not that host's. */
  runOnce?: boolean;
  /** So many hosts at a time: a number, a percentage, or a list of them (`1,25%,100%`). All at once without it. */
  serial?: number | string | readonly (number | string)[];
  /** It is done on all hosts at once whatever `--serial` says, and why: it only adds, or nothing works yet that could be lost. */
  atOnce?: string | ((fleet: Fleet<V, F>) => string | undefined);
  /**
   * Pure: what changes that hosts which have it and hosts which do not have it yet would not understand each other; nothing
   * where that is not so. Then it is done on all hosts at once, and a `--serial` that parts them is refused before the first step.
   */
  indivisible?: (fleet: Fleet<V, F>) => string | undefined;
  /** It is done on one host after the other, with the gate between them, whatever `--serial` says or where nobody says it; and why. */
  oneByOne?: string;
  /**
   * Only in a run in which every host of the playbook takes part and went through the plays before: it takes away what a
   * host that did not may still need.
   */
  whenComplete?: boolean;
  /** A batch may lose so many of its hosts in percent; more than that ends the roll. */
  maxFailPercentage?: number;
  /** Any host that fails ends the roll. */
  anyErrorsFatal?: boolean;
  /** Not even a batch that failed whole ends the roll. */
  continueOnFailure?: boolean;
  /** What other hosts do before and after each batch; it goes with `serial`. */
  around?: Around<V, F>;
  /** How long a host waits, in seconds, before it takes back what is not confirmed over a new connection; 60 unless given. */
  confirmTimeout?: number;
  /** What has to hold between batches, instead of the playbook's `verify`. */
  gate?: (fleet: Fleet<V, F>) => readonly ProbeInstance[];
  /** So many hosts at a time: the next one begins as one ends, where something that they share could not bear more. */
  throttle?: number;
  /** Pure: the tasks of one host, in order. */
  tasks: (host: HostView<V, F>, fleet: Fleet<V, F>) => readonly TaskInstance[];
  /**
   * Pure: what is done instead on a host on which one of the tasks failed while the run changed it. Where that is in place the
   * host has not failed, and goes on; the recap names the play. A later run in which the tasks do not fail undoes it. A
   * refusal before the first step is not rescued, nor is a host that cannot be reached any more.
   */
  rescue?: (host: HostView<V, F>, fleet: Fleet<V, F>, error: CausewayError) => readonly TaskInstance[];
  /** Pure: tasks after the others, or after the rescue; also on a host on which these failed, unless it cannot be reached. */
  always?: (host: HostView<V, F>, fleet: Fleet<V, F>) => readonly TaskInstance[];
}

export interface PlaybookDefinition<S extends TObject, F extends Facts> {
  /** The owner of what it does on a host, in the journal; kebab-case. */
  name: string;
  summary: string;
  /** What a host can have only once: `container-network`. Another playbook's is undone first. */
  owns?: string;
  /** The variables that it takes from the inventory and from `-e`, with their defaults. */
  vars: S;
  facts?: F;
  /** Pure, over the variables alone: errors before any connection is opened. */
  check?: (fleet: Fleet<Static<S>, FactValues<F>>) => readonly CausewayError[];
  /** Pure, over the facts of the hosts that answered: a refusal leaves every host untouched. */
  preflight?: (fleet: Fleet<Static<S>, FactValues<F>>) => readonly CausewayError[];
  /** Pure, over the same facts: what a person should know although it stops nothing; said in a check, too. */
  remarks?: (fleet: Fleet<Static<S>, FactValues<F>>) => readonly Remark[];
  /** Pure, over the same facts: the network that it makes, as `--report` and JSON tell it. */
  topology?: (fleet: Fleet<Static<S>, FactValues<F>>) => Topology | undefined;
  /** A pattern: the hosts of a playbook that has no plays, only a proof. */
  hosts?: string;
  plays: readonly Play<Static<S>, FactValues<F>>[];
  /** Instead of plays: what was done on the hosts is taken back, newest first; all of it, or a run (or one of its plays, from 0) and what came after. */
  undoes?: "everything" | "last" | { since: string; play?: number };
  /** What proves that it works. */
  verify?: (fleet: Fleet<Static<S>, FactValues<F>>) => readonly ProbeInstance[];
}

/** A playbook as the engine takes it, whatever its variables are. */
export type Playbook = PlaybookDefinition<TObject, Facts> & {
  readonly causeway: "playbook";
  /** Where a key was most likely written, behind a text such as a play's title; unknown where no file was loaded. */
  readonly whereIs?: (key: string, behind?: string) => Position;
};

/** Defines a playbook; it is the default export of its file. */
export function definePlaybook<S extends TObject, const F extends Facts = Record<never, never>>(
  definition: PlaybookDefinition<S, F>,
): PlaybookDefinition<S, F> & { readonly causeway: "playbook" } {
  return { ...definition, causeway: "playbook" };
}
