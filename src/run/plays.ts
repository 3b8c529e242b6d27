import { CausewayError } from "../errors.ts";
import { select } from "../inventory/patterns.ts";
import type { Fleet } from "../playbook/fleet.ts";
import type { TaskInstance } from "../task/define.ts";
import { isNotYet } from "../thrown.ts";
import { checkPlay } from "./check.ts";
import type { RunContext } from "./context.ts";
import { convergePlay } from "./converge.ts";
import type { HostRun } from "./host-run.ts";
import { inParallel } from "./in-parallel.ts";
import type { RunOptions } from "./options.ts";
import type { AnyPlay } from "./prepare.ts";

/** Plays one after the other, each a barrier: on all its hosts at once, tasks on one host in order. */
export async function runPlays(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  fleet: Fleet,
): Promise<void> {
  const { plays } = options.playbook;
  for (const [index, play] of plays.entries()) {
    if (options.interrupted.aborted) {
      const left = plays.slice(index).map(({ title }) => `“${title}”`);
      context.say({ type: "message", level: "warning", text: `not begun: ${left.join(", ")}` });
      return;
    }
    const named = new Set(
      select(options.inventory, play.hosts, `play “${play.title}”: hosts`, "playbook").map((h) => h.name),
    );
    const able = hosts.filter((h) => !h.failure && named.has(h.name));
    const taking = play.runOnce ? able.slice(0, 1) : able;
    // What other hosts did to something shared shows on this one, too.
    if (context.changedSomething) for (const host of hosts) host.memory.forget(["shared"]);
    context.changedSomething = false;
    context.say({
      type: "play",
      title: play.title,
      index,
      count: plays.length,
      hosts: taking.map((h) => h.name),
    });
    const parallel = { atOnce: taking.length, renderer: options.reporter.renderer };
    await inParallel(taking, parallel, (host) =>
      playOn(host, { title: play.title, index }, play, context, fleet),
    );
  }
}

/** One play on one host; what goes wrong is the host's own. */
async function playOn(
  host: HostRun,
  on: { title: string; index: number },
  play: AnyPlay,
  context: RunContext,
  fleet: Fleet,
): Promise<void> {
  try {
    const tasks = compose(play, host, fleet);
    for (const task of tasks) notePlanned(host, context, task);
    if (context.check) await checkPlay(host, on, tasks);
    else await convergePlay(host, context, on, tasks);
  } catch (error) {
    host.failWith(error);
  }
}

/** From here on what stands of this task counts as planned, on this host or, of what is the fleet's, on any. */
function notePlanned(host: HostRun, context: RunContext, { task, key, scope }: TaskInstance): void {
  (scope === "fleet" ? context.plannedOfFleet : host.planned).add(`${task} ${key}`);
}

function compose(play: AnyPlay, host: HostRun, fleet: Fleet): readonly TaskInstance[] {
  try {
    const tasks = play.tasks(host.view, fleet);
    return play.runOnce ? tasks.map((task) => ({ ...task, scope: "fleet" })) : tasks;
  } catch (error) {
    if (!isNotYet(error)) throw error;
    throw new CausewayError("host", `play “${play.title}” needs the facts of a host that did not answer`, {
      host: host.name,
      advice: "bring that host up, or take it out of the inventory",
    });
  }
}
