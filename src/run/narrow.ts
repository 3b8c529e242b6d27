import { CausewayError } from "../errors.ts";
import { compose, keepChosen } from "./compose.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import type { RunOptions } from "./options.ts";
import { inPlay, type Prepared } from "./prepare.ts";
import {
  choiceOf,
  everything,
  isPartial,
  selectionWords,
  type TasksOfPlay,
  unknownNames,
} from "./selection.ts";

/** Leaves of each play on each host the chosen tasks. Gives what is wrong with the selection. */
export function narrow(
  { playbook, selection = everything }: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  { fleet, hostsOf }: Prepared,
): CausewayError[] {
  const all = playbook.plays.map((play): TasksOfPlay => {
    const lists = inPlay(play, hosts, hostsOf).flatMap((host) => {
      const tasks = composed(() => compose(play, host, fleet));
      return tasks ? [[host.name, tasks] as const] : [];
    });
    return [play, new Map(lists)];
  });
  const isKnown = ([play, lists]: TasksOfPlay) =>
    play.learns === undefined && lists.size === inPlay(play, hosts, hostsOf).length;
  const unknown = unknownNames(all, selection);
  if (all.every(isKnown) && unknown.length > 0) return unknown;
  // A play whose tasks show during the run may have it.
  for (const { message } of unknown)
    context.say({ type: "message", level: "warning", text: `${message} so far` });
  const choose = choiceOf(all, selection);
  for (const host of hosts) {
    host.choose = choose;
    for (const [play, tasks] of host.composed) keepChosen(play, host, tasks);
  }
  for (const [play, lists] of all.filter(isKnown)) {
    const before = [...lists.values()].flat();
    if (before.length > 0 && choose(play, before).length === 0) context.leftOut.add(play);
  }
  if (isPartial(selection))
    context.say({
      type: "message",
      level: "info",
      text: `a part of ${playbook.name}: ${selectionWords(selection).join(" ")}; what the other tasks did stays as it is`,
    });
  return [];
}

/** What is wrong with a play is told when it is judged. */
function composed<T>(compose: () => T): T | undefined {
  try {
    return compose();
  } catch (error) {
    if (error instanceof CausewayError) return undefined;
    throw error;
  }
}
