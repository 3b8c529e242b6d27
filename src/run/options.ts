import type { CausewayError } from "../errors.ts";
import type { Connect, SessionOptions } from "../host/session.ts";
import type { FailurePolicy, Order } from "./batches.ts";
import type { HostRecap, Reporter } from "./events.ts";
import type { Prepared, PrepareOptions } from "./prepare.ts";
import type { Selection } from "./selection.ts";

/** A batch whose turn it is. */
export interface Turn {
  /** The title of the play. */
  play: string;
  /** From 0, of `count`. */
  index: number;
  count: number;
  hosts: readonly string[];
}

/** Asks a person whether a batch is to be begun. */
export type Ask = (turn: Turn) => Promise<boolean>;

/** What the command line says of batches. */
export interface Rolling {
  /** `1`, `25%`, `1,25%,100%`: instead of what the plays say. */
  serial?: string;
  /** Something is asked for that only a batch has: a play that says nothing of batches is one of all its hosts. */
  oneBatch?: boolean;
  order: Order;
  /** Between batches: what works before has to work after, everything has to work (strict), or nothing is looked at. */
  gate: "on" | "off" | "strict";
  /** How long a gate may take to hold, in milliseconds. */
  settleMs: number;
  /** What becomes of a batch that failed. */
  onFailure: "stop" | "rollback";
  policy: FailurePolicy;
  ask?: Ask;
}

/** A shorter time for a confirmation is over before a busy host has answered, in seconds. */
export const leastConfirmSeconds = 5;

export const defaultRolling: Rolling = {
  order: "inventory",
  gate: "on",
  settleMs: 0,
  onFailure: "stop",
  policy: {},
};

export interface RunOptions extends PrepareOptions {
  /** Where it was prepared already: to judge before anything is asked of a person or of the lab. */
  prepared?: Prepared;
  check: boolean;
  /** Which tasks are chosen; all without it, but those with the tag `never`. */
  selection?: Selection;
  rolling?: Rolling;
  /** The options that reach the same hosts in another command, as one could paste them: `-i inventory.yaml`. */
  reach?: string;
  /** Told before each batch which hosts are left to do. */
  left?: (hosts: readonly string[]) => void;
  verify: boolean;
  /** Prove also by what crosses the wire. */
  evidence?: boolean;
  /** Prove every ordered pair of hosts, also of a large fleet. */
  allPairs?: boolean;
  /** Watch during the whole run what it costs; with a limit a longer gap counts as a failed proof. */
  watch?: { maxGapMs?: number };
  /** Hosts that are connected to at a time. */
  forks: number;
  session: SessionOptions;
  connect: Connect;
  reporter: Reporter;
  /** Aborted by the first Ctrl-C. */
  interrupted: AbortSignal;
  breakLock: boolean;
  /** How long a host waits for a confirmation before it takes the run back by itself, in seconds; 0 for never. */
  confirmSeconds?: number;
  /** Take back also what somebody changed since, and what cannot be undone. */
  force?: boolean;
  /** Told the commands that run, for `-v`. */
  verbose: boolean;
  /** Told what changes in files that are taken back, for `-D`; those that are written carry it anyway. */
  diff?: boolean;
}

export interface RunOutcome {
  exitCode: number;
  hosts: Readonly<Record<string, HostRecap>>;
  /**
   * Hosts that failed, could not be reached, were not begun or were undone, sorted: what `--limit @file` takes. All of them
   * where a refusal stopped the run before its first step.
   */
  retry: readonly string[];
  /** Why nothing was changed anywhere, where that is so; to be shown by the caller. */
  refused: readonly CausewayError[];
}
