import { masked } from "../host/sh.ts";
import type { ShownStep } from "../task/shown-step.ts";
import type { Consequence } from "../task/step.ts";
import { LiveOutput } from "./live-output.ts";
import { type Action, idOf, timeoutOf } from "./script.ts";

/** How the script of a host came to its end. */
export type Ended =
  | { how: "all" }
  /** Another run has the lock; in that run's words. */
  | { how: "locked"; holder: string }
  /** Somebody wrote to the journal since this was planned. */
  | { how: "moved"; head: string }
  /** A person asked to stop, before this action. */
  | { how: "stopped"; before?: Action }
  /** The journal cannot be written. */
  | { how: "no journal"; path: string }
  /** A step was performed, and the journal cannot note what it made. */
  | { how: "unnoted"; action?: Action; path: string }
  /** The host cannot promise to take back by itself what is done now; nothing was done. */
  | { how: "not armed"; why: string }
  /** It would end containers without leave; nothing was done. */
  | { how: "interrupts" }
  /** The library is not on the host as it ought to be: to be sent again. */
  | { how: "no library" }
  | { how: "step failed"; action?: Action; code: string }
  /** A reload or restart failed; the steps that asked for it were undone, but for those that could not be. */
  | { how: "restart failed"; what: string; undone: readonly Action[]; stuck: readonly Action[]; unit: string }
  | { how: "unknown"; code: number };

/** An action that is left as it is, and what was said of it. */
export interface Left {
  action: Action;
  output: string;
}

/** The containers that a script found running before it ended Docker, and what became of them; in the host's lines. */
export interface Told {
  atRisk: readonly string[];
  returned: readonly string[];
}

/** `spared`: its unit is gone, or was stopped, with what was undone. */
export type ConsequenceState = "started" | "done" | "failed" | "spared";

/** Told of each action and consequence as it goes. */
export interface Listener {
  action(action: Action, state: "started" | "done" | "failed", ms: number): void;
  /** A reload or restart by its words, `restart docker`. */
  consequence(words: string, state: ConsequenceState, ms: number): void;
  /** Lines that what goes on now says; `isFull` where no more of them will be told. */
  said?(lines: readonly string[], isFull: boolean): void;
}

/** Parses what the script of a host prints while it works, and knows how it ended. */
export class Follower {
  /** Somebody changed since what these made. */
  readonly kept: Left[] = [];
  /** They were taken back, and what they changed is not what it was. */
  readonly unlike: Left[] = [];
  /** The one that could not be taken back, and with which the undoing ended. */
  stuck?: Left;
  readonly done = new Set<Action>();
  readonly containers = { atRisk: [] as string[], returned: [] as string[] };
  readonly #actions: ReadonlyMap<string, Action>;
  readonly #secrets: readonly string[];
  readonly #listener: Listener;
  readonly #limitMs: number;
  readonly #undone: Action[] = [];
  readonly #notUndone: Action[] = [];
  #output: string[] = [];
  #left: { word: string; action: Action } | undefined;
  #last: readonly string[] = [];
  #unit = "";
  #since = Date.now();
  #live: LiveOutput | undefined;

  /** `limitMs` is how long one step may take that does not say so itself. */
  constructor(actions: readonly Action[], secrets: readonly string[], limitMs: number, listener: Listener) {
    this.#actions = new Map(actions.map((action) => [idOf(action), action]));
    this.#secrets = secrets;
    this.#limitMs = limitMs;
    this.#listener = listener;
  }

  /** Takes a line; gives how long the script has until its next one, where something begins. */
  line(line: string): number | undefined {
    if (!line.startsWith("@cw ")) return undefined;
    const [word = "", ...rest] = line.slice(4).split(" ");
    if (word === "said" || word === "full") {
      this.#said(rest[0]);
      return undefined;
    }
    this.heardAll();
    if (word === "|") {
      this.#output.push(masked(rest.join(" "), this.#secrets));
      return undefined;
    }
    this.#settle();
    return this.#word(word, rest);
  }

