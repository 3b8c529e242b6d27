import { CausewayError } from "../errors.ts";
import { ownCommand } from "../own-command.ts";
import { nearest } from "../schema/nearest.ts";
import type { TaskInstance } from "../task/define.ts";
import type { AnyPlay } from "./prepare.ts";

/** Which tasks of a playbook a run is about. */
export interface Selection {
  /** `--tags`: names, or `all`, `tagged`, `untagged`, `always`, `never`; empty for `all`. */
  readonly tags: readonly string[];
  /** `--skip-tags`, which wins. */
  readonly skipTags: readonly string[];
  /** `--start-at-task`: `TASK`, `TASK KEY` or the title of a play; `*` and `?` stand for anything. */
  readonly startAt?: string;
}

export const everything: Selection = { tags: [], skipTags: [] };

/** Whether something is left out that a plain run would do: then nothing is inferred from what was not planned. */
export function isPartial({ tags, skipTags, startAt }: Selection): boolean {
  return skipTags.length > 0 || startAt !== undefined || tags.some((tag) => tag !== "all");
}

/** The options that choose the same in another command, as words. */
export function selectionWords({ tags, skipTags, startAt }: Selection): string[] {
  return [
    ...(tags.length > 0 ? ["--tags", tags.join(",")] : []),
    ...(skipTags.length > 0 ? ["--skip-tags", skipTags.join(",")] : []),
    ...(startAt === undefined ? [] : ["--start-at-task", startAt]),
  ];
}

/** A task's tags with those of its play. */
export function tagsOf(play: Pick<AnyPlay, "tags">, task: Pick<TaskInstance, "tags">): readonly string[] {
  return [...new Set([...(play.tags ?? []), ...(task.tags ?? [])])];
}

/**
 * Whether a task with these tags is chosen.
 * Source: `Taggable.evaluate_tags` in lib/ansible/playbook/taggable.py of ansible-core 2.14.
 */
export function isChosen(own: readonly string[], { tags: given, skipTags: skipped }: Selection): boolean {
  const tags = own.length === 0 ? ["untagged"] : own;
  const only = given.length === 0 ? ["all"] : given;
  const has = (some: readonly string[]) => tags.some((tag) => some.includes(tag));
  const isNever = tags.includes("never");
  const isWanted =
    tags.includes("always") ||
    has(only) ||
    (!isNever && (only.includes("all") || (only.includes("tagged") && own.length > 0)));
  if (!isWanted) return false;
  if (skipped.includes("all")) return tags.includes("always") && !skipped.includes("always");
  return !has(skipped) && !(skipped.includes("tagged") && own.length > 0);
}

/** The tasks of one play, by host. */
export type TasksOfPlay = readonly [AnyPlay, ReadonlyMap<string, readonly TaskInstance[]>];

/** Gives the chosen ones of a play's tasks, in their order. */
export type Choice = (play: AnyPlay, tasks: readonly TaskInstance[]) => readonly TaskInstance[];

/** What a selection means for these plays. What comes before the task to start at is left out on all hosts, as in Ansible. */
export function choiceOf(plays: readonly TasksOfPlay[], selection: Selection): Choice {
  const { startAt } = selection;
  const isStart = ([play, hosts]: TasksOfPlay) =>
    [...hosts.values()].some((tasks) => startOf(play, tasks, startAt ?? "") < tasks.length);
  const start = startAt === undefined ? 0 : plays.findIndex(isStart);
  const numbers = new Map(plays.map(([play], index) => [play, index]));
  const begun = (play: AnyPlay, tasks: readonly TaskInstance[]) => {
    // What is done around a play is no play of its own, and its turn has come.
    const number = numbers.get(play) ?? plays.length;
    if (start < 0 || number < start) return [];
    return startAt !== undefined && number === start ? tasks.slice(startOf(play, tasks, startAt)) : tasks;
  };
  return (play, tasks) => begun(play, tasks).filter((task) => isChosen(tagsOf(play, task), selection));
}

/** The index of the first task that is meant; behind all of them where none is. */
function startOf({ title }: AnyPlay, tasks: readonly TaskInstance[], startAt: string): number {
  if (fits(title, startAt)) return 0;
  const index = tasks.findIndex(({ task, key }) => fits(task, startAt) || fits(`${task} ${key}`, startAt));
  return index < 0 ? tasks.length : index;
}

function fits(name: string, pattern: string): boolean {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`, "s").test(name);
}

const specialTags = ["all", "tagged", "untagged", "always", "never"];

/** What a selection names that no task has: a run that silently did nothing would look like a success. */
export function unknownNames(plays: readonly TasksOfPlay[], selection: Selection): CausewayError[] {
  const all = plays.flatMap(([play, hosts]) => [...hosts.values()].flat().map((task) => ({ play, task })));
  const known = [...new Set(all.flatMap(({ play, task }) => tagsOf(play, task)))].sort();
  const unknown = (option: string, tags: readonly string[]) =>
    tags
      .filter((tag) => !known.includes(tag) && !specialTags.includes(tag))
      .map((tag) => noTag(option, tag, known));
  const { startAt } = selection;
  const begins =
    startAt === undefined ||
    all.some(({ play, task }) => startOf(play, [task], startAt) === 0 || fits(play.title, startAt));
  const names = [...new Set(all.map(({ task }) => `${task.task} ${task.key}`.trim()))];
  return [
    ...unknown("--tags", selection.tags),
    ...unknown("--skip-tags", selection.skipTags),
    ...(begins ? [] : [noTask(startAt, names)]),
  ];
}

function noTag(option: string, tag: string, known: readonly string[]): CausewayError {
  const meant = nearest(tag, known);
  return new CausewayError("usage", `${option} ${tag}: no task has this tag`, {
    expected: known.length > 0 ? `one of ${known.join(", ")}` : "a playbook with tags; this one has none",
    advice: meant ? `did you mean ${meant}?` : `${ownCommand("PLAYBOOK --list-tags")} shows them`,
  });
}

function noTask(startAt: string, names: readonly string[]): CausewayError {
  const meant = nearest(startAt, names);
  return new CausewayError("usage", `--start-at-task ${startAt}: there is no such task`, {
    expected: "a task, a task with its key, or the title of a play",
    advice: meant ? `did you mean '${meant}'?` : `${ownCommand("PLAYBOOK --list-tasks")} shows them`,
  });
}
