import { CausewayError, CausewayErrors, throwAll } from "../errors.ts";
import { type Entry, entryPath, liveEntries, standingEntries } from "../journal/entries.ts";
import { shownAction } from "../journal/follow.ts";
import { finishScript } from "../journal/script.ts";
import { ownCommand } from "../own-command.ts";
import type { Playbook } from "../playbook/define.ts";
import type { ShownStep } from "../task/shown-step.ts";
import { type Consequence, consequenceWords } from "../task/step.ts";
import { carryOut, type Intended } from "./carry-out.ts";
import { endedUnits, undoing } from "./containers.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import { inParallel } from "./in-parallel.ts";
import type { RunOptions } from "./options.ts";
import { inOrder } from "./plan.ts";
import { lastingError, type WayBack, wayBack } from "./take-back.ts";
import { together, type UndoGroup, undoOrder } from "./undo-order.ts";

/**
 * What another playbook did that owns the same thing (the container network) is undone before this one begins, in the
 * same run, and journalled: a rollback brings it back.
 */
export async function takeOver(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
): Promise<void> {
  const { owns } = options.playbook;
  if (owns === undefined) return;
  const held = new Map(
    hosts.map((host) => {
      const entries = heldByOthers(options.playbook, host);
      if (context.check && entries[0]) host.takesOver = entries[0].owner;
      return [host.name, entries] as const;
    }),
  );
  await remove(
    options,
    context,
    hosts,
    held,
    (entries) => `Undo ${entries[0]?.owner}, which holds the ${owns}`,
    // Before the playbook's own plays, which are numbered from 0.
    (index, count) => index - count,
  );
}

/** What stands on a host of another playbook that owns the same as this one. */
export function heldByOthers({ name, owns }: Playbook, { journal }: HostRun): readonly Entry[] {
  if (owns === undefined) return [];
  const runs = new Map(journal.runs.map((run) => [run.id, run]));
  return standingEntries(journal).filter((e) => e.owner !== name && runs.get(e.run)?.owns === owns);
}

/** What a complete run no longer plans is undone. A partial run infers nothing. */
export async function removeUnplanned(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
): Promise<void> {
  const gone = new Map(
    hosts.map((host) => {
      const entries = standingEntries(host.journal).filter(
        (e) =>
          e.run !== context.id &&
          e.owner === options.playbook.name &&
          !isPlanned(host, context, e) &&
          !isLeftAlone(host, hosts, e),
      );
      return [host.name, entries] as const;
    }),
  );
  const title = () => "Undo what is no longer planned";
  await remove(options, context, hosts, gone, title, (index) => options.playbook.plays.length + index);
}

/** Whether this run planned what the entry did: on its host or, of what is the fleet's, on whichever. */
function isPlanned(host: HostRun, context: RunContext, entry: Entry): boolean {
  return namesOf(entry).some((name) => host.planned.has(name)) || isPlannedOfFleet(context, entry);
}

/** Whether it is of a task that was not chosen, such as one with the tag `never`: on its host or, of the fleet's, on any. */
function isLeftAlone(host: HostRun, hosts: readonly HostRun[], entry: Entry): boolean {
  const whose = entry.scope === "fleet" ? hosts : [host];
  return namesOf(entry).some((name) => whose.some(({ leftAlone }) => leftAlone.has(name)));
}

/** Whether it is the fleet's, and any host planned it. An entry of format 1 does not say whose it is. */
export function isPlannedOfFleet({ owner, plannedOfFleet }: RunContext, entry: Entry): boolean {
  if (entry.scope === "host" || entry.owner !== owner) return false;
  return namesOf(entry).some((name) => plannedOfFleet.has(name));
}

function namesOf({ task, key, kind }: Entry): string[] {
  return [`${task} ${key}`, `${task} * ${kind}`];
}

