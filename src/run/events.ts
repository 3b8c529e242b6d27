import type { ListrRendererFactory } from "listr2";
import type { CausewayError } from "../errors.ts";
import type { Matrix } from "../task/matrix.ts";
import type { ShownStep } from "../task/shown-step.ts";

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
}

/** Everything that a run says, in order. `at` is milliseconds since the run began. */
export type RunEvent = { at: number } & (
  | { type: "run"; id: string; playbook: string; summary: string; check: boolean; hosts: readonly string[] }
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
  /** A reload or restart: `restart docker`; `planned` only in check. */
  | {
      type: "consequence";
      host: string;
      what: string;
      why: readonly string[];
      state: "planned" | "started" | "done" | "failed";
      ms?: number;
    }
  /** A host that leaves the run. */
  | { type: "failed"; host: string; error: CausewayError }
  | { type: "unreachable"; host: string; error: CausewayError }
  /**
   * What becomes of the promise that a host takes a run back by itself: armed; off, because the run was confirmed over a new
   * connection; or waited for, at most so many seconds.
   */
  | { type: "switch"; host: string; state: "armed" | "confirmed" | "waiting"; seconds?: number }
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
  | {
      type: "recap";
      hosts: Readonly<Record<string, HostRecap>>;
      check: boolean;
      interrupted: boolean;
      /** Hosts whose batch was never begun. */
      notBegun?: readonly string[];
      /** Hosts whose batch was undone again. */
      undone?: readonly string[];
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
  /** Resolves once everything is written and the terminal is as it was. */
  close(): Promise<void>;
}
