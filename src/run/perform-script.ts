import { quote, rawScript, type Script } from "../host/sh.ts";
import { type Entry, entryPath, journalFolder } from "../journal/entries.ts";
import type { Scope } from "../task/define.ts";
import type { ShownStep } from "../task/shown-step.ts";
import { type Consequence, consequenceWords, type Step } from "../task/step.ts";
import { hostLibrary } from "./host-library.ts";

/** Under which identity a step is done. */
export interface Identity {
  owner: string;
  task: string;
  key: string;
  scope: Scope;
  play: number;
}

/** A step that is to be performed, or an older entry that is to be taken back, with its number in the run's journal. */
export type Action = { n: string; identity: Identity } & ({ step: Step } | Removal);

/** An older entry that is to be taken back; `merge` does it where somebody changed the file since. */
export interface Removal {
  remove: Entry;
  merge?: Script;
  /** Also what somebody changed since. */
  force?: boolean;
  /** It stays as it is until an older entry of the same resource is taken back, which knows what was before both. */
  waits?: boolean;
  /** What changes in a file, where that was asked for. */
  diff?: NonNullable<ShownStep["diff"]>;
}

export interface PerformOptions {
  run: string;
  /** The journal's head as it was when this was planned; another one stops the script. */
  head: string;
  /** Who holds the lock from now on, in words. */
  who: string;
  /** One line of JSON about the run. */
  runRecord: string;
  actions: readonly Action[];
  consequences: readonly { consequence: Consequence; causedBy: readonly string[] }[];
  /** Something was taken back: a unit that is gone or stopped by now is not started. */
  gently?: boolean;
}

/** The script that performs: lock, write-ahead, steps, then reloads and restarts. It tells its progress line by line. */
export function performScript(options: PerformOptions): Script {
  const { text, hash } = hostLibrary();
  const secrets = options.actions.flatMap((a) => ("step" in a ? a.step.perform.secrets : []));
  const last = options.actions.at(-1)?.n;
  const lines = [
    `eval ${force(text)}`,
    ["cw_begin", options.run, force(options.head), force(options.who), hash, force(options.runRecord)].join(
      " ",
    ),
    `[ -f "$CW/$LIB" ] || { (umask 077; printf '%s\\n' ${force(text)} >"$CW/$LIB"); }`,
    ...options.actions.map((action) => intend(action, options.run)),
    ...(last ? [`cw_intended ${options.run} ${last}`] : []),
    ...options.actions.flatMap(perform),
    ...options.consequences.flatMap((c) => consequence(c, options.gently === true)),
    ...options.actions.flatMap(restarted),
    "true",
  ];
  return rawScript(lines.join("\n"), secrets);
}

/** Single quotes in any case: an empty word stays a word. */
function force(word: string): string {
  return word === "" ? "''" : quote(word);
}

function intend(action: Action, run: string): string {
  const entry = JSON.stringify({ run, ...entryRecord(action) });
  if ("remove" in action) return `cw_intend_removal ${action.n} ${force(entry)} ${entryPath(action.remove)}`;
  return ["cw_intend", action.n, force(entry), ...action.step.resource.map(force)].join(" ");
}

/** What the journal keeps of a step: no command, so no secret. */
function entryRecord(action: Action): Omit<Entry, "run" | "done" | "undone"> {
  // The fields before the owner are those that an entry keeps when a newer one is folded into it.
  const { n, identity } = action;
  if ("remove" in action) {
    const { kind, what, from, to, causes, secret } = action.remove;
    const closes = entryPath(action.remove);
    return { n, from: to, ...identity, kind, what, to: from, causes, closes, ...(secret ? { secret } : {}) };
  }
  const { kind, what, from, to, causes, irreversible, keys, perform } = action.step;
  return {
    n,
    from,
    ...identity,
    kind,
    what,
    to,
    causes,
    ...(irreversible === undefined ? {} : { irreversible }),
    ...(perform.secrets.length > 0 ? { secret: true } : {}),
    ...(keys === undefined ? {} : { keys }),
  };
}

function perform(action: Action): string[] {
  const body = "remove" in action ? removal(action) : action.step.perform.text;
  return [`cw_do() { eval ${force(body)}; }`, `cw_perform ${action.n} cw_do`];
}

function removal({ remove, merge, force, waits }: Removal): string {
  const path = entryPath(remove);
  if (waits) return `cw_undone ${path}`;
  const taking = merge ? `(${merge.text})` : `cw_remove ${path}${force ? " force" : ""}`;
  return remove.causes.length > 0 ? taking : `${taking} && cw_undone ${path}`;
}

/** One that owes a restart counts as taken back when that is done, so that a kill in between does not lose it. */
function restarted(action: Action): string[] {
  return "remove" in action && action.remove.causes.length > 0
    ? [`cw_undone ${entryPath(action.remove)}`]
    : [];
}

function consequence(
  { consequence: what, causedBy }: PerformOptions["consequences"][number],
  gently: boolean,
): string[] {
  const unit = what.do === "daemon-reload" ? "" : quote(what.unit);
  const words = consequenceWords(what);
  return [
    `cw_say begin ${words}`,
    `if ${gently ? "cw_consequence_gently" : "cw_consequence"} ${what.do} ${unit}; then cw_say end ${words}`,
    `else cw_give_up ${what.do} ${force(unit)} ${causedBy.join(" ")}; fi`,
  ];
}

/** Notes how the run ended on this host, and gives the lock back. */
export function endScript(run: string, state: string): Script {
  return rawScript(`. ${journalFolder}/lib-${hostLibrary().hash}.sh && cw_end ${run} ${state}`);
}
