import { CausewayError, CausewayErrors } from "../errors.ts";
import { quote, sh } from "../host/sh.ts";
import { type Entry, entryPath, liveEntries } from "../journal/entries.ts";
import type { Playbook } from "../playbook/define.ts";
import { type Consequence, consequenceWords } from "../task/step.ts";
import type { RunContext } from "./context.ts";
import { hostLibrary } from "./host-library.ts";
import type { HostRun } from "./host-run.ts";
import { inParallel } from "./in-parallel.ts";
import type { RunOptions } from "./options.ts";
import { removalTimeoutMs } from "./perform.ts";
import { inOrder } from "./plan.ts";
import { heldBack, showRemoval, takenBack } from "./removals.ts";
import { lastingError, type WayBack, wayBack } from "./take-back.ts";
import { cancelled, together, undoOrder } from "./undo-order.ts";

/**
 * Takes back what was done on the hosts, from a run on, newest first: plays backwards with a barrier over the hosts after
 * each, restarts once after each group. What was taken back is marked so on the host at once; killed half-way, it goes on
 * from there the next time.
 */
export async function undoRuns(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
): Promise<void> {
  const since = firstRun(options.playbook.undoes, hosts);
  tellBeforehand(options, context, hosts, since);
  const plan = new Map(
    hosts.map((host) => {
      const live = liveEntries(host.journal).filter((e) => e.run >= since);
      return [host.name, together(live, context.check)] as const;
    }),
  );
  const groups = undoOrder(plan);
  const problems = new Map<HostRun, CausewayError[]>();
  for (const [index, group] of groups.entries()) {
    if (options.interrupted.aborted) {
      const left = [...new Set(groups.slice(index).map(({ run }) => run))];
      context.say({ type: "message", level: "warning", text: `not taken back yet: ${left.join(", ")}` });
      break;
    }
    if (heldBack(hosts, groups.slice(index))) break;
    const taking = hosts.filter((h) => group.entries.has(h.name));
    const what = group.play < 0 ? "what it had undone first" : `play ${group.play + 1}`;
    const title = `Take back run ${group.run}, ${what}`;
    context.say({ type: "play", title, index, count: groups.length, hosts: taking.map((h) => h.name) });
    const parallel = { atOnce: Math.max(1, taking.length), renderer: options.reporter.renderer };
    await inParallel(taking, parallel, async (host) => {
      const { real, empty } = cancelled(group.entries.get(host.name) ?? [], host.journal.entries, since);
      try {
        const way = await possibleWay(options, host, real);
        const known = [...(problems.get(host) ?? []), ...way.problems];
        problems.set(host, known);
        if (context.check) showRemoval(host, title, way.real, way);
        else known.push(...(await undoOn(options, context, host, way, { empty, known })));
      } catch (error) {
        host.failWith(error);
      }
    });
  }
  for (const [host, errors] of problems) {
    const [first, ...rest] = errors;
    if (first) host.fail(rest.length > 0 ? new CausewayErrors([first, ...rest]) : first);
  }
}

/** The run with which the undoing ends; empty for the very first. */
function firstRun(undoes: Playbook["undoes"], hosts: readonly HostRun[]): string {
  if (undoes === "everything" || undoes === undefined) return "";
  const live = [...new Set(hosts.flatMap((h) => liveEntries(h.journal).map((e) => e.run)))].sort();
  if (undoes === "last") return live.at(-1) ?? "";
  const found = live.filter((id) => id.startsWith(undoes.since));
  const [only, second] = found;
  if (only !== undefined && second === undefined) {
    refuseFolded(only, live, hosts);
    return only;
  }
  throw new CausewayError(
    "usage",
    `the run ${undoes.since} is ${second ? "not one run" : "on none of these hosts, taken back already, or folded into an older one"}`,
    {
      expected: (second ? found : live.slice(-8)).join(", ") || "a host that remembers a run",
      advice: "run history shows them all",
    },
  );
}

/** Of folded runs only the oldest state is kept: back to before the first of them, or to before one that came after. */
function refuseFolded(since: string, live: readonly string[], hosts: readonly HostRun[]): void {
  const host = hosts.find((h) => (h.journal.folded ?? "") >= since);
  if (host === undefined || since === live[0]) return;
  const after = live.find((id) => id > (host.journal.folded ?? ""));
  throw new CausewayError("usage", `the run ${since} cannot be taken back by itself: it is folded`, {
    host: host.name,
    found: `of the runs up to ${host.journal.folded} only what was before the first of them is kept`,
    expected: [live[0], after].filter(Boolean).join(" (everything), or "),
    advice: "run history shows them all",
  });
}