/** Each group is a play of its own, so that a rollback of this run has the same barriers and restarts, backwards. */
async function remove(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  entriesOf: ReadonlyMap<string, readonly Entry[]>,
  title: (entries: readonly Entry[]) => string,
  playOf: (index: number, count: number) => number,
): Promise<void> {
  const whole = new Map([...entriesOf].map(([name, all]) => [name, together(all, context.check)] as const));
  const groups = undoOrder(context.check ? whole : entriesOf);
  for (const [index, group] of groups.entries()) {
    if (heldBack(hosts, groups.slice(index))) return;
    const taking = hosts.filter((h) => group.entries.has(h.name));
    const heading = title([...group.entries.values()].flat());
    context.say({
      type: "play",
      title: heading,
      index,
      count: groups.length,
      hosts: taking.map((h) => h.name),
    });
    const parallel = { atOnce: Math.max(1, taking.length), renderer: options.reporter.renderer };
    await inParallel(taking, parallel, async (host) => {
      const entries = group.entries.get(host.name) ?? [];
      try {
        const way = await openWay(options, host, entries);
        const waiting = new Set(whole.get(host.name)?.flatMap((e) => e.later ?? []));
        const play = playOf(index, groups.length);
        if (context.check) showRemoval(host, heading, entries, way);
        else await removeOn(options, context, host, entries, { ...way, waiting, play });
      } catch (error) {
        host.failWith(error);
      }
    });
  }
}

/**
 * Where a host is stuck, no other goes on to what was done earlier: it may be what the stuck one needs of them, such as the
 * store that its network has to leave.
 */
export function heldBack(hosts: readonly HostRun[], rest: readonly UndoGroup[]): boolean {
  const stuck = hosts.filter((h) => h.failure).map((h) => h.name);
  if (stuck.length === 0) return false;
  for (const host of hosts.filter((h) => !h.failure && rest.some((group) => group.entries.has(h.name))))
    host.fail(
      new CausewayError(
        "host",
        `nothing more is undone here, because the undo failed on ${stuck.join(", ")}`,
        {
          host: host.name,
          expected: "all hosts finish undoing the newest play before any host undoes an older one",
          advice: "fix the error on that host, then run the same command again: it continues from here",
        },
      ),
    );
  return true;
}

/** Shows entries that would be taken back, as steps the other way round. */
export function showRemoval(
  host: HostRun,
  play: string,
  entries: readonly Entry[],
  { diffs }: Pick<WayBack, "diffs">,
): void {
  host.recap.changed += entries.length;
  host.recap.steps += entries.length;
  for (const entry of entries) {
    const steps = [takenBack(entry, diffs)];
    host.say({
      type: "task",
      host: host.name,
      play,
      task: entry.task,
      key: entry.key,
      state: "planned",
      steps,
    });
  }
  for (const consequence of inOrder(consequencesOf(entries))) {
    const what = consequenceWords(consequence);
    if (consequence.do === "restart") host.recap.restarts += 1;
    host.say({ type: "consequence", host: host.name, what, why: [], state: "planned" });
  }
  host.tellAtRisk(endedUnits(entries.map(undoing)));
}

/** An entry that is taken back, as a step the other way round. */
export function takenBack(entry: Entry, diffs: WayBack["diffs"]): ShownStep {
  const diff = diffs.get(entry);
  return shownAction({ does: "take back", entry, ...(diff ? { diff } : {}) });
}

/** Each reload and restart that entries ask for. */
export function consequencesOf(entries: readonly Entry[]): Consequence[] {
  const all = entries.flatMap((e) => e.causes);
  return [...new Map(all.map((c) => [consequenceWords(c), c])).values()];
}

/** Why entries that are to be undone cannot be: what somebody changed since, and what has no way back. */
export async function keptFromUndo(
  options: RunOptions,
  host: HostRun,
  entries: readonly Entry[],
): Promise<CausewayError[]> {
  if (entries.length === 0) return [];
  try {
    await openWay(options, host, together(entries, true));
    return [];
  } catch (error) {
    if (error instanceof CausewayErrors) return [...error.errors];
    if (error instanceof CausewayError) return [error];
    throw error;
  }
}

/** The way back of entries that something else has to go for: all of them, or none. */
async function openWay(options: RunOptions, host: HostRun, entries: readonly Entry[]): Promise<WayBack> {
  const way = await wayBack(host, entries, options);
  const lasting = entries.filter((e) => e.irreversible).map((e) => lastingError(host, e));
  if (!options.force) throwAll([...way.conflicts.map((c) => c.error), ...lasting]);
  return way;
}

