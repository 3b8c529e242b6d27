import { CausewayError, CausewayErrors } from "../errors.ts";
import { quote } from "../host/sh.ts";
import { type Entry, liveEntries } from "../journal/entries.ts";
import { type Left, shownAction } from "../journal/follow.ts";
import { ownCommand } from "../own-command.ts";
import { carryOut, type Intended, taskOf } from "./carry-out.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import { inParallel } from "./in-parallel.ts";
import { refuseMarks } from "./marks.ts";
import type { RunOptions } from "./options.ts";
import type { Prepared } from "./prepare.ts";
import { consequencesOf, forgotten, heldBack, showRemoval } from "./removals.ts";
import { lastingError, type WayBack, wayBack } from "./take-back.ts";
import { cancelled, isSince, type Since, together, undoOrder } from "./undo-order.ts";
import { failOfBefore } from "./whose-journal.ts";

/**
 * Takes back what was done on the hosts, from a run on, newest first: plays backwards with a barrier over the hosts after
 * each, restarts once after each group. What was taken back is marked so on the host at once; killed half-way, it goes on
 * from there the next time.
 */
export async function undoRuns(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  prepared: Prepared,
): Promise<void> {
  const since = whereToEnd(options, hosts, prepared);
  if (since === undefined) {
    const text = "nothing of that run is on the hosts that could be asked: nothing is undone";
    if (hosts.length > 0) context.say({ type: "message", level: "warning", text });
    return;
  }
  tellBeforehand(options, context, hosts, since);
  await undoSince(options, context, hosts, since);
  if (options.playbook.undoes === "everything") await refuseRest(options, context, hosts);
}

/** Undoes all that was done on some hosts; an entry that `stays` counts as taken back, and is left as it is. */
export async function undoAll(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  stays: (entry: Entry) => boolean,
): Promise<void> {
  await undoSince(options, context, hosts, { run: "" }, stays);
  await refuseRest(options, context, hosts);
}

/** After everything was undone, a host on which something of causeway is left, or may be, is not as it was. */
async function refuseRest(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
): Promise<void> {
  await refuseMarks(options, context, hosts);
  await failOfBefore(options, context, hosts);
}

/** What a playbook that undoes runs will take back, by the host's name; nothing of another playbook. */
export function toUndo(
  options: RunOptions,
  hosts: readonly HostRun[],
  prepared: Prepared,
): ReadonlyMap<string, readonly Entry[]> {
  if (options.playbook.undoes === undefined) return new Map();
  const since = whereToEnd(options, hosts, prepared);
  return new Map(
    hosts.map(({ name, journal }) => {
      if (since === undefined) return [name, []];
      const live = liveEntries(journal).filter((entry) => isSince(entry, since));
      return [name, cancelled(live, journal.entries, since).real];
    }),
  );
}

/**
 * Undoes what this very run did on some hosts in its present play, those that failed included: a batch that did not come out
 * well. What plays before it did stays: batches that came out well may need it. `run rollback RUN --play N` does the same.
 * Gives the hosts on which something of it is left.
 */
export async function rollBack(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  play: number,
): Promise<readonly HostRun[]> {
  const unknown = await readJournals(hosts);
  const known = hosts.filter((host) => !unknown.has(host));
  await undoSince(options, context, known, { run: context.id, play });
  const unread = await readJournals(known);
  const left = hosts.filter(
    (host) =>
      unknown.has(host) ||
      unread.has(host) ||
      liveEntries(host.journal).some((e) => e.run === context.id && e.play === play),
  );
  // The undo restarted what had to be.
  for (const host of hosts) if (!left.includes(host)) host.owed.clear();
  return left;
}

/** Reads the journals again; gives the hosts whose journal could not be read. */
async function readJournals(hosts: readonly HostRun[]): Promise<ReadonlySet<HostRun>> {
  const unread = new Set<HostRun>();
  await Promise.all(
    hosts.map(async (host) => {
      host.memory.forget(["*"]);
      await host.readJournal().catch((error: unknown) => {
        unread.add(host);
        host.failWith(error);
      });
    }),
  );
  return unread;
}

/**
 * Undoes runs from one on, or from one of its plays on; an entry that `stays` only counts as taken back. Hosts that had failed
 * before are not what holds the others back.
 */
