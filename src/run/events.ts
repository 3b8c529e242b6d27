import type { ListrRendererFactory } from "listr2";
import type { CausewayError } from "../errors.ts";
import type { Topology } from "../playbook/define.ts";
import type { Matrix } from "../task/matrix.ts";
import type { ShownStep } from "../task/shown-step.ts";
import type { Gap, WatchedPair } from "../task/watched.ts";
import type { ContainerFate } from "./container-words.ts";

/** How one host came out; `owed` are restarts that a failure kept from happening. */
export interface HostRecap {
  /** Tasks that had nothing to do. */
  ok: number;
  /** Tasks that changed something (in check: would change). */
  changed: number;
  failed: number;
  unreachable: boolean;
  /** Steps performed (in check: planned). */
  steps: number;
  restarts: number;
  owed: readonly string[];
  /** Containers that ended with Docker and do not run again, where there are any. */
  notBack?: readonly string[];
  /** The titles of plays that failed here and whose rescue was done instead, where there are any. */
  rescued?: readonly string[];
}

/** A step or a restart that was going on. */
export interface Activity {
  host: string;
  /** The task whose step it is; restarts belong to no task. */
  task?: string;
  /** `keys of /etc/docker/daemon.json`, `restart docker`. */
  what: string;
}

/** A gap as it is told: `at` is when it began, in milliseconds since the run began. */
export interface ToldGap extends Omit<Gap, "from"> {
  at: number;
  /** What went on meanwhile: on the pair's own hosts, or where nothing did, on others. */
  during: readonly Activity[];
}

export interface ToldPair extends Omit<WatchedPair, "gaps"> {
  /** The longest of the gaps, in milliseconds; 0 without one. */
  longestMs: number;
  gaps: readonly ToldGap[];
}

/** Everything that a run says, in order. `at` is milliseconds since the run began. */
export type RunEvent = { at: number } & (
  | {
      type: "run";
      id: string;
      playbook: string;
      summary: string;
      check: boolean;
      hosts: readonly string[];
      /** Hosts that are taken out of the fleet, and whether they are dead: then they are none of `hosts`. */
      leaving?: readonly string[];
      dead?: boolean;
    }
  /** The network that the playbook makes, or finds: how packets get from host to host, and the hosts' own subnets and addresses. */
  | {
      type: "topology";
      by: Topology["by"];
      words: string;
      network?: string;
      hosts: readonly { name: string; address: string; subnet?: string }[];
    }
  /** Words of no host: "bringing the lab up", a warning. */
  | { type: "message"; level: "info" | "warning"; text: string; host?: string }
  | { type: "connecting"; host: string }
  | { type: "connected"; host: string; ms: number }
  /** What a host cost: round trips after the handshake, and commands that travelled in them. */
  | { type: "disconnected"; host: string; roundTrips: number; commands: number }
  | { type: "play"; title: string; index: number; count: number; hosts: readonly string[] }
  /** Some of a play's hosts at a time; `planned` only in check. */
  | {
      type: "batch";
      play: string;
      index: number;
      count: number;
      hosts: readonly string[];
      state: "planned" | "started";
    }
  /** `planned` only in check; `later` says why the rest cannot be planned yet. */
  | {
      type: "task";
      host: string;
      play: string;
      task: string;
      key: string;
      state: "reading" | "performing" | "waiting" | "ok" | "changed" | "planned" | "failed";
      steps?: readonly ShownStep[];
      /** What it is waiting for, in state `waiting`. */
      reason?: string;
      later?: string;
    }
  | {
      type: "step";
      host: string;
      task: string;
      step: ShownStep;
      state: "started" | "done" | "failed";
      ms?: number;
    }
  /**
   * A reload or restart: `restart docker`; `planned` only in check; `spared` where the unit is gone, or was stopped, with what was
   * undone.
   */
  | {
      type: "consequence";
      host: string;
      what: string;
      why: readonly string[];
      state: "planned" | "started" | "done" | "failed" | "spared";
      ms?: number;
    }
  /** Containers that end with Docker (in check, `planned`), or that ended with it. */
  | { type: "containers"; host: string; state: "planned" | "ended"; containers: readonly ContainerFate[] }
  /** A host that leaves the run. */
  | { type: "failed"; host: string; error: CausewayError }
  | { type: "unreachable"; host: string; error: CausewayError }
  /** Why nothing is done on any host. Who shows the run to a person says it last, on standard error. */
  | { type: "refused"; error: CausewayError }
  /**
   * What becomes of the promise that a host takes a run back by itself: armed; off, because the run was confirmed over a new
   * connection; or waited for, at most so many seconds.
   */
  | { type: "switch"; host: string; state: "armed" | "confirmed" | "waiting"; seconds?: number }
  /**
   * With -v: lines that a step or a restart says, as they come; of a restart, what its unit says to the host's log. `cut`: no more
   * of them are shown.
   */
  | {
      type: "output";
      host: string;
      task?: string;
      what: string;
      lines: readonly string[];
      cut?: true;
    }
  /** With -v: each command as one could paste it. */
  | { type: "command"; host: string; command: string; code: number; ms: number }
  | {
      type: "probe";
      name: string;
      /** Why it is proved now, where that is not the end of the run: `gate`. */
      stage?: string;
      state: "started" | "passed" | "failed";
      doing?: string;
      matrix?: Matrix;
      error?: CausewayError;
    }
  /** With `--watch`: it begins (`doing` says how much it is), or other pairs do not answer now. */
  | {
      type: "watch";
      name: string;
      state: "started" | "changed";
      doing?: string;
      /** The pairs that worked before and do not answer now, as `from → to`. */
      silent?: readonly string[];
    }
  /** What a watch saw. */
  | {
      type: "watched";
      name: string;
      title: string;
      /** How often a packet was sent on each pair, in milliseconds. */
      everyMs: number;
      pairs: readonly ToldPair[];
      /** Where not all pairs of the hosts were watched: how many ordered pairs they have. */
      sampleOf?: number;
      /** The limit of `--max-gap`, and the pairs that are over it or were never reached, as `from → to`. */
      maxGapMs?: number;
      over?: readonly string[];
      notes: readonly string[];
    }
  | {
      type: "recap";
      hosts: Readonly<Record<string, HostRecap>>;
      check: boolean;
      interrupted: boolean;
      /** Hosts whose batch was never begun. */
      notBegun?: readonly string[];
      /** Hosts whose batch was undone again. */
      undone?: readonly string[];
      /** Pairs over `--max-gap`, where nothing else failed. */
      overMaxGap?: number;
      exitCode: number;
      ms: number;
    }
);

/** A renderer of listr2's, for the stages of a run: connecting, and each play. */
export type StageRenderer = ListrRendererFactory;

/** Takes every event of a run, shows it in its own way, and never throws. */
export interface Reporter {
  /** Draws the hosts that listr2 works on. */
  readonly renderer?: StageRenderer;
  event(event: RunEvent): void;
  /** Leaves the terminal to a question until what it gives is called. */
  pause?(): () => void;
  /** Resolves once everything is written and the terminal is as it was. */
  close(): Promise<void>;
}
