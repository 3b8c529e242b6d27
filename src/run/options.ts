import type { CausewayError } from "../errors.ts";
import type { Connect, SessionOptions } from "../host/session.ts";
import type { FailurePolicy, Order } from "./batches.ts";
import type { HostRecap, Reporter } from "./events.ts";
import type { Prepared, PrepareOptions } from "./prepare.ts";

/** What the command line says of batches. */
export interface Rolling {
  /** `1`, `25%`, `1,25%,100%`: instead of what the plays say. */
  serial?: string;
  order: Order;
  /** Between batches: what works before has to work after, everything has to work (strict), or nothing is looked at. */
  gate: "on" | "off" | "strict";
  /** How long a gate may take to hold, in milliseconds. */
  settleMs: number;
  /** What becomes of a batch that failed. */
  onFailure: "stop" | "rollback";
  policy: FailurePolicy;
  /** Asks a person before each batch. */
  ask?: (question: string) => Promise<"yes" | "no" | "all">;
}

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
  rolling?: Rolling;
  verify: boolean;
  /** Prove also by what crosses the wire. */
  evidence?: boolean;
  /** Prove every ordered pair of hosts, also of a large fleet. */
  allPairs?: boolean;
  /** Hosts that are connected to at a time. */
  forks: number;
  session: SessionOptions;
  connect: Connect;
  reporter: Reporter;
  /** Aborted by the first Ctrl-C. */
  interrupted: AbortSignal;
  breakLock: boolean;
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
  /** Hosts that failed or could not be reached, sorted: what `--limit @file` takes. */
  retry: readonly string[];
  /** Why nothing was changed anywhere, where that is so; to be shown by the caller. */
  refused: readonly CausewayError[];
}
