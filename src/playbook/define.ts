import type { Static, TObject } from "typebox";
import type { CausewayError } from "../errors.ts";
import type { Reader } from "../host/reader.ts";
import type { TaskInstance } from "../task/define.ts";
import type { ProbeInstance } from "../task/probe.ts";
import type { Fleet, HostView } from "./fleet.ts";

/** Something about a host that a playbook wants to know before the first step, read in the first trip. */
export interface Fact<T> {
  name: string;
  read: (host: Reader) => Promise<T>;
}

export function defineFact<T>(fact: Fact<T>): Fact<T> {
  return fact;
}

export type Facts = Readonly<Record<string, Fact<unknown>>>;
export type FactValues<F extends Facts> = { readonly [K in keyof F]: F[K] extends Fact<infer T> ? T : never };

export interface Play<V, F> {
  /** What it achieves, as a heading. */
  title: string;
  /** A pattern over the inventory. */
  hosts: string;
  /** Only on the first of its hosts that takes part: how a thing is done once. */
  once?: boolean;
  /** Pure: the tasks of one host, in order. */
  tasks: (host: HostView<V, F>, fleet: Fleet<V, F>) => readonly TaskInstance[];
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
  /** A pattern: the hosts of a playbook that has no plays, only a proof. */
  hosts?: string;
  plays: readonly Play<Static<S>, FactValues<F>>[];
  /** Instead of plays: what was done on the hosts is taken back, newest first; all of it, or a run and what came after. */
  undoes?: "everything" | "last" | { since: string };
  /** What proves that it works. */
  verify?: (fleet: Fleet<Static<S>, FactValues<F>>) => readonly ProbeInstance[];
}

/** A playbook as the engine takes it, whatever its variables are. */
export type Playbook = PlaybookDefinition<TObject, Facts> & { readonly causeway: "playbook" };

/** Defines a playbook; it is the default export of its file. */
export function definePlaybook<S extends TObject, const F extends Facts = Record<never, never>>(
  definition: PlaybookDefinition<S, F>,
): PlaybookDefinition<S, F> & { readonly causeway: "playbook" } {
  return { ...definition, causeway: "playbook" };
}
