import type { Playbook } from "../playbook/define.ts";
import type { Fleet } from "../playbook/fleet.ts";
import { aroundBatches } from "./around.ts";
import { type FailurePolicy, whyStop } from "./batches.ts";
import { compose } from "./compose.ts";
import type { RunContext } from "./context.ts";
import { learn } from "./facts.ts";
import { Gate } from "./gate.ts";
import type { HostRun } from "./host-run.ts";
import { inParallel } from "./in-parallel.ts";
import { defaultRolling, type RunOptions } from "./options.ts";
import { isConverged } from "./plan.ts";
import { playOn } from "./play-on-host.ts";
import { type AnyPlay, inPlay, type Prepared } from "./prepare.ts";
import { type Place, type RollEnded, roll } from "./roll.ts";
import { type Spread, spreadOf } from "./spread.ts";
import { confirm, confirmSeconds, tellSwitchedOff } from "./switch.ts";
import { rollBack } from "./undo-runs.ts";

/** How the plays of a run ended. */
export type PlaysEnded =
  /** All plays had their turn; `through` are the hosts that went through each play that is theirs. */
  { how: "all"; through: ReadonlySet<HostRun> } | { how: Exclude<RollEnded, "all"> };

/** Whether every host went through every play of its own: only then what was not planned may be undone. */
export function isComplete(ended: PlaysEnded, hosts: readonly HostRun[]): boolean {
  return ended.how === "all" && hosts.every((host) => ended.through.has(host));
}

/** Plays one after the other, each a barrier, tasks on one host in order. `whole`: every host of the playbook takes part. */
export async function runPlays(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  { chosen, members, fleet, hostsOf, attending, facts }: Prepared,
  whole: boolean,
): Promise<PlaysEnded> {
  const { plays } = options.playbook;
  const through = new Set(hosts);
  const byName = new Map(hosts.map((host) => [host.name, host]));
  // Who could not be reached fails in the first play that is theirs, and is no longer there in those after it.
  const lost = new Set(chosen.map(({ name }) => name).filter((name) => !byName.has(name)));
  const gates = new Map<unknown, Gate>();
  for (const [index, play] of plays.entries()) {
    if (options.interrupted.aborted) {
      const left = plays.slice(index).map(({ title }) => `“${title}”`);
      context.say({ type: "message", level: "warning", text: `not started: ${left.join(", ")}` });
      return { how: "interrupted" };
    }
    // What other hosts did to something shared shows on this one, too.
    if (context.changedSomething) for (const host of hosts) host.memory.forget(["shared"]);
    context.changedSomething = false;
    await learn(play, options.playbook, hosts, facts);
    await confirmBeforeWithout(play, options, context, hosts, hostsOf);
    const places = inPlay(play, chosen, hostsOf).flatMap(({ name }): Place[] => {
      const host = byName.get(name);
      if (host?.failure) through.delete(host);
      if (host) return host.failure ? [] : [{ name, host }];
      return lost.delete(name) ? [{ name }] : [];
    });
    const able = places.flatMap(({ host }) => host ?? []);
    const taking = play.runOnce ? able.slice(0, 1) : able;
    if (play.whenComplete && !(whole && hosts.every((host) => through.has(host)))) {
      await tellLeftOut(play, taking, context, fleet);
      continue;
    }
    if (context.leftOut.has(play)) continue;
    context.say({
      type: "play",
      title: play.title,
      index,
      count: plays.length,
      hosts: taking.map((h) => h.name),
    });
    const spread = spreadOf(play, options, fleet);
    if (spread.said !== undefined && taking.length > 1)
      context.say({ type: "message", level: "info", text: spread.said });
    for (const host of taking) host.switch.seconds = confirmSeconds(host, options, play);
    tellSwitchedOff(taking, options, context, play);
    const on = { title: play.title, index };
    const converge = async (some: readonly HostRun[]) => {
      // What cuts off a host that others are reached through cuts them off, too.
      for (const carries of [false, true]) {
        const now = some.filter((host) => host.carries === carries);
        const parallel = { atOnce: play.throttle ?? now.length, renderer: options.reporter.renderer };
        await inParallel(now, parallel, async (host) => {
          if (!(await playOn(host, on, play, context, fleet))) through.delete(host);
        });
      }
    };
    const around = aroundOf(
      play,
      context,
      hosts.filter(({ name }) => attending.get(play)?.has(name)),
      async (part, some) => {
        for (const host of some) host.switch.seconds = confirmSeconds(host, options, play);
        await inParallel(some, { atOnce: some.length, renderer: options.reporter.renderer }, async (host) => {
          if (!(await playOn(host, on, part, context, fleet))) through.delete(host);
        });
        await confirm(options, context, some);
      },
    );
    const sizes = spread.sizes ?? (around && ["100%"]);
    if (sizes === undefined || taking.length === 0) {
      await converge(taking);
      if (isOver(play, options, context, places, hosts)) return { how: "stopped" };
      continue;
    }
    const ended = await roll(
      spread.among === "taking" ? taking.map((host) => ({ name: host.name, host })) : places,
      context,
      {
        ...(options.rolling ?? defaultRolling),
        ...policyOf(play, options),
        play: play.title,
        number: index + 1,
        sizes,
        isAsked: play.oneByOne === undefined || options.rolling?.serial !== undefined,
        isBusy: (host) => isBusy(host, play, fleet),
        converge,
        around,
        confirm: (some) => confirm(options, context, some),
        rollBack: (some) => rollBack(options, context, some, index),
        gate: gateOf(play, spread, options, chosen.length === 1 && members.length > 1, (proof) => {
          const gate = gates.get(proof) ?? new Gate(proof, options, context, fleet, hosts);
          gates.set(proof, gate);
          return gate;
        }),
      },
    );
    around?.tell();
    if (ended !== "all") return { how: ended };
  }
  return context.interrupted.aborted ? { how: "interrupted" } : { how: "all", through };
}

