import type { HostReader } from "../host/reader.ts";
import type { Resource } from "../host/resources.ts";
import type { TaskInstance } from "../task/define.ts";
import {
  type Consequence,
  type Fetched,
  isFetched,
  isLater,
  isOwed,
  isStep,
  type Step,
} from "../task/step.ts";

/** What one task still misses on one host. */
export interface TaskPlan {
  instance: TaskInstance;
  steps: readonly Step[];
  /** Files that are to come to this machine. */
  fetches: readonly Fetched[];
  /** Why the rest cannot be planned yet. */
  later?: string;
  /** The reloads and restarts that the rest will make necessary. */
  coming: readonly Consequence[];
  owed: readonly { consequence: Consequence; why: string }[];
  /** What the plan rests on. */
  looked: ReadonlySet<Resource>;
}

/** Reads and plans one task. Nothing is changed. */
export async function planTask(instance: TaskInstance, reader: HostReader): Promise<TaskPlan> {
  const items = await instance.plan(reader);
  const waits = items.find(isLater);
  return {
    instance,
    steps: items.filter(isStep),
    fetches: items.filter(isFetched),
    ...(waits === undefined ? {} : { later: waits.later }),
    coming: waits?.causes ?? [],
    owed: items.filter(isOwed).map(({ owed, why }) => ({ consequence: owed, why })),
    looked: reader.looked,
  };
}

export function isConverged(plan: TaskPlan): boolean {
  return plan.later === undefined && !hasWork(plan);
}

/** Whether there is something to do at once, rather than only to wait for. */
export function hasWork(plan: TaskPlan): boolean {
  return plan.steps.length > 0 || plan.fetches.length > 0 || plan.owed.length > 0;
}

/** Reloads of systemd before reloads, these before restarts; Docker last, because others bring it its network. */
export function inOrder(consequences: readonly Consequence[]): Consequence[] {
  const rank = (c: Consequence) =>
    c.do === "daemon-reload"
      ? 0
      : (c.do === "reload" ? 1 : 3) + (/^docker(\.service)?$/.test(c.unit) ? 1 : 0);
  return [...consequences].sort((a, b) => rank(a) - rank(b));
}
