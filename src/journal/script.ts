import { quoteAlways, rawScript, type Script, sh } from "../host/sh.ts";
import { kindOf } from "../kinds/index.ts";
import type { Scope } from "../task/define.ts";
import type { ShownStep } from "../task/shown-step.ts";
import { type Consequence, consequenceWords, resourceOf, type Step } from "../task/step.ts";
import { shown } from "../vault/never-shown.ts";
import { type Entry, entryPath } from "./entries.ts";
import { journalFolder } from "./folder.ts";
import { hostLibrary, libraryLines } from "./library.ts";
import { liveBytes } from "./live-output.ts";

/** Under which identity a step is done. */
export interface Identity {
  owner: string;
  task: string;
  key: string;
  scope: Scope;
  play: number;
}

/** How an older entry is taken back. */
export interface TakeBack {
  entry: Entry;
  /** Does it where somebody changed other parts of the file since. */
  merge?: Script;
  /** Also what somebody changed since. */
  force?: boolean;
  /** What changes in a file, where that was asked for. */
  diff?: NonNullable<ShownStep["diff"]>;
}

/** What a script does on one host, one after the other. `n` is the action's own number in the run's journal. */
export type Action =
  | { does: "step"; n: string; identity: Identity; step: Step }
  /** Takes an older entry back as part of this run, which a rollback of the run brings back. One that waits stays as it is
   * until an older entry of the same resource is taken back, which knows what was before both. */
  | ({ does: "removal"; n: string; identity: Identity; waits?: boolean } & TakeBack)
  /** Takes an older entry back for good. */
  | ({ does: "take back" } & TakeBack)
  /** Nothing is left of the entry: it counts as taken back. */
  | { does: "forget"; entry: Entry };

/** A reload or restart that is due, and the numbers of the actions that made it necessary. */
export interface Due {
  consequence: Consequence;
  causedBy: readonly string[];
}

/** What the host has to wait for before it takes back by itself what a run did from now on. */
export interface Armed {
  token: string;
  /** How long it waits, from the last renewal on. */
  seconds: number;
  /** The number of the first entry that is not confirmed yet. */
  from: string;
}

export interface HostScript {
  run: string;
  /** The host's name in the inventory: its journal is of this host from now on. */
  host: string;
  /** The journal's head as it was when this was planned; another one stops the script. */
  head: string;
  /** Who holds the lock from now on, in words. */
  who: string;
  /** One line of JSON about the run. */
  record: string;
  /** The libraries that lie on the host, by their checksums. */
  libraries: readonly string[];
  actions: readonly Action[];
  due: readonly Due[];
  /** Where the script may cut the runner off: nothing of it is done before this is armed. */
  armed?: Armed | undefined;
  /** What its steps and restarts say is told as it comes. */
  live?: boolean;
  /** The units that it restarts or stops, with which containers may end, and whether there is leave for that. */
  interrupts?: { units: readonly string[]; leave: boolean };
}

/**
 * The one script that changes a host: lock, write-ahead, actions, then reloads and restarts. It tells its progress in lines
 * that a Follower takes apart.
 */
export function hostScript({
  run,
  host,
  head,
  who,
  record,
  libraries,
  actions,
  due,
  armed,
  live,
  interrupts,
}: HostScript): Script {
  const gently = actions.some(({ does }) => does !== "step") ? "gently" : "''";
  const told = live ? liveBytes(actions.length + due.length) : 0;
  const lines = [
    ...libraryLines(libraries),
    ...(told > 0 ? [`cw_live=${told}`] : []),
    ...(interrupts ? mindContainers(interrupts) : []),
    ["cw_begin", run, quoteAlways(head), quoteAlways(who), quoteAlways(record), quoteAlways(host)].join(" "),
    `cw_keep_library ${hostLibrary().hash}`,
    ...(armed ? [`cw_arm ${armed.token} ${armed.seconds} ${armed.from} ${hostLibrary().hash}`] : []),
    ...actions.flatMap((action) => intend(action, run)),
    ...(actions.length > 0 ? [`cw_intended ${run} ${headAfter(actions)}`] : []),
    ...actions.flatMap((action) => (told > 0 && isQuiet(action) ? hushed(act(action), told) : act(action))),
    ...due.map(({ consequence: what, causedBy }) =>
      [
        "cw_due",
        what.do,
        quoteAlways(what.do === "daemon-reload" ? "" : what.unit),
        gently,
        ...causedBy,
      ].join(" "),
    ),
    "cw_await_kept",
    ...actions.flatMap(afterwards),
    ...(actions.some((action) => action.does === "take back" && action.force) ? [] : ["cw_look_again"]),
    "cw_undone $cw_owing",
  ];
  return rawScript(lines.join("\n"), actions.flatMap(secretsOf));
}