  #word(word: string, rest: readonly string[]): number | undefined {
    const action = this.#actions.get(rest[0] ?? "");
    switch (word) {
      case "start":
      case "done":
        if (action) this.#action(action, word === "start" ? "started" : "done");
        return word === "start" && action ? Math.max(timeoutOf(action) ?? 0, this.#limitMs) : this.#limitMs;
      case "begin":
      case "end":
        this.#consequence(rest.join(" "), word === "begin" ? "started" : "done");
        return this.#limitMs;
      case "spared":
        this.#consequence(rest.join(" "), "spared");
        return undefined;
      case "kept":
      case "unlike":
        if (action) this.#left = { word, action };
        return undefined;
      case "undone":
        if (action) this.#undone.push(action);
        return undefined;
      case "stuck":
        // Of a removal for good it ends the undoing; of a step, whose restart failed, it is one of several.
        if (action?.does === "take back") this.#left = { word, action };
        else if (action) this.#notUndone.push(action);
        return undefined;
      case "container":
        if (rest[0] === "is") this.containers.returned.push(rest.slice(1).join(" "));
        else this.containers.atRisk.push(rest.join(" "));
        return undefined;
      case "unit":
        this.#unit = rest.join(" is ");
        return undefined;
      default:
        this.#last = [word, ...rest];
        if ((word === "failed" || word === "unnoted") && action) this.#action(action, "failed");
        if (word === "broken") this.#consequence(rest.join(" ").trim(), "failed");
        return undefined;
    }
  }

  /** What was said of an action that is left comes after the word for it. */
  #settle(): void {
    if (!this.#left) return;
    const left = { action: this.#left.action, output: this.#output.splice(0).join("\n") };
    if (this.#left.word === "kept") this.kept.push(left);
    else if (this.#left.word === "unlike") this.unlike.push(left);
    else this.stuck = left;
    this.#left = undefined;
  }

  /** Without a piece: the host tells no more of it. */
  #said(piece: string | undefined): void {
    this.#live ??= new LiveOutput(this.#secrets);
    if (this.#live.isFull) return;
    const lines = piece === undefined ? this.#live.rest() : this.#live.take(piece);
    const isFull = piece === undefined || this.#live.isFull;
    if (lines.length > 0 || isFull) this.#listener.said?.(lines, isFull);
  }

  /** What went on has ended, or nobody will know: of what it said, a line may not have come to its end. */
  heardAll(): void {
    const lines = this.#live?.rest() ?? [];
    this.#live = undefined;
    if (lines.length > 0) this.#listener.said?.(lines, false);
  }

  #action(action: Action, state: "started" | "done" | "failed"): void {
    const ms = Date.now() - this.#since;
    if (state === "started") this.#since = Date.now();
    if (state === "done") this.done.add(action);
    this.#listener.action(action, state, ms);
  }

  #consequence(words: string, state: ConsequenceState): void {
    const ms = Date.now() - this.#since;
    if (state === "started") this.#since = Date.now();
    this.#listener.consequence(words, state, ms);
  }

  /** What the failed command or the daemon said, without secrets. */
  output(stderr: string): string {
    return this.#output.join("\n") || masked(stderr, this.#secrets);
  }

  /** How it ended, once the script has given its code. */
  ended(code: number): Ended {
    this.#settle();
    if (code === 0) return { how: "all" };
    const [word = "", first = "", ...rest] = this.#last;
    const action = this.#actions.get(first);
    switch (word) {
      case "locked":
        return { how: "locked", holder: [first, ...rest].join(" ") };
      case "moved":
        return { how: "moved", head: [first, ...rest].join(" ") };
      case "stopped":
        return { how: "stopped", ...(action ? { before: action } : {}) };
      case "nojournal":
        return { how: "no journal", path: [first, ...rest].join(" ") };
      case "unnoted":
        return { how: "unnoted", ...(action ? { action } : {}), path: rest.join(" ") };
      case "unarmed":
        return { how: "not armed", why: [first, ...rest].join(" ") };
      case "interrupts":
        return { how: "interrupts" };
      case "nolibrary":
        return { how: "no library" };
      case "failed":
        return {
          how: "step failed",
          ...(action ? { action } : {}),
          code: rest[1] ?? rest[0] ?? String(code),
        };
      case "broken": {
        const what = [first, ...rest].join(" ").trim();
        return {
          how: "restart failed",
          what,
          undone: this.#undone,
          stuck: this.#notUndone,
          unit: this.#unit,
        };
      }
      default:
        return { how: "unknown", code };
    }
  }
}

/** What an action changes, as a person reads it; one that is taken back goes the other way round. */
export function shownAction(action: Action): ShownStep {
  if (action.does === "step") return action.step;
  const { kind, what, from, to } = action.entry;
  const diff = action.does === "forget" ? undefined : action.diff;
  return { kind, what, from: to, to: from, ...(diff ? { diff } : {}) };
}

/** The reloads and restarts that an action makes necessary. */
export function causesOf(action: Action): readonly Consequence[] {
  if (action.does === "step") return action.step.causes;
  return action.does === "forget" ? [] : action.entry.causes;
}
