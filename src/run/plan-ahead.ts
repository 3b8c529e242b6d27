import { CausewayError } from "../errors.ts";
import type { TaskInstance } from "../task/define.ts";
import { playsWithParts } from "./around.ts";
import { compose } from "./compose.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import type { RunOptions } from "./options.ts";
import { hasWork } from "./plan.ts";
import { notePlanned } from "./play-on-host.ts";
import type { Prepared } from "./prepare.ts";

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
    for (const host of theirs) {
      try {
        for (const task of compose(play, host, prepared.fleet)) {
          notePlanned(host, context, task);
          const plan = await host.plan(task);
          if (plan.later !== undefined && !hasWork(plan)) errors.push(stillWaiting(task, host, plan.later));
        }
      } catch (error) {
        if (!(error instanceof CausewayError)) throw error;
        errors.push(error);
      }
    }
  }
  return errors;
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