/** Whether nothing of what it says is shown. */
export function isQuiet(action: Action): boolean {
  return action.does === "step" && action.step.noLog === true;
}

function hushed(lines: readonly string[], told: number): string[] {
  return ["cw_live=", ...lines, `cw_live=${told}`];
}

/** Nothing is asked of a script that restarts and stops no unit. */
function mindContainers({ units, leave }: NonNullable<HostScript["interrupts"]>): string[] {
  if (units.length === 0) return [];
  return [["cw_mind_containers", leave ? "leave" : "''", ...units.map(quoteAlways)].join(" ")];
}

/** The number that the journal's head has after these actions; what is taken back for good has none of its own. */
export function headAfter(actions: readonly Action[]): string {
  return actions
    .map((action) => ("n" in action ? action.n : "0000"))
    .reduce((a, b) => (a > b ? a : b), "0000");
}

function secretsOf(action: Action): readonly string[] {
  return action.does === "step" ? action.step.perform.secrets : [];
}

/** By which name the host tells of an action. */
export function idOf(action: Action): string {
  return "n" in action ? action.n : entryPath(action.entry);
}

/** How long it may take, in milliseconds, where its kind or it itself says so. */
export function timeoutOf(action: Action): number | undefined {
  if (action.does !== "step") return kindOf(action.entry.resource)?.timeoutMs;
  return action.step.timeoutMs ?? kindOf(resourceOf(action.step))?.timeoutMs;
}

function intend(action: Action, run: string): string[] {
  if (!("n" in action)) return [];
  const entry = quoteAlways(JSON.stringify({ run, ...recordOf(action) }));
  if (action.does === "removal") return [`cw_intend_removal ${action.n} ${entry} ${entryPath(action.entry)}`];
  return [["cw_intend", action.n, entry, ...action.step.resource.map(quoteAlways)].join(" ")];
}

/** What the journal keeps of an action: no command, so no secret. */
function recordOf(action: Extract<Action, { n: string }>): Omit<Entry, "run" | "begun" | "done" | "undone"> {
  // The fields before the owner are those that an entry keeps when a newer one is folded into it.
  const { n, identity } = action;
  if (action.does === "removal") {
    const { kind, resource, what, from, to, causes, secret } = action.entry;
    const closes = entryPath(action.entry);
    return {
      n,
      from: to,
      ...identity,
      kind,
      resource,
      what,
      to: from,
      causes,
      closes,
      ...(secret ? { secret } : {}),
      summed: true,
    };
  }
  const { kind, what, from, to, causes, irreversible, undoneIdle, keys, perform, secret } = action.step;
  // What undoing needs is kept beside it; these are words for people.
  const words = (text: string | null) => (text === null ? null : shown(text));
  return {
    n,
    from: words(from),
    ...identity,
    kind,
    resource: resourceOf(action.step),
    what,
    to: words(to),
    causes,
    ...(irreversible === undefined ? {} : { irreversible }),
    ...(undoneIdle ? { undoneIdle } : {}),
    ...(secret || perform.secrets.length > 0 ? { secret: true } : {}),
    ...(keys === undefined ? {} : { keys }),
    summed: true,
  };
}

function act(action: Action): string[] {
  switch (action.does) {
    case "step":
      return [`cw_do() { eval ${quoteAlways(action.step.perform.text)}; }`, `cw_perform ${action.n} cw_do`];
    case "removal":
      return [`cw_do() { eval ${quoteAlways(removal(action))}; }`, `cw_perform ${action.n} cw_do`];
    case "take back": {
      const { entry } = action;
      return [
        `cw_later=${quoteAlways(entry.later?.join(" ") ?? "")}`,
        `cw_do() { eval ${quoteAlways(takingBack(action))}; }`,
        `cw_take_back ${entryPath(entry)} cw_do${entry.causes.length > 0 ? " owing" : ""}`,
      ];
    }
    case "forget":
      return [`cw_undone ${entryPath(action.entry)}`];
  }
}

function takingBack({ entry, merge, force }: TakeBack): string {
  const path = entryPath(entry);
  // It is forced: nothing can be done about it, and it is forgotten.
  if (entry.irreversible !== undefined) return ":";
  if (merge) return `B=$CW/runs/${path}; cw_is_whole "$B" || exit 1; ${merge.text}`;
  return `cw_put_back "$CW/runs/${path}"${force ? " force" : ""}`;
}

