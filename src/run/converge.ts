import { setTimeout as sleep } from "node:timers/promises";
import { CausewayError } from "../errors.ts";
import { anyRelated } from "../host/resources.ts";
import type { TaskInstance } from "../task/define.ts";
import type { ShownStep } from "../task/shown-step.ts";
import { consequenceWords } from "../task/step.ts";
import { carryOut, type Intended, owe } from "./carry-out.ts";
import type { RunContext } from "./context.ts";
import { fetchFiles } from "./fetch-files.ts";
import type { HostRun } from "./host-run.ts";
import { hasWork, inOrder, isConverged, type TaskPlan } from "./plan.ts";

/** How often a plan may depend on the effect of the step before; more is a task that never ends. */
const roundsAtMost = 8;

/** A play, as it is told. */
export interface PlayOnHost {
  title: string;
  index: number;
}

/** How far a play has come on one host. */
interface Progress {
  /** Planned, and not performed yet. */
  readonly pending: Intended[];
  /** The tasks that were not in place; those of them that only waited have changed nothing. */
  readonly missed: Set<TaskInstance>;
  readonly changed: Set<TaskInstance>;
}

/**
 * Brings one host to where a play's tasks want it: steps in as few scripts as can be, restarts once at the end, then
 * everything read and planned once more. What is still missing then is the error.
 */
export async function convergePlay(
  host: HostRun,
  run: RunContext,
  play: PlayOnHost,
  tasks: readonly TaskInstance[],
): Promise<void> {
  const progress: Progress = { pending: [], missed: new Set(), changed: new Set() };
  for (const instance of tasks) {
    await convergeTask(host, run, play, instance, progress);
    stopIfInterrupted(run, host, play.title);
  }
  await flush(host, run, progress.pending, true);
  await prove(
    host,
    run,
    play,
    tasks.filter((t) => progress.missed.has(t)),
  );
  for (const instance of tasks) {
    const state = progress.changed.has(instance) ? "changed" : "ok";
    host.recap[state] += 1;
    if (state === "changed")
      host.say({
        type: "task",
        host: host.name,
        play: play.title,
        task: instance.task,
        key: instance.key,
        state,
      });
  }
}

async function convergeTask(
  host: HostRun,
  run: RunContext,
  play: PlayOnHost,
  instance: TaskInstance,
  { pending, missed, changed }: Progress,
): Promise<void> {
  const about = {
    type: "task",
    host: host.name,
    play: play.title,
    task: instance.task,
    key: instance.key,
  } as const;
  if (instance.afterRestarts && causedBy(host, pending).length > 0) {
    await flush(host, run, pending, true);
    host.memory.forget(["*"]);
  }
  let plan = await host.plan(instance);
  // What a step that is still waiting could have changed has to be performed and read first.
  if (anyRelated(touchedBy(pending), [...plan.looked])) {
    await flush(host, run, pending, false);
    plan = await host.plan(instance);
  }
  if (isConverged(plan)) {
    host.say({ ...about, state: "ok" });
    return;
  }
  missed.add(instance);
  for (let round = 0; ; round += 1) {
    if (round === roundsAtMost) throw notSettled(host, instance, plan);
    if (hasWork(plan)) changed.add(instance);
    host.say({ ...about, state: "performing", steps: [...plan.steps, ...plan.fetches] });
    intend(host, run, play, plan, pending);
    await fetchFiles(host, plan);
    if (plan.later === undefined) return;
    await flush(host, run, pending, false);
    plan = await host.plan(instance);
    if (isConverged(plan)) return;
    if (plan.later !== undefined && plan.steps.length === 0) plan = await wait(host, run, play, plan);
  }
}

function intend(host: HostRun, run: RunContext, play: PlayOnHost, plan: TaskPlan, pending: Intended[]): void {
  const { task, key, scope } = plan.instance;
  for (const step of plan.steps)
    pending.push({ does: "step", identity: { owner: run.owner, task, key, scope, play: play.index }, step });
  for (const { consequence, why } of plan.owed) owe(host, consequence, why);
}

function touchedBy(pending: readonly Intended[]): string[] {
  return pending.flatMap((p) => (p.does === "step" ? p.step.touches : ["*"]));
}

/**
 * Performs what is pending; at the end of a play the restarts come with it. A reload of systemd itself comes at once: what
 * follows may start the unit that was written.
 */
async function flush(host: HostRun, run: RunContext, pending: Intended[], endOfPlay: boolean): Promise<void> {
  const actions = pending.splice(0);
  const causes = causedBy(host, actions).filter((cause) => endOfPlay || cause.do === "daemon-reload");
  await carryOut(host, run, actions, causes);
}

