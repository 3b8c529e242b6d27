import type { HostView } from "../playbook/fleet.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import { type AnyPlay, inPlay, type Prepared } from "./prepare.ts";

/** Whether the hosts of a batch take part in what the attending hosts do with them. */
export type State = "out" | "in";

/** What a play's attending hosts do around its batches. */
export interface Around {
  /** Takes hosts out before they are changed, or in again once they are well; false where an attending host failed. */
  bring: (members: readonly HostRun[], state: State) => Promise<boolean>;
  /** Says which hosts are still out. */
  tell: () => void;
}

/** The part of a play that its attending hosts have in the turn of some of its own. */
export function partOf(
  { title, tags, around }: AnyPlay,
  members: readonly HostView[],
  state: State,
): AnyPlay {
  return {
    title,
    hosts: around?.hosts ?? "",
    ...(tags ? { tags } : {}),
    tasks: (attending, fleet) =>
      members.flatMap((member) => around?.tasks(attending, member, state, fleet) ?? []),
  };
}

/** A play, or a part of one, with the hosts whose it is. */
export type PlayOfHosts = readonly [AnyPlay, readonly HostRun[]];

/** All plays, and of those with attending hosts also what these do with each host: for whoever judges everything beforehand. */
export function playsWithParts(
  plays: readonly AnyPlay[],
  hosts: readonly HostRun[],
  { hostsOf, attending }: Pick<Prepared, "hostsOf" | "attending">,
  states: readonly State[] = ["out", "in"],
): PlayOfHosts[] {
  return plays.flatMap((play): PlayOfHosts[] => {
    const own = inPlay(play, hosts, hostsOf);
    const theirs = hosts.filter(({ name }) => attending.get(play)?.has(name));
    const members = own.map(({ view }) => view);
    const parts = theirs.length === 0 ? [] : states.map((state) => partOf(play, members, state));
    return [[play, play.runOnce ? own.slice(0, 1) : own], ...parts.map((part) => [part, theirs] as const)];
  });
}

/** Brings the attending hosts of a play to what they are to do; `bringTo` does a part on them. */
export function aroundBatches(
  play: AnyPlay,
  context: RunContext,
  attending: readonly HostRun[],
  bringTo: (part: AnyPlay, hosts: readonly HostRun[]) => Promise<void>,
): Around {
  const away = new Set<string>();
  const isWell = () => attending.every((host) => !host.failure);
  const where = attending.map(({ name }) => name).join(", ");
  return {
    bring: async (members, state) => {
      if (members.length === 0) return true;
      // What they do with a host shows only by looking: connections that end, a check of its health.
      for (const host of attending) host.memory.forget(["*"]);
      const standing = attending.filter((host) => !host.failure);
      const part = partOf(
        play,
        members.map(({ view }) => view),
        state,
      );
      if (state === "out") for (const { name } of members) away.add(name);
      await bringTo(part, standing);
      if (isWell() && state === "in") for (const { name } of members) away.delete(name);
      return isWell();
    },
    tell: () => {
      if (away.size === 0 || context.check) return;
      const text = `still out on ${where}: ${[...away].join(", ")}; a run in which they are well brings them in again`;
      context.say({ type: "message", level: "warning", text });
    },
  };
}
