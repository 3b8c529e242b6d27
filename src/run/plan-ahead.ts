import { CausewayError } from "../errors.ts";
import type { TaskInstance } from "../task/define.ts";
import { playsWithParts } from "./around.ts";
import { compose } from "./compose.ts";
import type { RunContext } from "./context.ts";
import { waited } from "./converge.ts";
import type { HostRun } from "./host-run.ts";
import type { RunOptions } from "./options.ts";
import { hasWork, type TaskPlan } from "./plan.ts";
import { notePlanned } from "./play-on-host.ts";
import type { AnyPlay, Prepared } from "./prepare.ts";

/**
 * Plans every play on its hosts, from the hosts as they are, and gives what would be refused, and what waits for something
 * that no step would bring about. From here on what is planned is known as such.
 */
export async function planAhead(
  { playbook: { plays } }: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  prepared: Pick<Prepared, "fleet" | "hostsOf" | "attending">,
): Promise<CausewayError[]> {
  const errors: CausewayError[] = [];
  for (const [play, theirs] of playsWithParts(plays, hosts, prepared, ["in"])) {
    const each = theirs.map(async (host) => {
      const found: CausewayError[] = [];
      try {
        for (const task of compose(play, host, prepared.fleet))
          found.push(...(await planOne(task, host, play, context)));
      } catch (error) {
        if (!(error instanceof CausewayError)) throw error;
        found.push(error);
      }
      return found;
    });
    errors.push(...(await Promise.all(each)).flat());
  }
  return errors;
}

/** Right after another run a store may still be about to tell a host what it has: a task that settles has its time here, too. */
async function planOne(
  task: TaskInstance,
  host: HostRun,
  play: AnyPlay,
  context: RunContext,
): Promise<CausewayError[]> {
  notePlanned(host, context, task);
  const first = await host.plan(task);
  const plan = onlyWaits(first) ? await waited(host, context, play, first) : first;
  return onlyWaits(plan) ? [stillWaiting(task, host, plan.later)] : [];
}

function onlyWaits(plan: TaskPlan): plan is TaskPlan & { later: string } {
  return plan.later !== undefined && !hasWork(plan);
}

function stillWaiting({ task, key }: TaskInstance, host: HostRun, reason: string): CausewayError {
  return new CausewayError("host", "the fleet is not whole as it is", {
    host: host.name,
    task: `${task} ${key}`,
    found: reason,
    expected: "a task that waits for nothing",
    advice: "run the playbook on the fleet as it is, and mend what that run tells; then run the same command",
  });
}
