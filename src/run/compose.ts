import { CausewayError } from "../errors.ts";
import type { Fleet } from "../playbook/fleet.ts";
import type { TaskInstance } from "../task/define.ts";
import { isNotYet } from "../thrown.ts";
import type { HostRun } from "./host-run.ts";
import { composingOf } from "./learnt.ts";
import type { AnyPlay } from "./prepare.ts";

/** The tasks of a play on one host, composed once: on the first trip, or after it where they need what that trip reads. */
export function compose(play: AnyPlay, host: HostRun, fleet: Fleet): readonly TaskInstance[] {
  const known = host.composed.get(play);
  if (known) return known;
  try {
    return keepChosen(play, host, tasksOf(play, host, fleet));
  } catch (error) {
    if (!isNotYet(error)) throw error;
    throw new CausewayError("host", `play “${play.title}” needs the facts of a host that did not answer`, {
      host: host.name,
      advice: "start that host, or remove it from the inventory",
    });
  }
}

/** From here on the chosen tasks are those of the play; what the others did before stays. */
export function keepChosen(
  play: AnyPlay,
  host: HostRun,
  tasks: readonly TaskInstance[],
): readonly TaskInstance[] {
  const chosen = host.choose(play, tasks);
  for (const task of tasks)
    if (!chosen.includes(task)) for (const one of identitiesOf(task)) host.leftAlone.add(one);
  host.composed.set(play, chosen);
  return chosen;
}

/** The tasks of a play where nothing fails: its own, and then those that it does always. */
export function tasksOf(
  play: AnyPlay,
  { view }: Pick<HostRun, "view">,
  fleet: Fleet,
): readonly TaskInstance[] {
  return composingOf(play, () => {
    const last = (play.always?.(view, fleet) ?? []).map((task) => ({ ...task, always: true }));
    return ofPlay(play, [...play.tasks(view, fleet), ...last]);
  });
}

/** What it does instead on a host on which it failed. */
export function rescueTasks(
  play: AnyPlay,
  { view }: HostRun,
  fleet: Fleet,
  error: CausewayError,
): readonly TaskInstance[] {
  return ofPlay(play, play.rescue?.(view, fleet, error) ?? []);
}

/** What a play does once belongs to the fleet, whatever its tasks say. */
function ofPlay({ runOnce = false }: AnyPlay, tasks: readonly TaskInstance[]): readonly TaskInstance[] {
  return runOnce ? tasks.map((task) => ({ ...task, scope: "fleet" })) : tasks;
}

/** The names by which the journal knows what a task did, here or in an earlier version. */
export function identitiesOf({ task, key, formerly }: TaskInstance): string[] {
  return [
    `${task} ${key}`,
    ...formerly.map((one) => ("key" in one ? `${task} ${one.key}` : `${task} * ${one.kind}`)),
  ];
}