/** What cannot be undone, and who is missing, is said before anything is done. */
function tellBeforehand(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  since: string,
): void {
  const warn = (text: string, host?: string) =>
    context.say({ type: "message", level: "warning", text, ...(host === undefined ? {} : { host }) });
  const known = new Set<string>();
  for (const host of hosts) {
    for (const run of host.journal.runs) if (run.id >= since) for (const name of run.hosts) known.add(name);
    for (const entry of liveEntries(host.journal)) {
      if (entry.run >= since && entry.irreversible)
        warn(`cannot be undone: ${entry.what} (${entry.irreversible})`, host.name);
    }
  }
  for (const host of hosts) {
    if (known.has(host.name) && host.journal.head === "" && host.journal.runs.length === 0)
      warn("has no journal: it was reinstalled since, or nothing was ever changed on it", host.name);
  }
  const here = new Set(hosts.map((h) => h.name));
  const limited = options.limit !== undefined;
  const missing = [...known].filter((name) => !here.has(name)).sort();
  if (missing.length > 0 && !limited) warn(`took part in these runs and are not here: ${missing.join(", ")}`);
}

interface PossibleWay extends WayBack {
  /** The entries that can be taken back. */
  real: readonly Entry[];
  /** Why the others stay. */
  problems: CausewayError[];
}

/** What can be taken back on a host: somebody's own changes stay, and what cannot be undone, unless they are forced. */
async function possibleWay(
  options: RunOptions,
  host: HostRun,
  entries: readonly Entry[],
): Promise<PossibleWay> {
  const way = await wayBack(host, entries, options);
  if (options.force) return { ...way, real: entries, problems: [] };
  const kept = new Set(way.conflicts.map((c) => c.entry));
  const lasting = entries.filter((e) => e.irreversible);
  return {
    ...way,
    real: entries.filter((e) => !kept.has(e) && !e.irreversible),
    problems: [...way.conflicts.map((c) => c.error), ...lasting.map((entry) => lastingError(host, entry))],
  };
}

async function undoOn(
  options: RunOptions,
  context: RunContext,
  host: HostRun,
  { real, merges, diffs }: PossibleWay,
  { empty, known }: { empty: readonly Entry[]; known: readonly CausewayError[] },
): Promise<CausewayError[]> {
  const force = options.force === true;
  const consequences = inOrder(onceEach(real.flatMap((e) => e.causes)));
  const lines = [
    `eval ${sh`${hostLibrary().text}`.text}`,
    `cw_begin ${context.id} ${quoted(host.journal.head)} ${quoted(context.who)} ${hostLibrary().hash} ${quoted(context.record)}`,
    ...empty.map((e) => `cw_undone ${entryPath(e)}`),
    ...real.map((entry) => takeBackLine(entry, merges.get(entry)?.text, force)),
    ...consequences.map(consequenceLine),
    "cw_undone $cw_owing",
    `cw_intended ${context.id} 0000`,
  ];
  const { stuck, changed } = await follow(options, context, host, lines.join("\n"), { real, diffs });
  host.journal = { ...host.journal, head: `${context.id} 0000` };
  host.memory.forget(["*"]);
  context.changedSomething = true;
  if (host.entries === 0) host.entries = 1;
  // What came before the one that failed stays as it is, also in the plays before.
  if (stuck) throw new CausewayErrors([stuck, ...changed, ...known]);
  return changed;
}

function quoted(word: string): string {
  return word === "" ? "''" : quote(word);
}

function takeBackLine(entry: Entry, merge: string | undefined, force: boolean): string {
  const path = entryPath(entry);
  const owing = entry.causes.length > 0 ? "owing" : "";
  const later = `cw_later='${entry.later?.join(" ") ?? ""}'`;
  if (entry.irreversible) return `${later}; cw_say start ${path}; cw_taken_back ${path}`;
  if (merge === undefined) return `${later}; cw_take_back ${path} ${force ? "force" : "''"} ${owing}`;
  return `${later}; [ -n "$cw_stuck" ] || { cw_say start ${path}; if (B=$CW/runs/${path}; ${merge}) >"$OUT" 2>&1; then cw_taken_back ${path} ${owing}; else cw_stuck=${path}; cw_say stuck ${path}; tail -c 4000 "$OUT" | sed 's/^/@cw | /'; fi; }`;
}

function onceEach(consequences: readonly Consequence[]): Consequence[] {
  return [...new Map(consequences.map((c) => [consequenceWords(c), c])).values()];
}

function consequenceLine(consequence: Consequence): string {
  const words = consequenceWords(consequence);
  const unit = consequence.do === "daemon-reload" ? "" : quote(consequence.unit);
  return `cw_say begin ${words}; cw_consequence_gently ${consequence.do} ${unit} && cw_say end ${words} || { cw_words_of ${unit || "systemd"} 20 >>"$OUT"; cw_fail broken ${words}; }`;
}

