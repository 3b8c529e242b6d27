import type { Said } from "./host-run.ts";
import type { AnyPlay } from "./prepare.ts";

/** What all hosts of one run share. */
export interface RunContext {
  /** Sortable by time: `20260101T120000Z-1a2b`. */
  readonly id: string;
  /** The playbook's name: the owner of its steps. */
  readonly owner: string;
  /** `user@machine since=… run=…`, for whoever meets the lock. */
  readonly who: string;
  /** One line of JSON, kept in every host's journal. */
  readonly record: string;
  readonly check: boolean;
  /** How long one step may take that does not say so itself. */
  readonly commandTimeoutMs: number;
  /** A person sees commands as they end, and what a step says as it comes. */
  readonly verbose: boolean;
  readonly say: (event: Said) => void;
  /** Aborted by the first Ctrl-C. */
  readonly interrupted: AbortSignal;
  /** What any host planned of the things that are the fleet's, as `task key`. */
  readonly plannedOfFleet: Set<string>;
  /** The command that undoes this run, as one could paste it, without its hosts. */
  readonly rollback: string;
  /** The command that lists the runs in the journals of the same hosts. */
  readonly history: string;
  /** Plays of which no task is chosen. */
  readonly leftOut: Set<AnyPlay>;
  /** Hosts whose batch was never begun, by name. */
  readonly notBegun: Set<string>;
  /** Hosts whose batch was undone again in this run, by name. */
  readonly undone: Set<string>;
  /** Told before each batch which hosts are left to do, for whoever finds this process killed. */
  readonly left: (hosts: readonly string[]) => void;
  /** Whether any step was performed since the last barrier: what hosts share is read again. */
  changedSomething: boolean;
}