async function undoSince(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  since: Since,
  stays: (entry: Entry) => boolean = () => false,
): Promise<void> {
  const failedBefore = new Set(hosts.filter((host) => host.failure));
  const plan = new Map(
    hosts.map((host) => {
      const live = liveEntries(host.journal).filter((entry) => isSince(entry, since));
      return [host.name, together(live, context.check)] as const;
    }),
  );
  const groups = undoOrder(plan);
  const problems = new Map<HostRun, CausewayError[]>();
  for (const [index, group] of groups.entries()) {
    if (options.interrupted.aborted) {
      const left = [...new Set(groups.slice(index).map(({ run }) => run))];
      context.say({ type: "message", level: "warning", text: `not undone yet: ${left.join(", ")}` });
      break;
    }
    if (
      heldBack(
        hosts.filter((host) => !failedBefore.has(host)),
        groups.slice(index),
      )
    )
      break;
    const taking = hosts.filter((h) => group.entries.has(h.name));
    const what = group.play < 0 ? "what it undid first" : `play ${group.play + 1}`;
    const title = `Undo run ${group.run}, ${what}`;
    context.say({ type: "play", title, index, count: groups.length, hosts: taking.map((h) => h.name) });
    const parallel = { atOnce: Math.max(1, taking.length), renderer: options.reporter.renderer };
    await inParallel(taking, parallel, async (host) => {
      const { real, empty } = cancelled(group.entries.get(host.name) ?? [], host.journal.entries, since);
      const left = real.filter(stays);
      tellLeft(context, host, left);
      try {
        const way = await possibleWay(
          options,
          host,
          real.filter((entry) => !left.includes(entry)),
        );
        const known = [...(problems.get(host) ?? []), ...way.problems];
        problems.set(host, known);
        if (context.check) showRemoval(host, title, way.real, way);
        else
          known.push(...(await undoOn(options, context, host, way, { empty: [...empty, ...left], known })));
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

function tellLeft(context: RunContext, host: HostRun, entries: readonly Entry[]): void {
  if (entries.length === 0) return;
  const text = `stays, because it is the fleet's: ${entries.map(({ what }) => what).join(", ")}`;
  context.say({ type: "message", level: "info", host: host.name, text });
}

/**
 * Where the undoing ends; an empty run is before the very first. Nothing where the hosts that answered have nothing of it, but
 * others could not be asked: that is an error of those others, and not of the command.
 */
function whereToEnd(
  { playbook: { undoes }, reach }: RunOptions,
  hosts: readonly HostRun[],
  { chosen }: Prepared,
): Since | undefined {
  if (undoes === "everything" || undoes === undefined) return { run: "" };
  const live = [...new Set(hosts.flatMap((h) => liveEntries(h.journal).map((e) => e.run)))].sort();
  if (undoes === "last") return { run: lastRun(hosts) ?? "" };
  const found = live.filter((id) => id.startsWith(undoes.since));
  const [only, second] = found;
  const isAll = hosts.length === chosen.length;
  if (only === undefined && !isAll) return undefined;
  if (only !== undefined && second === undefined) {
    refuseFolded(only, live, hosts, reach);
    if (undoes.play === undefined) return { run: only };
    const plays = standingPlays(only, hosts);
    if (plays.includes(undoes.play)) return { run: only, play: undoes.play };
    if (!isAll) return undefined;
    throw otherPlay(only, undoes.play, plays);
  }
  throw new CausewayError(
    "usage",
    `the run ${undoes.since} is ${second ? "more than one run" : "on none of these hosts, already undone, or folded into an older one"}`,
    {
      expected: (second ? found : live.slice(-8)).join(", ") || "a run in the journal of a host",
      advice: `list all runs with: ${ownCommand("history", reach)}`,
    },
  );
}

/** The newest run of which something stands. */
function lastRun(hosts: readonly HostRun[]): string | undefined {
  return hosts
    .flatMap(({ journal }) => liveEntries(journal).map(({ run }) => run))
    .sort()
    .at(-1);
}

/** A host that did not answer may have a later run than the others: which one is the last is no guess. */
export function unknownLastRun(
  { playbook, limit, reach }: RunOptions,
  hosts: readonly HostRun[],
  { chosen }: Prepared,
): CausewayError[] {
  const answered = new Set(hosts.map(({ name }) => name));
  const silent = chosen.map(({ name }) => name).filter((name) => !answered.has(name));
  if (playbook.undoes !== "last" || silent.length === 0) return [];
  const last = lastRun(hosts);
  const same = [reach, limit && `-l ${quote(limit)}`];
  return [
    new CausewayError("unreachable", "nothing was undone: which run is the last one is not known", {
      found: `no journal from ${silent.join(", ")}; the last run on the others is ${last ?? "none"}`,
      expected: "an answer from every host, or the run that is meant, or the hosts",
      advice: [
        ...(last === undefined
          ? []
          : [`that run, where it can be undone: ${ownCommand("rollback", last, ...same)}`]),
        `the last run of some hosts: ${ownCommand("rollback", reach, "-l", quote([...answered].join(",")))}`,
      ].join("\n"),
    }),
  ];
}

/** The plays of a run of which something stands. */
function standingPlays(run: string, hosts: readonly HostRun[]): number[] {
  const entries = hosts.flatMap(({ journal }) => liveEntries(journal).filter((entry) => entry.run === run));
  return [...new Set(entries.map((entry) => entry.play))].filter((n) => n >= 0).sort((a, b) => a - b);
}

/** A play in which the run did nothing here would undo later ones without a word. */
function otherPlay(run: string, play: number, plays: readonly number[]): CausewayError {
  return new CausewayError("usage", `nothing stands of play ${play + 1} of run ${run} on these hosts`, {
    found: `of play ${plays.map((n) => n + 1).join(", ") || "none, but what it undid first"}`,
    expected: "--play N with one of these; 1 is the first play of its playbook",
  });
}

/** Of folded runs only the oldest state is kept: back to before the first of them, or to before one that came after. */
function refuseFolded(
  since: string,
  live: readonly string[],
  hosts: readonly HostRun[],
  reach?: string,
): void {
  const host = hosts.find((h) => (h.journal.folded ?? "") >= since);
  if (host === undefined || since === live[0]) return;
  const after = live.find((id) => id > (host.journal.folded ?? ""));
  throw new CausewayError(
    "usage",
    `the run ${since} cannot be undone alone: it is folded into an older run`,
    {
      host: host.name,
      found: `of the runs up to ${host.journal.folded} only what was before the first of them is kept`,
      expected: [live[0], after].filter(Boolean).join(" (everything), or "),
      advice: `list all runs with: ${ownCommand("history", reach)}`,
    },
  );
}

/** What cannot be undone, and who is missing, is said before anything is done. */
function tellBeforehand(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  since: Since,
): void {
  const warn = (text: string, host?: string) =>
    context.say({ type: "message", level: "warning", text, ...(host === undefined ? {} : { host }) });
  const known = new Set<string>();
  for (const host of hosts) {
    for (const run of host.journal.runs)
      if (run.id >= since.run) for (const name of run.hosts) known.add(name);
    for (const entry of liveEntries(host.journal)) {
      if (isSince(entry, since) && entry.irreversible)
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
  if (missing.length > 0 && !limited)
    warn(`took part in these runs, but are not in this one: ${missing.join(", ")}`);
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

/** Takes entries back for good; gives what is left as it is. */
async function undoOn(
  options: RunOptions,
  context: RunContext,
  host: HostRun,
  { real, merges, diffs, damaged }: PossibleWay,
  { empty, known }: { empty: readonly Entry[]; known: readonly CausewayError[] },
): Promise<CausewayError[]> {
  const intended = [
    ...empty.map((entry): Intended => ({ does: "forget", entry })),
    ...real.map((entry): Intended => {
      if (damaged.has(entry)) return forgotten(host, entry);
      const [merge, diff] = [merges.get(entry), diffs.get(entry)];
      return {
        does: "take back",
        entry,
        ...(merge ? { merge } : {}),
        ...(diff ? { diff } : {}),
        ...(options.force ? { force: true } : {}),
      };
    }),
  ];
  const { kept, unlike, stuck } = await carryOut(host, context, intended, consequencesOf(real));
  if (real.length > 0) host.recap.changed += 1;
  const changed = [
    ...kept.map((left) => changedError(host, left)),
    ...unlike.map((left) => unlikeError(host, left)),
  ];
  // What came before the one that failed stays as it is, also in the plays before.
  if (stuck) throw new CausewayErrors([stuckError(host, stuck), ...changed, ...known]);
  return changed;
}

function stuckError(host: HostRun, { action, output }: Left): CausewayError {
  return new CausewayError("host", `${shownAction(action).what} could not be undone`, {
    host: host.name,
    task: taskOf(action),
    output,
    advice: "fix the cause that the output shows, then run the same command again: it continues from there",
  });
}

function unlikeError(host: HostRun, { action, output }: Left): CausewayError {
  const { what } = shownAction(action);
  return new CausewayError("host", `${what} was taken back, but is not as it was before causeway`, {
    host: host.name,
    task: taskOf(action),
    output,
    advice:
      "restore it by hand and run the same command again; or, if it may stay as it is, run it with --force, which forgets it",
  });
}

function changedError(host: HostRun, { action, output }: Left): CausewayError {
  const { kind, what } = shownAction(action);
  return new CausewayError("host", `${what} was changed by somebody since; it is left as it is`, {
    host: host.name,
    task: taskOf(action),
    output,
    advice:
      kind === "package"
        ? "remove what depends on it, then run the same command again"
        : "fix it by hand and run the same command again, or use --force",
  });
}
