import { CausewayError } from "../errors.ts";
import type { Connect, SessionOptions } from "../host/session.ts";
import { select } from "../inventory/patterns.ts";
import { refuseFaulty } from "../inventory/taking-part.ts";
import type { Inventory } from "../inventory/types.ts";
import {
  type Journal,
  liveEntries,
  parseJournal,
  type RunRecord,
  readJournalScript,
  readOldRunsScript,
} from "../journal/entries.ts";
import { inParallel } from "./in-parallel.ts";

/** One run as the fleet remembers it. */
export interface FleetRun extends Omit<RunRecord, "end" | "folded" | "stepless"> {
  /** Where its journal was found. */
  on: readonly string[];
  /** `folded`: what it did stands, and can only be taken back together with what an older run did. */
  state:
    | "done"
    | "failed"
    | "interrupted"
    | "half-done"
    | "folded"
    | "rolled back"
    | "rolled back by its own timer"
    | "partly rolled back";
}

/** Reads the runs that the hosts remember, oldest first. */
export async function readHistory(options: {
  inventory: Inventory;
  session: SessionOptions;
  connect: Connect;
  forks: number;
  limit?: string;
}): Promise<{ runs: FleetRun[]; lost: CausewayError[] }> {
  const hosts = select(options.inventory, options.limit ?? "all", "--limit");
  refuseFaulty(hosts);
  const seen = new Map<string, { record: RunRecord; states: Map<string, FleetRun["state"]> }>();
  const lost: CausewayError[] = [];
  await inParallel(hosts, { atOnce: options.forks }, async (host) => {
    try {
      const session = await options.connect(host.connection, options.session);
      const [now, old] = await Promise.all([
        session.run(readJournalScript.text),
        session.run(readOldRunsScript.text),
      ]).finally(() => session.close());
      const journal = parseJournal(now.stdout, host.name);
      const note = (record: RunRecord, state: FleetRun["state"]) => {
        const known = seen.get(record.id) ?? { record, states: new Map() };
        known.states.set(host.name, state);
        seen.set(record.id, known);
      };
      for (const record of parseJournal(old.stdout, host.name).runs)
        note(record, undoneState(record, journal));
      for (const record of journal.runs) {
        const entries = journal.entries.filter((e) => e.run === record.id);
        note(record, stateOf(record, entries, journal));
      }
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      lost.push(error);
    }
  });
  const runs = [...seen.values()]
    .map(({ record, states }): FleetRun => {
      const { end: _, folded: __, stepless: ___, ...rest } = record;
      return { ...rest, on: [...states.keys()].sort(), state: together([...states.values()]) };
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  return { runs, lost };
}

/** A run of which nothing is left: a run that undid others, or did nothing but a restart, is done; all others are rolled back, or part of an older one. */
function undoneState(record: RunRecord, journal: Journal): FleetRun["state"] {
  if (isFolded(record, journal)) return "folded";
  if (record.stepless) return ended(record);
  if (record.end === "reverted") return "rolled back by its own timer";
  return /^(rollback|reset)$/.test(record.playbook) ? ended(record) : "rolled back";
}

/** Whether some of its steps stand as part of an older run's: then it cannot be taken back without that one. */
function isFolded(record: RunRecord, journal: Journal): boolean {
  return record.folded === true && liveEntries(journal).some((e) => e.run < record.id);
}

function ended(record: RunRecord): FleetRun["state"] {
  return record.end === "failed" || record.end === "interrupted" || record.end === "done"
    ? record.end
    : "half-done";
}

function stateOf(
  record: RunRecord,
  entries: readonly { done: boolean; undone: boolean }[],
  journal: Journal,
): FleetRun["state"] {
  if (entries.length === 0) return ended(record);
  if (entries.every((e) => e.undone)) return undoneState(record, journal);
  return isFolded(record, journal) ? "folded" : ended(record);
}

/** The worst that any host says. */
function together(states: readonly FleetRun["state"][]): FleetRun["state"] {
  const order: FleetRun["state"][] = [
    "half-done",
    "interrupted",
    "failed",
    "done",
    "folded",
    "rolled back by its own timer",
    "rolled back",
  ];
  const isBack = (state: FleetRun["state"]) => state.startsWith("rolled back");
  if (states.some(isBack) && !states.every(isBack)) return "partly rolled back";
  return order.find((s) => states.includes(s)) ?? "done";
}
