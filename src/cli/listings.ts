import { throwAll } from "../errors.ts";
import type { Playbook } from "../playbook/define.ts";
import { partOf } from "../run/around.ts";
import { tasksOf } from "../run/compose.ts";
import { type AnyPlay, inPlay, type Prepared } from "../run/prepare.ts";
import { choiceOf, type Selection, type TasksOfPlay, tagsOf, unknownNames } from "../run/selection.ts";
import type { TaskInstance } from "../task/define.ts";
import { isNotYet } from "../thrown.ts";

/** `--list-hosts`: the hosts of each play. */
export function listHosts({ plays }: Playbook, prepared: Prepared): string {
  const lines = plays.map((play) => {
    const hosts = takingPart(play, prepared);
    return `${play.title} (${hosts.length})\n${hosts.map((h) => `  ${h}\n`).join("")}`;
  });
  return lines.join("");
}

/** `--list-tasks`: the chosen tasks of each play; a task that several hosts share is one line. */
export function listTasks(playbook: Playbook, prepared: Prepared, selection: Selection): string {
  const { plays, waiting } = chosenTasks(playbook, prepared, selection);
  const lines = plays.flatMap(([play, hosts]) => [
    `${play.title}\n`,
    ...(waiting.has(play) ? ["  (depends on the hosts' facts: see --check)\n"] : []),
    ...[...linesOf(play, hosts)].map(
      ([line, names]) =>
        `  ${line}${names.length === countOf(play, prepared) ? "" : `   on ${names.join(", ")}`}\n`,
    ),
    ...linesAround(play, prepared),
  ]);
  const probes = playbook.verify?.(prepared.fleet as never).map((p) => `  ${p.probe}\n`) ?? [];
  return lines.join("") + (probes.length > 0 ? `Verify\n${probes.join("")}` : "");
}

/** `--list-tags`: the tags of each play, and of its chosen tasks. */
export function listTags(playbook: Playbook, prepared: Prepared, selection: Selection): string {
  const { plays, waiting } = chosenTasks(playbook, prepared, selection);
  const lines = plays.map(([play, hosts]) => {
    const tags = [...hosts.values()].flat().flatMap((task) => tagsOf(play, task));
    const all = [...new Set([...(play.tags ?? []), ...tags])].sort();
    const more = waiting.has(play) ? "  (its tasks depend on the hosts' facts)" : "";
    return `${play.title}\n  tags: ${all.join(", ") || "none"}${more}\n`;
  });
  return lines.join("");
}

/** All tags of a playbook that are known without its hosts. */
export function tagsIn(playbook: Playbook, prepared: Prepared): string[] {
  const { plays } = chosenTasks(playbook, prepared, { tags: ["all", "never"], skipTags: [] });
  const tags = plays.flatMap(([play, hosts]) => [
    ...(play.tags ?? []),
    ...[...hosts.values()].flat().flatMap((task) => tagsOf(play, task)),
  ]);
  return [...new Set(tags)].sort();
}

/** What attending hosts have around the batches of a play. */
function linesAround(play: AnyPlay, prepared: Prepared): string[] {
  const members = takingPart(play, prepared).flatMap((name) => prepared.fleet.host(name) ?? []);
  const part = partOf(play, members, "in");
  const theirs = [...(prepared.attending.get(play) ?? [])].map((name) => {
    return [name, tasksOn(part, name, prepared, new Set())] as const;
  });
  return [...linesOf(part, new Map(theirs))].map(
    ([line, names]) => `  ${line}   on ${names.join(", ")}, around the batches\n`,
  );
}

function countOf(play: AnyPlay, { chosen, hostsOf }: Prepared): number {
  return inPlay(play, chosen, hostsOf).length;
}

function takingPart(play: AnyPlay, { chosen, hostsOf }: Prepared): string[] {
  const hosts = inPlay(play, chosen, hostsOf).map((host) => host.name);
  return play.runOnce ? hosts.slice(0, 1) : hosts;
}

/** The chosen tasks as far as they are known without the hosts, and the plays that wait for these. */
function chosenTasks(playbook: Playbook, prepared: Prepared, selection: Selection) {
  const waiting = new Set<AnyPlay>();
  const all = playbook.plays.map((play): TasksOfPlay => {
    const lists = takingPart(play, prepared).map((name) => {
      return [name, tasksOn(play, name, prepared, waiting)] as const;
    });
    return [play, new Map(lists)];
  });
  if (waiting.size === 0) throwAll(unknownNames(all, selection));
  const choose = choiceOf(all, selection);
  const chosen = all.map(([play, lists]): TasksOfPlay => {
    return [play, new Map([...lists].map(([name, tasks]) => [name, choose(play, tasks)]))];
  });
  return { plays: chosen, waiting };
}

function tasksOn(
  play: AnyPlay,
  name: string,
  { fleet }: Prepared,
  waiting: Set<AnyPlay>,
): readonly TaskInstance[] {
  const view = fleet.host(name);
  try {
    return view ? tasksOf(play, { view }, fleet) : [];
  } catch (error) {
    if (!isNotYet(error)) throw error;
    waiting.add(play);
    return [];
  }
}

/** Each task with its tags as one line, and the hosts that have it. */
function linesOf(play: AnyPlay, hosts: ReadonlyMap<string, readonly TaskInstance[]>): Map<string, string[]> {
  const who = new Map<string, string[]>();
  for (const [name, tasks] of hosts)
    for (const task of tasks) {
      const tags = tagsOf(play, task);
      const words = `${task.task} ${task.key}`.trim();
      const line = tags.length > 0 ? `${words}   tags: ${tags.join(", ")}` : words;
      who.set(line, [...(who.get(line) ?? []), name]);
    }
  return who;
}
