import { CausewayError } from "../errors.ts";
import { playsWithParts } from "./around.ts";
import { compose } from "./compose.ts";
import {
  askAtRisk,
  type Change,
  endedUnits,
  keptByLiveRestore,
  owedChange,
  refusal,
  stepChange,
  undoing,
} from "./containers.ts";
import type { HostRun } from "./host-run.ts";
import type { RunOptions } from "./options.ts";
import type { TaskPlan } from "./plan.ts";
import type { AnyPlay, Prepared } from "./prepare.ts";
import { heldByOthers } from "./removals.ts";
import { toUndo } from "./undo-runs.ts";

/**
 * The hosts on which this run would end somebody's containers without leave, asked before the first step anywhere: by what
 * is undone, and by every play as far as it can be planned by now. What ends is noted on each host, for a check to tell.
 */
export async function interruptionsOf(
  options: RunOptions,
  hosts: readonly HostRun[],
  prepared: Prepared,
): Promise<CausewayError[]> {
  const { playbook } = options;
  const { fleet } = prepared;
  const all = playsWithParts(playbook.plays, hosts, prepared);
  const undone = toUndo(options, hosts, prepared);
  const found = hosts.map(async (host) => {
    const plays = all.flatMap(([play, theirs]) => (theirs.includes(host) ? [play] : []));
    const plans = (await Promise.all(plays.map((play) => plansOf(play, host, fleet)))).flat();
    const entries = undone.get(host.name) ?? heldByOthers(playbook, host);
    try {
      const units = endedUnits([...entries.map(undoing), ...plans.flatMap(changesOf)]);
      if (entries.length === 0 && units.size > 0 && !(await hasRunning(host))) return [];
      host.atRisk = await askAtRisk(host, [...units.keys()]);
      return refusal(host, host.atRisk, units) ?? keptByLiveRestore(host, host.atRisk, entries) ?? [];
    } catch (error) {
      host.failWith(error);
      return [];
    }
  });
  return (await Promise.all(found)).flat();
}

/** Tasks that restart Docker have looked at it by now, which costs no trip; before an undo nobody has. */
async function hasRunning(host: HostRun): Promise<boolean> {
  const { containers } = await host.reader().docker();
  return containers.some(({ state }) => state === "running" || state === "paused");
}

function changesOf({ steps, owed, coming, later = "" }: TaskPlan): Change[] {
  return [
    ...steps.map(stepChange),
    ...owed.map(({ consequence, why }) => owedChange(consequence, why)),
    ...coming.map((consequence) => owedChange(consequence, later)),
  ];
}

/** What cannot be planned yet is no reason: its own play says so, or refuses. */
async function plansOf(play: AnyPlay, host: HostRun, fleet: Prepared["fleet"]): Promise<TaskPlan[]> {
  try {
    const plans = await Promise.allSettled(compose(play, host, fleet).map((task) => host.plan(task)));
    return plans.flatMap((plan) => (plan.status === "fulfilled" ? [plan.value] : []));
  } catch (error) {
    if (error instanceof CausewayError) return [];
    throw error;
  }
}
