import { type Entry, entryPath } from "../journal/entries.ts";
import { kindOf } from "../kinds/index.ts";

/** The entries of one play of one run, newest first: they are taken back together, before what came before them. */
export interface UndoGroup {
  run: string;
  /** From 0; what was undone before the first play has a number below. */
  play: number;
  /** By the host's name. */
  entries: ReadonlyMap<string, readonly Entry[]>;
}

/** How far back: to before a run, or to before one of its plays. What came after goes first. */
export interface Since {
  run: string;
  /** From 0. */
  play?: number;
}

/** Whether an entry came with that or after it. */
export function isSince(entry: Entry, { run, play }: Since): boolean {
  return entry.run > run || (entry.run === run && (play === undefined || entry.play >= play));
}

/** Backwards through what was done on the fleet: runs and their plays, newest first, each a barrier over its hosts. */
export function undoOrder(byHost: ReadonlyMap<string, readonly Entry[]>): UndoGroup[] {
  const groups = new Map<string, { run: string; play: number; entries: Map<string, Entry[]> }>();
  for (const [host, entries] of byHost) {
    for (const entry of [...entries].sort(newestFirst)) {
      const key = `${entry.run} ${entry.play}`;
      const group = groups.get(key) ?? {
        run: entry.run,
        play: entry.play,
        entries: new Map<string, Entry[]>(),
      };
      groups.set(key, group);
      group.entries.set(host, [...(group.entries.get(host) ?? []), entry]);
    }
  }
  return [...groups.values()].sort((a, b) => (a.run === b.run ? b.play - a.play : a.run < b.run ? 1 : -1));
}

function newestFirst(a: Entry, b: Entry): number {
  return entryPath(a) < entryPath(b) ? 1 : -1;
}

/**
 * Entries of one resource that are taken back together become one: the oldest, which knows what was before them all, with
 * what the newest made of it. So a unit does not come back to a state that a run had fixed, such as a store that was down,
 * while others need it. Files come back one state after the other, because somebody's own text may lie in between; only a
 * check, which restores none, has to take the states of all for ours.
 */
export function together(entries: readonly Entry[], check: boolean): Entry[] {
  const collapses = ({ resource }: Entry) => {
    const kind = kindOf(resource);
    return kind?.collapses === true || (check && kind?.compares === true);
  };
  const last = new Map<string, Entry>();
  const whole: Entry[] = [];
  for (const entry of [...entries].sort(newestFirst).reverse()) {
    const older = last.get(entry.resource);
    const one = older && collapses(entry) ? asOne(older, entry) : undefined;
    last.set(entry.resource, one ?? entry);
    if (older && one) whole.splice(whole.indexOf(older), 1, one);
    else whole.push(entry);
  }
  return whole;
}

function asOne(older: Entry, newer: Entry): Entry | undefined {
  const known = (e: Entry) => e.done && e.closes === undefined && e.irreversible === undefined;
  const same = (["owner", "task", "key", "kind", "resource"] as const).every(
    (part) => older[part] === newer[part],
  );
  if (!same || !known(older) || !known(newer)) return undefined;
  return {
    ...older,
    to: newer.to,
    causes: [...older.causes, ...newer.causes],
    ...(newer.keys ? { keys: { ...older.keys, ...newer.keys } } : {}),
    later: [...(older.later ?? []), entryPath(newer)],
  };
}

/**
 * What has to be done to take entries back for good, and which of them cancel each other out: an entry that took another
 * one back, together with that one, leaves nothing to restore.
 */
export function cancelled(
  entries: readonly Entry[],
  all: readonly Entry[],
  since: Since,
): { real: Entry[]; empty: Entry[] } {
  const closedInside = new Set(all.filter((e) => isSince(e, since)).map(entryPath));
  const isEmpty = (e: Entry) => e.closes !== undefined && closedInside.has(e.closes);
  return { real: entries.filter((e) => !isEmpty(e)), empty: entries.filter(isEmpty) };
}
