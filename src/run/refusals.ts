import { CausewayError } from "../errors.ts";
import type { TaskInstance } from "../task/define.ts";
import { compose } from "./compose.ts";
import type { HostRun } from "./host-run.ts";
import type { RunOptions } from "./options.ts";
import type { Prepared } from "./prepare.ts";
import { heldByOthers } from "./removals.ts";

/**
 * What any task of any play refuses on any host as that is now, asked before the first step anywhere: what an earlier play
 * adds on the other hosts would stand there for nothing, and a host that is left out would miss what they then change.
 * A host whose network another playbook holds is not asked: it looks different once that is undone.
 */
export async function refusalsOf(
  { playbook }: RunOptions,
  hosts: readonly HostRun[],
  { hostsOf, fleet }: Prepared,
): Promise<CausewayError[]> {
  const found = playbook.plays.map(async (play) => {
    const theirs = hosts.filter((host) => hostsOf.get(play)?.has(host.name));
    const asked = (play.runOnce ? theirs.slice(0, 1) : theirs).filter(
      (host) => heldByOthers(playbook, host).length === 0,
    );
    const each = asked.map(async (host) => {
      try {
        const tasks = compose(play, host, fleet);
        return (await Promise.all(tasks.map((task) => refusalOf(task, host)))).flat();
      } catch (error) {
        return [ours(error)];
      }
    });
    return (await Promise.all(each)).flat();
  });
  return distinct((await Promise.all(found)).flat());
}

/** What cannot be looked at yet may be what an earlier play brings, such as a store: it is looked at again in its turn. */
async function refusalOf(task: TaskInstance, host: HostRun): Promise<CausewayError[]> {
  const canBeSeen = await task.look(host.reader()).then(
    () => true,
    () => false,
  );
  if (!canBeSeen) return [];
  return host.plan(task).then(
    () => [],
    (error: unknown) => [ours(error)],
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
