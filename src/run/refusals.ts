import { CausewayError, CausewayErrors } from "../errors.ts";
import { anyRelated, type Resource } from "../host/resources.ts";
import type { InventoryHost } from "../inventory/types.ts";
import type { Entry } from "../journal/entries.ts";
import type { TaskInstance } from "../task/define.ts";
import { playsWithParts } from "./around.ts";
import { compose } from "./compose.ts";
import type { HostRun } from "./host-run.ts";
import type { RunOptions } from "./options.ts";
import type { Prepared } from "./prepare.ts";
import { heldByOthers, keptFromUndo } from "./removals.ts";

/**
 * What any task of any play refuses on any host as that is now, asked before the first step anywhere: what an earlier play
 * adds on the other hosts would stand there for nothing, and a host that is left out would miss what they then change.
 * Where another playbook is undone first, also what its undo would refuse; what that undo may lift is no refusal yet.
 */
export async function refusalsOf(
  options: RunOptions,
  hosts: readonly HostRun[],
  prepared: Prepared,
): Promise<CausewayError[]> {
  const { playbook } = options;
  const { chosen, fleet } = prepared;
  const held = new Map(hosts.map((host) => [host, heldByOthers(playbook, host)] as const));
  const found = playsWithParts(playbook.plays, hosts, prepared).map(async ([play, theirs]) => {
    const each = theirs.map(async (host) => {
      const undone = (held.get(host) ?? []).flatMap(touchedByUndo);
      try {
        const tasks = compose(play, host, fleet);
        const errors = (await Promise.all(tasks.map((task) => refusalOf(task, host)))).flat();
        return errors.filter(({ detail: { restsOn = [] } }) => !anyRelated(undone, restsOn));
      } catch (error) {
        return [ours(error)];
      }
    });
    return (await Promise.all(each)).flat();
  });
  const kept = [...held].map(([host, entries]) => keptFromUndo(options, host, entries));
  return [
    ...missingInSwitch(held, chosen),
    ...(await Promise.all(kept)).flat(),
    ...distinct((await Promise.all(found)).flat()),
  ];
}

/** What changes when an entry is taken back, in the words of what is read. */
function touchedByUndo({ resource, causes }: Entry): Resource[] {
  const units = causes.flatMap((cause) => ("unit" in cause ? [cause.unit] : []));
  return [
    resource.replace(" ", ":"),
    ...units.map((unit) => `unit:${unit.includes(".") ? unit : `${unit}.service`}`),
  ];
}

/** A host that does not answer keeps what is undone on the others: that fleet would be between two schemes. */
function missingInSwitch(
  held: ReadonlyMap<HostRun, readonly Entry[]>,
  chosen: readonly InventoryHost[],
): CausewayError[] {
  const there = new Set([...held.keys()].map(({ name }) => name));
  const missing = chosen.map(({ name }) => name).filter((name) => !there.has(name));
  const owners = new Set([...held.values()].flat().map(({ owner }) => owner));
  if (missing.length === 0 || owners.size === 0) return [];
  const names = missing.join(", ");
  return [
    new CausewayError("host", `${[...owners].join(" and ")} cannot be undone on hosts that do not answer`, {
      found: names,
      expected: "all hosts, so that none is left with another scheme than the others",
      advice: `start them, or go on without: --limit '${missing.map((name) => `!${name}`).join(":")}'`,
    }),
  ];
}

/** What cannot be looked at yet may be what an earlier play brings, such as a store: it is looked at again in its turn. */
async function refusalOf(task: TaskInstance, host: HostRun): Promise<CausewayError[]> {
  try {
    await task.look(host.reader());
  } catch (error) {
    // What is wrong on this machine, such as a file that is not there, stays so.
    const isOfHost = error instanceof CausewayError && ["host", "unreachable"].includes(error.code);
    return isOfHost ? [] : [ours(error)];
  }
  return host.plan(task).then(
    () => [],
    (error: unknown) => (error instanceof CausewayErrors ? [...error.errors] : [ours(error)]),
  );
}

function ours(error: unknown): CausewayError {
  if (error instanceof CausewayError) return error;
  throw error;
}

/** Two plays with the same task refuse the same. */
function distinct(errors: readonly CausewayError[]): CausewayError[] {
  const all = new Map(
    errors.map((error) => [`${error.detail.host} ${error.message} ${error.detail.found}`, error]),
  );
  return [...all.values()];
}
