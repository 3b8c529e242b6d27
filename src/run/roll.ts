import type { Around, State } from "./around.ts";
import { batchesOf, type FailurePolicy, inOrderOf, type Order, whyStop } from "./batches.ts";
import type { RunContext } from "./context.ts";
import type { Gate } from "./gate.ts";
import type { HostRun } from "./host-run.ts";
import type { Ask } from "./options.ts";

/** A host's place in a play; one that could not be reached has nothing but its name, and fails with its batch. */
export interface Place {
  readonly name: string;
  readonly host?: HostRun;
}

/** How a play is rolled over its hosts. */
export interface Roll extends FailurePolicy {
  /** The title of the play, and which one of its playbook it is, from 1. */
  play: string;
  number: number;
  /** Numbers and percentages; the last one repeats. */
  sizes: readonly (number | string)[];
  order: Order;
  /** Whether somebody asks for batches: then it is said, too, that there are none. */
  isAsked: boolean;
  /** Whether a host has something to do in the play; what goes wrong is the host's own. */
  isBusy: (host: HostRun) => Promise<boolean>;
  /** Does the play on some hosts at once. */
  converge: (hosts: readonly HostRun[]) => Promise<void>;
  /** Confirms over new connections what was done on some hosts; what goes wrong is the host's own. */
  confirm: (hosts: readonly HostRun[]) => Promise<void>;
  /** Undoes what this run did on some hosts, and gives those on which something of it is left. */
  rollBack: (hosts: readonly HostRun[]) => Promise<readonly HostRun[]>;
  /** What has to hold after each batch, or why nothing has to; neither where there is nothing to say of it. */
  gate?: Gate | string | undefined;
  /** What other hosts do around each batch. */
  around?: Around | undefined;
  onFailure: "stop" | "rollback";
  /** Asks a person before each batch. */
  ask?: Ask | undefined;
}

/** How a roll ended: all batches were done; a person stopped it, or said no; too many hosts failed; the gate did. */
export type RollEnded = "all" | "interrupted" | "declined" | "stopped" | "gate";

type Batch = readonly Place[];

/**
 * Does a play batch by batch. Batches are cut over the hosts that have something to do; the others take no batch and no
 * time, so that a roll that was stopped goes on with the same command where it stopped. A host that cannot be reached, or
 * refuses, keeps its place: as in Ansible it has failed when its batch's turn comes.
 */
export async function roll(places: readonly Place[], context: RunContext, how: Roll): Promise<RollEnded> {
  const { busy, idle } = await partition(places, how);
  await how.converge(context.check ? standing(places) : idle);
  const order = inOrderOf(busy, how.order);
  const last = order.filter(({ host }) => host?.carries);
  const batches = batchesOf([...order.filter((place) => !last.includes(place)), ...last], how.sizes);
  const isIdle = standing(busy).length === 0;
  tellBatches(context, how, places, isIdle ? [] : batches);
  // In a check the hosts of all batches are shown as they go out.
  const isWell = context.check
    ? await bring(how, standing(busy), "out")
    : await bring(
        how,
        standing(places).filter((host) => idle.includes(host)),
        "in",
      );
  if (!isWell) return endedByAttending(context, busy);
  if (context.check || isIdle) return "all";
  if (typeof how.gate === "object") await how.gate.lookBefore();
  // What earlier plays did stays, whatever becomes of a batch.
  await how.confirm(standing(places));
  for (const [index, batch] of batches.entries()) {
    const [from, after] = [batches.slice(index).flat(), batches.slice(index + 1).flat()];
    if (context.interrupted.aborted) return ended(context, "interrupted", from);
    const turn = { play: how.play, index, count: batches.length, hosts: batch.map(nameOf) };
    const isWanted = how.ask === undefined || (await how.ask(turn));
    if (context.interrupted.aborted) return ended(context, "interrupted", from);
    if (!isWanted) return ended(context, "declined", from);
    context.left(busy.filter((one) => from.includes(one) || !one.host || one.host.failure).map(nameOf));
    context.say({ type: "batch", ...turn, state: "started" });
    if (!(await bring(how, standing(batch), "out"))) return endedByAttending(context, from);
    await how.converge(standing(batch));
    if (context.interrupted.aborted) return ended(context, "interrupted", after);
    const stop = await judge(batch, context, how);
    if (stop) return ended(context, stop, after);
    if (!(await bring(how, standing(batch), "in"))) return endedByAttending(context, after);
  }
  return "all";
}

async function bring({ around }: Roll, members: readonly HostRun[], state: State): Promise<boolean> {
  return around === undefined || (await around.bring(members, state));
}

