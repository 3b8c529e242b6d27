import { setTimeout as sleep } from "node:timers/promises";
import { CausewayError, describeError } from "../errors.ts";
import type { Fleet } from "../playbook/fleet.ts";
import { milliseconds, type Retries, type TaskInstance } from "../task/define.ts";
import { checkPlay } from "./check.ts";
import { compose, identitiesOf, rescueTasks } from "./compose.ts";
import type { RunContext } from "./context.ts";
import { convergePlay, type PlayOnHost } from "./converge.ts";
import type { HostRun } from "./host-run.ts";
import type { AnyPlay } from "./prepare.ts";

/** One play on one host; an error is the host's own. True when the host went through it as it was planned. */
export async function playOn(
  host: HostRun,
  on: PlayOnHost,
  play: AnyPlay,
  context: RunContext,
  fleet: Fleet,
): Promise<boolean> {
  try {
    const tasks = compose(play, host, fleet);
    if (context.check) await checkTasks(host, on, tasks, context);
    else await convergeWithRetries(host, on, tasks, context);
    return true;
  } catch (error) {
    if (context.check || !isOver(error)) host.failWith(error);
    else await afterFailure(host, on, play, context, fleet, error);
    return false;
  }
}

async function checkTasks(
  host: HostRun,
  on: PlayOnHost,
  tasks: readonly TaskInstance[],
  context: RunContext,
): Promise<void> {
  for (const task of tasks) notePlanned(host, context, task);
  await checkPlay(host, on, tasks);
}

/** Whether a play failed on a host that can still be worked on, and by which nobody wants to stop. */
function isOver(error: unknown): error is CausewayError {
  return error instanceof CausewayError && error.code === "host";
}

/** A host on which a play failed: its rescue is done instead, where it has one, and then what it always does. */
async function afterFailure(
  host: HostRun,
  on: PlayOnHost,
  play: AnyPlay,
  context: RunContext,
  fleet: Fleet,
  error: CausewayError,
): Promise<void> {
  const attempt = async (tasks: () => readonly TaskInstance[]) => {
    try {
      await convergeWithRetries(host, on, tasks(), context);
      return true;
    } catch (failed) {
      host.failWith(failed);
      return false;
    }
  };
  if (!play.rescue) host.fail(error);
  else {
    const text = `“${on.title}” failed, and its rescue is done instead\n${describeError(error)}`;
    host.say({ type: "message", level: "warning", host: host.name, text });
    host.memory.forget(["*"]);
    if (await attempt(() => rescueTasks(play, host, fleet, error)))
      host.recap.rescued = [...(host.recap.rescued ?? []), on.title];
    else host.fail(error);
  }
  if (host.composed.get(play)?.some(({ always }) => always)) {
    host.memory.forget(["*"]);
    await attempt(() => compose(play, host, fleet).filter(({ always }) => always));
  }
}

/** Goes through the tasks again where one failed that may be tried again. */
async function convergeWithRetries(
  host: HostRun,
  on: PlayOnHost,
  tasks: readonly TaskInstance[],
  context: RunContext,
): Promise<void> {
  for (const task of tasks) notePlanned(host, context, task);
  const tried = new Map<TaskInstance, number>();
  for (;;) {
    try {
      await convergePlay(host, context, on, tasks);
      return;
    } catch (error) {
      const task = tasks.find((one) => isOver(error) && error.detail.task === `${one.task} ${one.key}`);
      const time = task ? (tried.get(task) ?? 0) + 1 : 0;
      if (!task?.retries || !(error instanceof CausewayError) || time > task.retries.times) throw error;
      tried.set(task, time);
      await pauseBefore(host, context, task, { time, retries: task.retries }, error);
    }
  }
}

async function pauseBefore(
  host: HostRun,
  context: RunContext,
  { task, key }: TaskInstance,
  { time, retries }: { time: number; retries: Retries },
  error: CausewayError,
): Promise<void> {
  const pauseMs = milliseconds(retries.pause ?? "5s");
  const again = `tried again in ${pauseMs / 1000} s, ${time} of ${retries.times}`;
  const text = `${task} ${key} failed, and is ${again}\n${describeError(error)}`;
  host.say({ type: "message", level: "warning", host: host.name, text });
  host.leftHalfDone = true;
  await sleep(pauseMs, undefined, { signal: context.interrupted }).catch(() => {});
  if (context.interrupted.aborted) throw error;
  host.memory.forget(["*"]);
}

/** From here on what stands of this task counts as planned, on this host or, of what is the fleet's, on any. */
export function notePlanned(host: HostRun, context: RunContext, instance: TaskInstance): void {
  const planned = instance.scope === "fleet" ? context.plannedOfFleet : host.planned;
  for (const name of identitiesOf(instance)) planned.add(name);
}