const aroundOf = (...[play, ...given]: Parameters<typeof aroundBatches>) =>
  play.around && aroundBatches(play, ...given);

/**
 * Where a play switches it off, what came before is confirmed first: the switch would take back this play, too. It is confirmed
 * on all hosts, so that one that others are reached through still comes after them.
 */
async function confirmBeforeWithout(
  play: AnyPlay,
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  hostsOf: Prepared["hostsOf"],
): Promise<void> {
  const isWithout = (host: HostRun) =>
    hostsOf.get(play)?.has(host.name) && confirmSeconds(host, options, play) === 0;
  if (hosts.some((host) => host.switch.isArmed && isWithout(host))) await confirm(options, context, hosts);
}

/**
 * Whether a play that was done on all its hosts at once is the last one, by the limits that somebody set: it is one batch.
 * Without any the other hosts go on, and those that failed are not among them.
 */
function isOver(
  play: AnyPlay,
  options: RunOptions,
  context: RunContext,
  places: readonly Place[],
  hosts: readonly HostRun[],
): boolean {
  const { maxFailPercentage, anyErrorsFatal } = policyOf(play, options);
  const failed = places.filter(({ host }) => !host || host.failure).length;
  if (maxFailPercentage === undefined && !anyErrorsFatal) return false;
  const why = whyStop(failed, places.length, policyOf(play, options));
  if (why === undefined || context.interrupted.aborted) return false;
  context.say({ type: "message", level: "warning", text: `the run ends here: ${why}` });
  for (const host of hosts) if (!host.failure) context.notBegun.add(host.name);
  return true;
}

/** The command line wins over the play. */
function policyOf(play: AnyPlay, { rolling }: RunOptions): FailurePolicy {
  const { maxFailPercentage, anyErrorsFatal, continueOnFailure } = play;
  const own = { maxFailPercentage, anyErrorsFatal, continueOnFailure };
  return Object.fromEntries(
    Object.entries({ ...own, ...rolling?.policy }).filter(([, value]) => value !== undefined),
  );
}

/** What has to hold between the batches of a play, or why nothing has to. */
function gateOf(
  play: AnyPlay,
  { isCut }: Spread,
  options: RunOptions,
  isAlone: boolean,
  gateBy: (proof: Playbook["verify"]) => Gate,
): Gate | string | undefined {
  if (!isCut) return undefined;
  if (isAlone) return "no gate between batches: a pair needs two hosts, and this run is limited to one";
  if ((options.rolling ?? defaultRolling).gate === "off") return "no gate between batches: --gate off";
  const proof = (play.gate ?? options.playbook.verify) as Playbook["verify"];
  if (proof === undefined) return "no gate between batches: the playbook has nothing that proves it (verify)";
  return gateBy(proof);
}

/** Whether a host has something to do in a play. What goes wrong while it is planned is known before any batch. */
async function isBusy(host: HostRun, play: AnyPlay, fleet: Fleet): Promise<boolean> {
  try {
    for (const task of compose(play, host, fleet)) if (!isConverged(await host.plan(task))) return true;
  } catch (error) {
    host.failWith(error);
  }
  return false;
}

/** That a play waits for a run of all hosts is said where there is something to do in it. */
async function tellLeftOut(
  play: AnyPlay,
  hosts: readonly HostRun[],
  context: RunContext,
  fleet: Fleet,
): Promise<void> {
  const busy = await Promise.all(hosts.map((host) => isBusy(host, play, fleet)));
  if (!busy.includes(true)) return;
  const text = `left out: “${play.title}”: it is done in a run in which all hosts take part and none fails`;
  context.say({ type: "message", level: "warning", text });
}