function causedBy(host: HostRun, actions: readonly Intended[]) {
  const all = new Map([...host.owed].map(([words, { consequence }]) => [words, consequence]));
  for (const action of actions) {
    if (action.does === "step")
      for (const cause of action.step.causes) all.set(consequenceWords(cause), cause);
  }
  return inOrder([...all.values()]);
}

/** Converged means: read and planned again, and nothing is missing. */
async function prove(
  host: HostRun,
  run: RunContext,
  play: PlayOnHost,
  tasks: readonly TaskInstance[],
): Promise<void> {
  for (let round = 0; ; round += 1) {
    const plans = await Promise.all(tasks.map((t) => host.plan(t)));
    let missing = plans.filter((p) => !isConverged(p));
    missing = await settle(host, run, play, missing);
    if (missing.length === 0) return;
    // A restart can bring to light what the running state still owes; once more, then it is an error.
    const [first] = missing;
    if (!first) return;
    if (round === 2 || missing.every((p) => p.later !== undefined && p.steps.length === 0))
      throw notConverged(host, first);
    const pending: Intended[] = [];
    for (const plan of missing) intend(host, run, play, plan, pending);
    await flush(host, run, pending, true);
  }
}

/** Reads again with back-off what says that it takes its time. */
async function settle(
  host: HostRun,
  run: RunContext,
  play: PlayOnHost,
  missing: readonly TaskPlan[],
): Promise<TaskPlan[]> {
  const still: TaskPlan[] = [];
  for (const plan of missing) {
    if (plan.instance.settlesMs === 0) still.push(plan);
    else {
      const after = await wait(host, run, play, plan);
      if (!isConverged(after)) still.push(after);
    }
  }
  return still;
}

async function wait(host: HostRun, run: RunContext, play: PlayOnHost, plan: TaskPlan): Promise<TaskPlan> {
  const now = await waited(host, run, play, plan);
  if (now.later !== undefined && now.steps.length === 0) throw notConverged(host, now);
  return now;
}

/** Plans again with back-off until nothing is missing, or there is something to do, or its time is over. */
export async function waited(
  host: HostRun,
  run: RunContext,
  play: Pick<PlayOnHost, "title">,
  plan: TaskPlan,
): Promise<TaskPlan> {
  const { instance } = plan;
  const until = Date.now() + instance.settlesMs;
  let now = plan;
  let said = "";
  for (let pause = 100; Date.now() < until; pause = Math.min(pause * 2, 2000)) {
    const reason = now.later ?? missingWords(now);
    const about = { host: host.name, play: play.title, task: instance.task, key: instance.key };
    if (reason !== said) host.say({ type: "task", ...about, state: "waiting", reason });
    said = reason;
    const ms = Math.min(pause, Math.max(0, until - Date.now()));
    await sleep(ms, undefined, { signal: run.interrupted }).catch(() => {});
    stopIfInterrupted(run, host, play.title);
    host.memory.forget(["*"]);
    now = await host.plan(instance);
    if (isConverged(now) || (hasWork(now) && !hasWork(plan))) return now;
  }
  return now;
}

function missingWords(plan: TaskPlan): string {
  return [
    ...[...plan.steps, ...plan.fetches].map(stepWords),
    ...plan.owed.map((o) => `${consequenceWords(o.consequence)}: ${o.why}`),
    plan.later ?? "",
  ]
    .filter(Boolean)
    .join("; ");
}

function stepWords(step: ShownStep): string {
  return `${step.what}: ${step.from ?? "—"} → ${step.to ?? "—"}`;
}

function notConverged(host: HostRun, plan: TaskPlan): CausewayError {
  const { instance } = plan;
  const isWaiting = !hasWork(plan) && instance.settlesMs > 0;
  return new CausewayError("host", "the task did not converge: after its steps something is still missing", {
    host: host.name,
    task: `${instance.task} ${instance.key}`,
    found: missingWords(plan),
    expected: "nothing left to do",
    advice: isWaiting
      ? `it waited for ${instance.settlesMs / 1000} s: look on the host why that does not come, or give it longer`
      : "check the host with the command of the step above; run again with -v to see every command",
  });
}

function notSettled(host: HostRun, instance: TaskInstance, plan: TaskPlan): CausewayError {
  return new CausewayError("host", `the task has not settled after ${roundsAtMost} rounds`, {
    host: host.name,
    task: `${instance.task} ${instance.key}`,
    found: missingWords(plan),
  });
}

function stopIfInterrupted(run: RunContext, host: HostRun, title: string): void {
  if (!run.interrupted.aborted) return;
  throw new CausewayError("interrupted", `stopped in “${title}”`, {
    host: host.name,
    advice: "run again to finish, or roll back",
  });
}