interface Followed {
  /** The entry that failed, and with which the undoing ended here. */
  stuck?: CausewayError;
  /** Entries that are left as they are: somebody changed what they made. */
  changed: CausewayError[];
}

/** Follows the lines of the undoing script, and gives what did not work. */
async function follow(
  options: RunOptions,
  context: RunContext,
  host: HostRun,
  script: string,
  { real: entries, diffs }: Pick<PossibleWay, "real" | "diffs">,
): Promise<Followed> {
  const byPath = new Map(entries.map((e) => [entryPath(e), e]));
  const followed: Followed = { changed: [] };
  const output: string[] = [];
  let left: { entry: Entry; word: string } | undefined;
  let ended = "";
  let since = Date.now();
  const settle = () => {
    if (left?.word === "stuck") followed.stuck = stuckError(host, left.entry, output.splice(0).join("\n"));
    if (left?.word === "kept")
      followed.changed.push(changedError(host, left.entry, output.splice(0).join("\n")));
    left = undefined;
  };
  const onLine = (line: string) => {
    if (!line.startsWith("@cw ")) return;
    const [word = "", ...rest] = line.slice(4).split(" ");
    if (word === "|") {
      output.push(rest.join(" "));
      return;
    }
    settle();
    const entry = byPath.get(rest[0] ?? "");
    const ms = Date.now() - since;
    if (word === "start" || word === "begin") since = Date.now();
    if (word === "start" || word === "done") {
      if (word === "done") host.recap.steps += 1;
      if (entry) sayStep(host, entry, diffs, word === "start" ? "started" : "done", ms);
    } else if (word === "begin" || word === "end") {
      const what = rest.join(" ");
      if (word === "end" && what.startsWith("restart")) host.recap.restarts += 1;
      host.say({
        type: "consequence",
        host: host.name,
        what,
        why: [],
        state: word === "begin" ? "started" : "done",
        ms,
      });
    } else if ((word === "stuck" || word === "kept") && entry) left = { entry, word };
    else ended = [word, ...rest].join(" ");
  };
  const stop = () => void host.session.push("/dev/null", "/var/lib/causeway/stop").catch(() => {});
  context.interrupted.addEventListener("abort", stop, { once: true });
  const timeoutMs = options.session.commandTimeoutMs + removalTimeoutMs * entries.length;
  const shown = entries.map((e) => `cw_take_back ${entryPath(e)}`).join("\n");
  const { code, stderr } = await host.session
    .run(script, { timeoutMs, onLine, shown })
    .finally(() => context.interrupted.removeEventListener("abort", stop));
  settle();
  if (code !== 0) throw endedError(host, ended, output.join("\n") || stderr);
  if (entries.length > 0) host.recap.changed += 1;
  return followed;
}

function sayStep(
  host: HostRun,
  entry: Entry,
  diffs: WayBack["diffs"],
  state: "started" | "done",
  ms: number,
): void {
  const step = takenBack(entry, diffs);
  host.say({
    type: "step",
    host: host.name,
    task: entry.task,
    step,
    state,
    ...(state === "done" ? { ms } : {}),
  });
}

function stuckError(host: HostRun, entry: Entry, output: string): CausewayError {
  return new CausewayError("host", `${entry.what} could not be taken back`, {
    host: host.name,
    task: `${entry.task} ${entry.key}`,
    output,
    advice: "mend what the output says, and run it again: it goes on from there",
  });
}

function changedError(host: HostRun, entry: Entry, output: string): CausewayError {
  return new CausewayError("host", `${entry.what} was changed by somebody since; it is left as it is`, {
    host: host.name,
    task: `${entry.task} ${entry.key}`,
    output,
    advice:
      entry.kind === "package"
        ? "take away what needs it, and run it again"
        : "mend it by hand and run it again, or run it with --force",
  });
}

function endedError(host: HostRun, ended: string, output: string): CausewayError {
  const [word = "", ...rest] = ended.split(" ");
  const common = { host: host.name, output };
  if (word === "stopped")
    return new CausewayError("interrupted", "stopped before the next step", {
      ...common,
      advice: "run it again to go on from there",
    });
  if (word === "locked")
    return new CausewayError("host", "another run is working on this host", {
      ...common,
      found: `the lock is held by ${rest.join(" ")}`,
    });
  if (word === "moved")
    return new CausewayError("host", "another run changed this host meanwhile", {
      ...common,
      advice: "run it again; nothing was changed",
    });
  if (word === "broken")
    return new CausewayError("host", `${rest.join(" ")} failed after the undoing`, {
      ...common,
      command: `systemctl ${rest.join(" ")}`,
    });
  return new CausewayError("host", "the undoing script did not end well", { ...common, found: ended });
}