function removal({ entry, merge, force, waits }: Extract<Action, { does: "removal" }>): string {
  const path = entryPath(entry);
  if (waits) return `cw_undone ${path}`;
  const taking = merge ? `(${merge.text})` : `cw_remove ${path}${force ? " force" : ""}`;
  return entry.causes.length > 0 ? taking : `${taking} && cw_undone ${path}`;
}

/** A removal that owes a restart counts as done when that is done, so that a kill in between does not lose it. */
function afterwards(action: Action): string[] {
  return action.does === "removal" && action.entry.causes.length > 0
    ? [`cw_undone ${entryPath(action.entry)}`]
    : [];
}

/** What `-v` shows of such a script: the steps and restarts as one could paste them. */
export function shownScript({ actions, due }: Pick<HostScript, "actions" | "due">): string {
  const shown = actions.map((action) =>
    action.does === "step"
      ? action.step.perform.text
      : `# ${action.does}: ${action.entry.what} (${entryPath(action.entry)})`,
  );
  return [...shown, ...due.map(({ consequence }) => `systemctl ${consequenceWords(consequence)}`)].join("\n");
}

/**
 * Whether it may change by which way the host is reached. What is taken back for good may not: the way back of a way back is in
 * no journal.
 */
export function cutsOff({ actions, due }: Pick<HostScript, "actions" | "due">): boolean {
  if (actions.some(({ does }) => does === "take back" || does === "forget")) return false;
  const resource = (action: Action) =>
    action.does === "step" ? resourceOf(action.step) : action.entry.resource;
  return (
    due.some(({ consequence }) => consequence.do !== "daemon-reload") ||
    actions.some((action) => kindOf(resource(action))?.cuts === true)
  );
}

/** Gives the host so many seconds from now on. */
export function renewScript(run: string, token: string, seconds: number): string {
  return [...libraryLines([hostLibrary().hash]), `cw_renew ${run} ${token} ${seconds}`].join("\n");
}

/** Over a new connection: the run reaches the host, and nothing is taken back any more. */
export function confirmScript(run: string, token: string, libraries: readonly string[]): Script {
  return rawScript([...libraryLines(libraries), `cw_confirm ${run} ${token}`].join("\n"));
}

/** What a run that was cut off left armed is taken back now. */
export const revertScript = `sh ${journalFolder}/switch/revert`;

/** The same, with the library that it needs put there again, whatever became of that. */
export function settleScript(): Script {
  return rawScript([...libraryLines([]), `cw_keep_library ${hostLibrary().hash}`, revertScript].join("\n"));
}

/** Notes how the run ended on this host, and which others it changed, and gives the lock back. */
export function endScript(run: string, state: string, beside: readonly string[] = []): Script {
  return rawScript(
    [
      ...libraryLines([hostLibrary().hash]),
      ...(beside.length > 0 ? [`cw_beside ${run} ${beside.map(quoteAlways).join(" ")}`] : []),
      `cw_end ${run} ${state}`,
    ].join("\n"),
  );
}

/** Notes that a run which changed this host is in no journal of it, until a person says that nothing is left of that run. */
export function noteMissingScript(run: string): Script {
  return sh`umask 077; cd ${journalFolder} && printf '%s\n' ${run} >missing.new && mv -f missing.new missing`;
}

export const forgetMissingScript: Script = sh`rm -f ${journalFolder}/missing`;

/**
 * Marks steps that were left half-done, and whose tasks have nothing left to do, as done, under the lock: one that the
 * run has already, or one that is given back. Where another run has it, what is half-done is that run's to tell.
 */
export function finishScript(
  entries: readonly Entry[],
  { who, locked, libraries }: { who: string; locked: boolean; libraries: readonly string[] },
): Script {
  const calls = [
    ...libraryLines(libraries),
    sh`cw_lock ${who}`.text,
    ...entries.map((e) => `cw_finish ${entryPath(e)}`),
    ...(locked ? [] : ["cw_unlock"]),
  ];
  return rawScript(calls.join("\n"));
}

/**
 * Asks a host which of some entries are damaged, and what became of the resources of the `files` among them, newest first; of
 * those in `diff` both texts are told.
 */
export function statesScript(
  entries: readonly Entry[],
  {
    files,
    diff,
    libraries,
  }: { files: readonly Entry[]; diff: readonly Entry[]; libraries: readonly string[] },
): Script {
  return rawScript(
    [
      ...libraryLines(libraries),
      `cw_diff=${quoteAlways(`${diff.map(entryPath).join(" ")} `)}`,
      `cw_tell_damaged ${entries.map(entryPath).join(" ")}`,
      `cw_tell_states ${files.map((e) => [entryPath(e), ...(e.later ?? [])].join()).join(" ")}`,
    ].join("\n"),
  );
}
