import { CausewayError } from "../errors.ts";
import { type Entry, liveEntries, standingEntries } from "../journal/entries.ts";
import { ownCommand } from "../own-command.ts";
import { mayInterrupt } from "../playbook/leave.ts";
import { askAtRisk, endedUnits, refusal, undoing } from "./containers.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import type { RunOptions } from "./options.ts";
import { planAhead } from "./plan-ahead.ts";
import type { Prepared } from "./prepare.ts";
import { isPlannedOfFleet } from "./removals.ts";
import { undoAll } from "./undo-runs.ts";

/** The hosts of a run that takes some of them out of the fleet, as far as they answered. */
export interface Parting {
  going: readonly HostRun[];
  staying: readonly HostRun[];
}

/**
 * Why nothing is taken out, before the first step anywhere: a host that did not answer, another playbook's fleet, what a
 * peer refuses, containers that nobody allowed to interrupt. The plans that are made for it are what a check shows.
 */
export async function whyNotTakenOut(
  options: RunOptions,
  context: RunContext,
  prepared: Prepared,
  { going, staying }: Parting,
): Promise<CausewayError[]> {
  const errors = [
    ...missingHosts(options, prepared, { going, staying }),
    ...otherPlaybooks(options, prepared, staying),
  ];
  if (errors.length > 0) return errors;
  const [refused, interrupted] = await Promise.all([
    planAhead(options, context, staying, prepared),
    Promise.all(going.map(interruptions)),
  ]);
  return [...refused, ...interrupted.flat()];
}

function missingHosts(
  { leaving }: RunOptions,
  prepared: Prepared,
  { going, staying }: Parting,
): CausewayError[] {
  const answered = new Set([...going, ...staying].map(({ name }) => name));
  const silent = prepared.chosen.filter(({ name }) => !answered.has(name)).map(({ name }) => name);
  const names = prepared.leaving.map(({ name }) => name);
  const stays =
    silent.length === 0
      ? []
      : [
          new CausewayError("unreachable", "nothing was changed: not all hosts that stay answered", {
            found: `no answer from ${silent.join(", ")}`,
            expected: `an answer from every host but ${names.join(", ")}: each has something of theirs to take away`,
            advice: `bring them back; those that are gone for good, too, can be taken out with them: ${ownCommand("remove …", [...names, ...silent].join(","), "--dead")}`,
          }),
        ];
  const leaves = prepared.leaving.flatMap(({ name }) => {
    if (answered.has(name) === !leaving?.dead) return [];
    return [leaving?.dead ? notDead(name) : noAnswer(name)];
  });
  return [...stays, ...leaves];
}

function notDead(host: string): CausewayError {
  return new CausewayError("host", "nothing was changed: the host answers, so it is not dead", {
    host,
    found: "a session on it, and --dead on the command line",
    expected: "no answer: a host that lives has to take its own part back, or it would go on with it",
    advice: "run the same command without --dead",
  });
}

function noAnswer(host: string): CausewayError {
  return new CausewayError("unreachable", "nothing was changed: the host that leaves did not answer", {
    host,
    expected: "an answer, so that its own part can be taken back first",
    advice: "bring it back; or, if it is gone for good, run the same command with --dead",
  });
}

/** Taking a host out is a run of the playbook on the others: it must be the one that they have. */
function otherPlaybooks(
  { playbook: { name, owns } }: RunOptions,
  { leaving }: Prepared,
  staying: readonly HostRun[],
): CausewayError[] {
  const owners = new Map<string, string[]>();
  for (const { name: host, journal } of staying) {
    const runs = new Map(journal.runs.map((run) => [run.id, run]));
    const same = (entry: Entry) => entry.owner === name || (owns && runs.get(entry.run)?.owns === owns);
    for (const owner of new Set(
      standingEntries(journal)
        .filter(same)
        .map((entry) => entry.owner),
    ))
      owners.set(owner, [...(owners.get(owner) ?? []), host]);
  }
  const others = [...owners].filter(([owner]) => owner !== name);
  const who = leaving.map((host) => host.name).join(",");
  const [[other] = []] = others;
  if (owners.has(name) && other === undefined) return [];
  return [
    new CausewayError("host", `nothing was changed: ${name} is not what the hosts that stay have`, {
      found: others.map(([owner, on]) => `${owner} on ${on.join(", ")}`).join("; ") || "nothing of it",
      expected: `hosts on which ${name} stands`,
      advice:
        other === undefined
          ? `take ${who} out of the inventory: nobody knows of it yet`
          : ownCommand("remove", other, who),
    }),
  ];
}

/** People's containers that go down, or off their network, with what is taken back. */
async function interruptions(host: HostRun): Promise<CausewayError[]> {
  const entries = liveEntries(host.journal);
  const units = endedUnits(entries.map(undoing));
  host.atRisk = await askAtRisk(host, [...units.keys()]);
  const ended = refusal(host, host.atRisk, units);
  if (ended) return [ended];
  const networks = new Set(entries.flatMap(({ resource }) => /^network (\S+)/.exec(resource)?.[1] ?? []));
  if (mayInterrupt(host.view.vars) || networks.size === 0) return [];
  const { containers } = await host.reader().docker();
  const hit = containers.filter(
    (one) => one.state === "running" && one.networks.some((n) => networks.has(n)),
  );
  if (hit.length === 0) return [];
  return [
    new CausewayError("host", "nothing was changed: running containers would lose their network", {
      host: host.name,
      found: hit.map(({ name }) => name).join(", "),
      expected: "no running container on a network that goes, or permission to interrupt them",
      advice: "stop them, or run with -e interrupt_containers=true",
    }),
  ];
}

/**
 * Takes back what the hosts that leave have of it, before anything is taken from the others. What belongs to the fleet and
 * is still wanted there stays. Gives whether the others may follow.
 */
export async function takeOwnPartBack(
  options: RunOptions,
  context: RunContext,
  { going, staying }: Parting,
): Promise<boolean> {
  if (going.length === 0) return true;
  // Whether another playbook's fleet still wants its own is not known here.
  const stays = (entry: Entry) =>
    isPlannedOfFleet(context, entry) || (entry.scope === "fleet" && entry.owner !== context.owner);
  await undoAll(options, context, going, stays);
  // What was done to the hosts that leave shows on the others, too.
  if (context.changedSomething) for (const host of staying) host.memory.forget(["*"]);
  const stuck = going.filter((host) => host.failure).map(({ name }) => name);
  if (stuck.length === 0) return !context.interrupted.aborted;
  const text = `the others are left as they are, because ${stuck.join(", ")} did not take its own part back; the same command goes on there`;
  context.say({ type: "message", level: "warning", text });
  return false;
}

/** What is left to a person, once all is done. */
export function tellNext({ leaving, playbook }: RunOptions, context: RunContext): void {
  const names = leaving?.names.join(", ");
  const text = context.check
    ? `after that, take ${names} out of the inventory`
    : `${names} is out of the fleet: now take it out of the inventory, or the next run of ${playbook.name} adds it again`;
  context.say({ type: "message", level: "info", text });
}
