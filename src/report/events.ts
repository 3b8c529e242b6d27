import type { ListrRendererFactory } from "listr2";
import type { CausewayError } from "../errors.ts";

/** A change as a person reads it; free of secrets. */
export interface ShownStep {
  kind: string;
  /** The resource: `route 192.168.200.0/24`. */
  what: string;
  /** What is there now; null when nothing is. */
  from: string | null;
  /** What will be there; null when it goes away. */
  to: string | null;
  /** For a file: the whole text before and after, for a unified diff. */
  diff?: { path: string; before: string; after: string };
  irreversible?: string;
}

/** One ordered pair of the connectivity matrix. Times in milliseconds, loss in percent. */
export interface MatrixCell {
  from: string;
  to: string;
  /** Whether it behaved as it should: reached, or not reached where that is expected. */
  ok: boolean;
  expected: "reachable" | "unreachable";
  lossPercent: number;
  rttMs?: number;
  /** The address that the far side saw, and whether it is the sender's own. */
  sourceSeen?: string;
  sourcePreserved?: boolean;
  /** The largest packet that crossed in one piece, in bytes of IP packet. */
  largestPacket?: number;
  /** Whether the far side's name has its address, where names were looked at. */
  nameResolved?: boolean;
  /** What crossed the network between the hosts, where that was captured. */
  evidence?: MatrixEvidence;
  /** Why it failed, the command that shows it, and the host to run it on where that is not the sender. */
  cause?: string;
  command?: string;
  commandOn?: string;
}

/** What a capture of a pair's packets shows. */
export interface MatrixEvidence {
  /** Whether they crossed as the scheme promises. */
  ok: boolean;
  /** How they crossed: `UDP 8472 with the inner addresses inside`. */
  seen: string;
}

export interface Matrix {
  title: string;
  hosts: readonly string[];
  cells: readonly MatrixCell[];
  /** The folder of this machine in which captures are kept, a file a pair. */
  captures?: string;
  /** One line each, said below the matrix. */
  notes: readonly string[];
}

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
  /** With -v: each command as one could paste it. */
  | { type: "command"; host: string; command: string; code: number; ms: number }
  | {
      type: "probe";
      name: string;
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

/** What `-v`, `-D` and `--output` ask for. */
export interface ReporterOptions {
  output: "pretty" | "plain" | "json";
  verbose: boolean;
  diff: boolean;
  color: boolean;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
}