async function removeOn(
  options: RunOptions,
  context: RunContext,
  host: HostRun,
  all: readonly Entry[],
  { merges, diffs, damaged, waiting, play }: WayBack & { waiting: ReadonlySet<string>; play: number },
): Promise<void> {
  const waits = (entry: Entry) => waiting.has(entryPath(entry));
  const entries = all.map((e) => (waits(e) ? { ...e, from: e.to, causes: [] } : e));
  const intended = entries.map((entry): Intended => {
    if (damaged.has(entry)) return forgotten(host, entry);
    const [merge, diff] = [merges.get(entry), diffs.get(entry)];
    const { task, key, scope = "host" } = entry;
    return {
      does: "removal",
      identity: { owner: context.owner, task, key, scope, play },
      entry,
      ...(merge ? { merge } : {}),
      ...(diff ? { diff } : {}),
      ...(options.force ? { force: true } : {}),
      ...(waits(entry) ? { waits: true } : {}),
    };
  });
  await carryOut(host, context, intended, consequencesOf(entries));
  host.recap.changed += 1;
}

/** By force, what cannot be undone because its entry is damaged leaves the journal, and its resource as it is. */
export function forgotten(host: HostRun, entry: Entry): Intended {
  const text = `${entry.what} is left as it is, and forgotten: what its undo needs is damaged`;
  host.say({ type: "message", level: "warning", host: host.name, text });
  return { does: "forget", entry };
}

/** What an earlier run left half-done is told; once all is in place, it counts as done. */
export function halfDone(host: HostRun): Entry[] {
  return liveEntries(host.journal).filter((e) => !e.done);
}

/** Says what an interrupted run left on the hosts, and who completes it: this run, or another playbook's. */
export function tellHalfDone(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  whole: boolean,
): void {
  for (const host of hosts) {
    const left = halfDone(host).filter((e) => e.begun);
    for (const run of new Set(left.map((e) => e.run))) {
      const entries = left.filter((e) => e.run === run);
      const text = `run ${run} left unfinished: ${entries.map((e) => e.what).join(", ")}; ${whoCompletes(options, host, run, whole)}`;
      context.say({ type: "message", level: "warning", host: host.name, text });
    }
  }
}

/** A check completes nothing itself, and a run of some hosts undoes nothing that it does not plan. */
function whoCompletes(
  { playbook, check, reach }: RunOptions,
  host: HostRun,
  run: string,
  whole: boolean,
): string {
  const record = host.journal.runs.find(({ id }) => id === run);
  const owner = record?.playbook;
  const taken = playbook.owns !== undefined && record?.owns === playbook.owns && owner !== playbook.name;
  const who = check ? "a run without --check" : "this run";
  if (taken || (owner === playbook.name && whole)) return `${who} completes or undoes it`;
  if (owner === playbook.name)
    return `${who} completes what it still plans of it; a run of ${owner} over all hosts undoes the rest`;
  const again = owner === undefined ? "its playbook" : `the playbook ${owner}`;
  return `this run leaves it as it is; to complete it: ${again}, once more; to undo it and what came after: ${ownCommand("rollback", run, reach)}`;
}

/**
 * Steps that were left half-done, and whose task is in place by now, count as done. Where a play was rescued, one of its tasks
 * is not: there all of them wait for a run in which it is.
 */
export async function finishHalfDone(context: RunContext, hosts: readonly HostRun[]): Promise<void> {
  await Promise.all(
    hosts.map(async (host) => {
      if (host.recap.rescued) return;
      if (host.leftHalfDone) await host.readJournal().catch((error: unknown) => host.failWith(error));
      const finished = halfDone(host).filter((e) => isPlanned(host, context, e));
      if (finished.length === 0 || host.failure) return;
      const { libraries } = host.journal;
      const script = finishScript(finished, { who: context.who, locked: host.began, libraries });
      const shown = `# done before: ${finished.map(({ what }) => what).join(", ")}`;
      await host.session.run(script.text, { shown }).catch((error: unknown) => host.failWith(error));
    }),
  );
}
