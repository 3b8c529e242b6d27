import type { ArchiveMember } from "../archives/archive.ts";
import type { Resource } from "../host/resources.ts";
import type { Script } from "../host/sh.ts";
import type { ShownStep } from "./shown-step.ts";

/** What a change makes necessary. The engine does each once, after the group of steps: reloads of systemd first. */
export type Consequence = { do: "daemon-reload" } | { do: "reload" | "restart"; unit: string };

/**
 * One change on one host, as data. The resource is what its undo restores: the kind's shell functions read its token,
 * save it and restore it, so that the undo is exact without anybody writing one.
 */
export interface Step extends ShownStep {
  /** The kind's name on the host and its arguments, as `cw_KIND_save` and the others take them. */
  resource: readonly [kind: string, ...args: string[]];
  /** Performs the change; `$B` is the journal entry's path without an ending. */
  perform: Script;
  /** What it can change, so that only that is read again. */
  touches: readonly Resource[];
  causes: readonly Consequence[];
  /** A file of the controller that has to be on the host, at this path, before the step is performed. */
  push?: { from: string | ArchiveMember; to: string };
  /** Why it cannot be undone, if so. */
  irreversible?: string;
  /** Its undo restores something that Docker gets only when it starts without a running container; see live-restore. */
  undoneIdle?: true;
  /** The bytes of its resource are never shown although its script holds no secret: the host made them. */
  secret?: true;
  /** For keys of a JSON file: what they are set to; null for one that is taken away. */
  keys?: Readonly<Record<string, unknown>>;
  /** Its task says `noLog`: what its command says is shown nowhere. */
  noLog?: true;
  /** How long it may take, in milliseconds; the session's default otherwise. */
  timeoutMs?: number;
}

/** A plan that depends on the effect of an earlier step, and what it waits for. */
export interface Later {
  later: string;
  /** What will become necessary then, where that is known: a check tells it, and leave is asked for before the first step. */
  causes?: readonly Consequence[];
}

/** A reload or restart that the running state asks for although no step is missing. */
export interface Owed {
  owed: Consequence;
  why: string;
}

/** A file of the host that is to be on the controller. The host stays as it is: there is nothing to remember, and no undo. */
export interface Fetched extends ShownStep {
  /** `sha256` is that of the file as it was read: another one is not taken for it. */
  fetch: { from: string; sha256: string; to: string };
}

export type PlanItem = Step | Later | Owed | Fetched;

/** The rest cannot be planned before an earlier step has taken effect; check says so. */
export function later(reason: string, causes?: readonly Consequence[]): Later {
  return { later: reason, ...(causes ? { causes } : {}) };
}

/** The running state is not what the files say: the daemon has to be reloaded or restarted. */
export function owed(consequence: Consequence, why: string): Owed {
  return { owed: consequence, why };
}

/** Brings a file of the host to this machine, whole or not at all; `was` says what is there now, in words. */
export function fetched({
  from,
  sha256,
  size,
  to,
  was,
}: Fetched["fetch"] & { size: number; was: string | null }): Fetched {
  return {
    kind: "fetch",
    what: `${to} on this machine`,
    from: was,
    to: `${from}, ${size} bytes`,
    fetch: { from, sha256, to },
  };
}

export function restart(unit: string): Consequence {
  return { do: "restart", unit };
}

export function reload(unit: string): Consequence {
  return { do: "reload", unit };
}

export const daemonReload: Consequence = { do: "daemon-reload" };

/** A consequence as a person reads it, and by which two are the same: `restart docker`. */
export function consequenceWords(consequence: Consequence): string {
  return consequence.do === "daemon-reload" ? "daemon-reload" : `${consequence.do} ${consequence.unit}`;
}

/** The resource of a step as data, by which two are known to change the same thing; a script is known by what it says it does. */
export function resourceOf({ resource, what }: Step): string {
  return resource[0] === "run" ? `run ${what}` : resource.join(" ");
}

export function isStep(item: PlanItem): item is Step {
  return "resource" in item;
}

export function isLater(item: PlanItem): item is Later {
  return "later" in item;
}

export function isFetched(item: PlanItem): item is Fetched {
  return "fetch" in item;
}

export function isOwed(item: PlanItem): item is Owed {
  return "owed" in item;
}