/** A host that attends to the others failed: nothing goes out, or comes in, without it. */
function endedByAttending(context: RunContext, notBegun: readonly Place[]): RollEnded {
  const isInterrupted = context.interrupted.aborted;
  if (!isInterrupted)
    context.say({
      type: "message",
      level: "warning",
      text: "the roll ends here: a host around the batches failed",
    });
  return ended(context, isInterrupted ? "interrupted" : "stopped", notBegun);
}

const nameOf = ({ name }: Place | HostRun) => name;

/** The hosts that take part and have not failed. */
function standing(places: readonly Place[]): HostRun[] {
  return places.flatMap(({ host }) => (host && !host.failure ? [host] : []));
}

async function partition(places: readonly Place[], { isBusy }: Roll) {
  const busy = new Set<HostRun>();
  await Promise.all(standing(places).map(async (host) => void ((await isBusy(host)) && busy.add(host))));
  return {
    busy: places.filter(({ host }) => !host || host.failure || busy.has(host)),
    idle: standing(places).filter((host) => !busy.has(host)),
  };
}

function tellBatches(
  context: RunContext,
  { play, gate, isAsked }: Roll,
  places: readonly Place[],
  batches: readonly Batch[],
): void {
  const say = (text: string) => context.say({ type: "message", level: "info", text });
  const busy = standing(batches.flat()).length;
  if (busy === 0 && !isAsked) return;
  const lost = places.length - standing(places).length;
  const every = lost === 0 ? "every host" : "every host that can be changed";
  if (busy === 0) say(`“${play}”: ${every} is as it should be, no batch`);
  else {
    const count = `${batches.length} ${batches.length === 1 ? "batch" : "batches"}`;
    const others =
      lost === 0 ? "" : `; ${lost} more failed or could not be reached, and fail with their batch`;
    say(`“${play}”: ${busy} of ${places.length} hosts have something to do, in ${count}${others}`);
    if (typeof gate === "string") say(gate);
  }
  if (!context.check) return;
  for (const [index, batch] of batches.entries()) {
    const turn = { play, index, count: batches.length, hosts: batch.map(nameOf) };
    context.say({ type: "batch", ...turn, state: "planned" });
  }
}

/** Whether the roll goes on after a batch: undefined, or why it ends. */
async function judge(batch: Batch, context: RunContext, how: Roll): Promise<"stopped" | "gate" | undefined> {
  if (await endsByFailures(batch, context, how)) return "stopped";
  const well = standing(batch);
  if (typeof how.gate !== "object" || well.length === 0 || (await how.gate.holds(well))) {
    await how.confirm(well);
    return standing(batch).length < well.length && (await endsByFailures(batch, context, how))
      ? "stopped"
      : undefined;
  }
  context.say({ type: "message", level: "warning", text: "the roll ends here: the gate failed" });
  await giveUp(batch, context, how);
  return "gate";
}

/** Whether too many hosts of the batch have failed. */
async function endsByFailures(batch: Batch, context: RunContext, how: Roll): Promise<boolean> {
  const why = whyStop(batch.length - standing(batch).length, batch.length, how);
  if (why === undefined) return false;
  context.say({ type: "message", level: "warning", text: `the roll ends here: ${why}` });
  await giveUp(batch, context, how);
  return true;
}

/** The batch that failed is undone, or left for looking at. */
async function giveUp(batch: Batch, context: RunContext, how: Roll): Promise<void> {
  const began = batch.flatMap(({ host }) => (host?.began ? [host] : []));
  if (began.length === 0) return;
  const say = (level: "info" | "warning", text: string) => context.say({ type: "message", level, text });
  const undoing = (hosts: readonly HostRun[]) =>
    `${context.rollback} --play ${how.number} -l ${hosts.map(nameOf).join(",")}`;
  if (how.onFailure === "stop") {
    say("info", `the batch is left as it is; to undo it: ${undoing(began)}`);
    return;
  }
  const left = new Set(await how.rollBack(began));
  const undone = began.filter((host) => !left.has(host));
  for (const host of undone) context.undone.add(host.name);
  if (left.size > 0) {
    say("warning", `the batch is not undone on all of its hosts; to undo the rest: ${undoing([...left])}`);
    return;
  }
  if (typeof how.gate !== "object") say("info", "the batch was undone");
  else if (await how.gate.holds(undone)) say("info", "the batch was undone, and the gate holds again");
  else {
    say("warning", "the batch was undone, and the gate still fails");
    return;
  }
  await bring(how, undone, "in");
}

/** What was not begun is told with the recap, and is what a later run has to do. */
function ended<E extends RollEnded>(context: RunContext, how: E, notBegun: readonly Place[]): E {
  for (const { name } of standing(notBegun)) context.notBegun.add(name);
  return how;
}
