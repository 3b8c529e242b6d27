import { batchesOf, type FailurePolicy, inOrderOf, type Order, whyStop } from "./batches.ts";
import type { RunContext } from "./context.ts";
import type { Gate } from "./gate.ts";
import type { HostRun } from "./host-run.ts";

/** How a play is rolled over its hosts. */
export interface Roll extends FailurePolicy {
  /** The title of the play. */
  play: string;
  /** Numbers and percentages; the last one repeats. */
  sizes: readonly (number | string)[];
  order: Order;
  /** Whether a host has something to do in the play; what goes wrong is the host's own. */
  isBusy: (host: HostRun) => Promise<boolean>;
  /** Does the play on some hosts at once. */
  converge: (hosts: readonly HostRun[]) => Promise<void>;
  /** Undoes what this run did on some hosts. */
  rollBack: (hosts: readonly HostRun[]) => Promise<void>;
  /** What has to hold after each batch; nothing where it is switched off. */
  gate: Gate | undefined;
  onFailure: "stop" | "rollback";
  /** Asks a person before each batch. */
  ask?: ((question: string) => Promise<"yes" | "no" | "all">) | undefined;
}

/** How a roll ended. */
export type RollEnded = { how: "all" } | { how: "interrupted" | "stopped" | "gate" };

/**
 * Does a play batch by batch. Batches are cut over the hosts that have something to do; the others take no batch and no
 * time, so that a roll that was stopped goes on with the same command where it stopped.
 */
export async function roll(hosts: readonly HostRun[], context: RunContext, how: Roll): Promise<RollEnded> {
  const { busy, idle } = await partition(hosts, how);
  await how.converge(context.check ? hosts : idle);
  const batches = batchesOf(inOrderOf(busy, how.order), how.sizes);
  tellBatches(context, how, hosts, batches);
  if (context.check || batches.length === 0) return { how: "all" };
  await how.gate?.lookBefore();
  let ask = how.ask;
  for (const [index, batch] of batches.entries()) {
    const rest = (): readonly HostRun[] => batches.slice(index).flat();
    if (context.interrupted.aborted) return ended(context, "interrupted", rest());
    const names = batch.map((host) => host.name);
    const answer = await ask?.(`batch ${index + 1} of ${batches.length}: ${names.join(", ")}`);
    if (answer === "no") return ended(context, "stopped", rest());
    if (answer === "all") ask = undefined;
    context.say({
      type: "batch",
      play: how.play,
      index,
      count: batches.length,
      hosts: names,
      state: "started",
    });
    await how.converge(batch);
    if (context.interrupted.aborted) return ended(context, "interrupted", batches.slice(index + 1).flat());
    const stop = await judge(batch, context, how);
    if (stop) return ended(context, stop, batches.slice(index + 1).flat());
  }
  return { how: "all" };
}

async function partition(hosts: readonly HostRun[], { isBusy }: Roll) {
  const busy = new Set<HostRun>();
  await Promise.all(hosts.map(async (host) => void ((await isBusy(host)) && busy.add(host))));
  const well = hosts.filter((host) => !host.failure);
  return { busy: well.filter((host) => busy.has(host)), idle: well.filter((host) => !busy.has(host)) };
}

function tellBatches(
  context: RunContext,
  { play }: Roll,
  hosts: readonly HostRun[],
  batches: readonly (readonly HostRun[])[],
): void {
  const busy = batches.flat().length;
  const text =
    busy === 0
      ? `“${play}”: all ${hosts.length} hosts are as they should be, no batch`
      : `“${play}”: ${busy} of ${hosts.length} hosts have something to do, in ${batches.length} ${batches.length === 1 ? "batch" : "batches"}`;
  context.say({ type: "message", level: "info", text });
  if (!context.check) return;
  for (const [index, batch] of batches.entries()) {
    const names = batch.map((host) => host.name);
    context.say({ type: "batch", play, index, count: batches.length, hosts: names, state: "planned" });
  }
}

/** Whether the roll goes on after a batch: undefined, or why it ends. */
async function judge(
  batch: readonly HostRun[],
  context: RunContext,
  how: Roll,
): Promise<"stopped" | "gate" | undefined> {
  const failed = batch.filter((host) => host.failure);
  const why = whyStop(failed.length, batch.length, how);
  if (why !== undefined) {
    context.say({ type: "message", level: "warning", text: `the roll ends here: ${why}` });
    await giveUp(batch, context, how);
    return "stopped";
  }
  const standing = batch.filter((host) => !host.failure);
  if (!how.gate || standing.length === 0 || (await how.gate.holds(standing))) return undefined;
  context.say({ type: "message", level: "warning", text: "the roll ends here: the gate failed" });
  await giveUp(batch, context, how);
  return "gate";
}

/** The batch that failed is undone, or left for looking at. */
async function giveUp(batch: readonly HostRun[], context: RunContext, how: Roll): Promise<void> {
  const began = batch.filter((host) => host.began);
  if (began.length === 0) return;
  const names = began.map((host) => host.name).join(",");
  if (how.onFailure === "stop") {
    const text = `the batch is left as it is; to undo it: run rollback ${context.id} -l ${names}`;
    context.say({ type: "message", level: "info", text });
    return;
  }
  await how.rollBack(began);
  for (const host of began) context.notBegun.add(host.name);
  const again = how.gate && (await how.gate.holds(began.filter((host) => !host.recap.unreachable)));
  if (again === false)
    context.say({
      type: "message",
      level: "warning",
      text: `the batch was undone (${names}), and the gate still fails`,
    });
}

function ended(
  context: RunContext,
  how: "interrupted" | "stopped" | "gate",
  notBegun: readonly HostRun[],
): RollEnded {
  for (const host of notBegun) context.notBegun.add(host.name);
  if (notBegun.length > 0) {
    const names = notBegun.map((host) => host.name).join(", ");
    const text = `not begun: ${names}; the same command continues there`;
    context.say({ type: "message", level: "warning", text });
  }
  return { how };
}
