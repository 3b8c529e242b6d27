import { randomBytes } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { CausewayError, throwAll } from "../errors.ts";
import type { Connect, SessionOptions } from "../host/session.ts";
import { select } from "../inventory/patterns.ts";
import { resolveVars, unknownExtraVars } from "../inventory/playbook-vars.ts";
import type { Inventory, InventoryHost, Variable } from "../inventory/types.ts";
import type { Play, Playbook } from "../playbook/define.ts";
import { Fleet, type HostView } from "../playbook/fleet.ts";
import type { HostRecap, Reporter } from "../report/events.ts";
import type { TaskInstance } from "../task/define.ts";
import { inBatches } from "./batches.ts";
import { checkPlay } from "./check.ts";
import type { RunContext } from "./context.ts";
import { convergePlay } from "./converge.ts";
import { emptyRecap, HostRun, type Said } from "./host-run.ts";
import { runProbes } from "./probes.ts";

export interface RunOptions {
  playbook: Playbook;
  inventory: Inventory;
  extraVars: ReadonlyMap<string, Variable>;
  limit?: string;
  check: boolean;
  verify: boolean;
  /** Hosts that are connected to at a time. */
  forks: number;
  session: SessionOptions;
  connect: Connect;
  reporter: Reporter;
  /** Aborted by the first Ctrl-C. */
  interrupted: AbortSignal;
  breakLock: boolean;
  /** Told the commands that run, for `-v`. */
  verbose: boolean;
}

export interface RunOutcome {
  exitCode: number;
  hosts: Readonly<Record<string, HostRecap>>;
  /** Hosts that failed or could not be reached, sorted: what `--limit @file` takes. */
  retry: readonly string[];
}

type AnyPlay = Play<Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>>;

/** Thrown by `host.facts` before they were read: the play is composed again once they are there. */
const notYet = new Error("facts are not read yet");

/** Everything that is known before the first connection. Variables, patterns and the plan's own check are judged here. */
export function prepare(options: Pick<RunOptions, "playbook" | "inventory" | "extraVars" | "limit">) {
  const { playbook, inventory, extraVars, limit } = options;
  throwAll(unknownExtraVars(playbook.vars, extraVars));
  const named = new Set(
    playbook.plays.flatMap((play) =>
      select(inventory, play.hosts, `play “${play.title}”: hosts`, "playbook").map((h) => h.name),
    ),
  );
  const members = inventory.hosts.filter((h) => named.has(h.name));
  const chosen =
    limit === undefined ? members : select(inventory, limit, "--limit").filter((h) => named.has(h.name));
  if (chosen.length === 0)
    throw new CausewayError("usage", `--limit ${limit} leaves no host of this playbook`, {
      expected: members.map((h) => h.name).join(", "),
    });
  const facts = new Map<string, Record<string, unknown>>();
  const errors: CausewayError[] = [];
  const views = members.map((host): HostView => {
    const resolved = resolveVars(playbook.vars, host);
    errors.push(...resolved.errors);
    return {
      name: host.name,
      address: host.connection.address,
      groups: host.groups,
      vars: resolved.vars,
      get facts() {
        const known = facts.get(host.name);
        if (!known) throw notYet;
        return known;
      },
    };
  });
  throwAll(once(errors));
  const fleet = new Fleet(views, () => new Set(facts.keys()));
  throwAll(playbook.check?.(fleet as never) ?? []);
  return { members, chosen, fleet, facts };
}

/** The same fault in a group's variable is one fault, not one a host. */
function once(errors: readonly CausewayError[]): CausewayError[] {
  const seen = new Set<string>();
  return errors.filter((error) => {
    const { at } = error.detail;
    const key = at
      ? `${error.message} ${at.file}:${at.line}:${at.column}`
      : `${error.message} ${error.detail.host}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Runs a playbook over the fleet. Errors that concern a host are its own; the others go on. */
export async function run(options: RunOptions): Promise<RunOutcome> {
  const began = Date.now();
  const { playbook, reporter, inventory } = options;
  const say = (event: Said) => reporter.event({ ...event, at: Date.now() - began } as never);
  const { chosen, fleet, facts } = prepare(options);
  const context = newContext(options, chosen, say);
  say({
    type: "run",
    id: context.id,
    playbook: playbook.name,
    summary: playbook.summary,
    check: options.check,
    hosts: chosen.map((h) => h.name),
  });
  const recaps: Record<string, HostRecap> = Object.fromEntries(chosen.map((h) => [h.name, emptyRecap()]));
  const hosts = await connectAll(options, context, chosen, fleet, facts, recaps);
  let verified = true;
  let refused: readonly CausewayError[] = [];
  try {
    refused = playbook.preflight?.(fleet as never) ?? [];
    if (refused.length === 0) {
      await runPlays(options, context, hosts, fleet, inventory);
      const standing = hosts.filter((h) => !h.failure);
      const everybody = standing.length === chosen.length && chosen.length > 0;
      if (
        options.verify &&
        !options.check &&
        !options.interrupted.aborted &&
        standing.length > 0 &&
        (everybody || standing.length > 1)
      ) {
        verified = await runProbes(playbook, fleet, standing, say);
      }
    }
  } finally {
    await Promise.all(hosts.map((h) => farewell(h, context)));
  }
  for (const host of hosts) recaps[host.name] = host.recap;
  const exitCode = refused.length > 0 ? 2 : exitCodeOf(recaps, verified, options.interrupted.aborted);
  say({
    type: "recap",
    hosts: recaps,
    check: options.check,
    interrupted: options.interrupted.aborted,
    exitCode,
    ms: Date.now() - began,
  });
  if (refused.length > 0) throwAll(refused);
  const retry = Object.entries(recaps)
    .filter(([, r]) => r.failed > 0 || r.unreachable)
    .map(([name]) => name)
    .sort();
  return { exitCode, hosts: recaps, retry };
}

function exitCodeOf(
  recaps: Readonly<Record<string, HostRecap>>,
  verified: boolean,
  interrupted: boolean,
): number {
  const all = Object.values(recaps);
  if (interrupted) return 130;
  if (all.some((r) => r.unreachable)) return 4;
  if (all.some((r) => r.failed > 0)) return 2;
  return verified ? 0 : 3;
}

function newContext(
  options: RunOptions,
  chosen: readonly InventoryHost[],
  say: (event: Said) => void,
): RunContext {
  const started = new Date();
  const id = `${started.toISOString().replaceAll(/[-:]|\.\d+/g, "")}-${randomBytes(2).toString("hex")}`;
  const user = process.env.SUDO_USER ?? userInfo().username;
  const machine = hostname();
  const record = {
    id,
    playbook: options.playbook.name,
    owns: options.playbook.owns ?? null,
    started: started.toISOString(),
    user,
    machine,
    hosts: chosen.map((h) => h.name),
  };
  return {
    id,
    owner: options.playbook.name,
    who: `${user}@${machine} since ${started.toISOString()} in run ${id}`,
    record: JSON.stringify(record),
    check: options.check,
    performTimeoutMs: options.session.commandTimeoutMs,
    say,
    interrupted: options.interrupted,
    changedSomething: false,
  };
}

/** Connects, and asks on the first trip for everything that can be asked: journal, facts, and what all tasks will read. */
async function connectAll(
  options: RunOptions,
  context: RunContext,
  chosen: readonly InventoryHost[],
  fleet: Fleet,
  facts: Map<string, Record<string, unknown>>,
  recaps: Record<string, HostRecap>,
): Promise<HostRun[]> {
  const connected: HostRun[] = [];
  await inBatches(chosen, options.forks, async (host) => {
    if (options.interrupted.aborted) return;
    context.say({ type: "connecting", host: host.name });
    const view = fleet.host(host.name);
    if (!view) return;
    try {
      const session = await options.connect(host.connection, options.session);
      const spoken = options.verbose ? spokenSession(session, context) : session;
      const state = new HostRun(host, view, spoken, context.say);
      context.say({ type: "connected", host: host.name, ms: session.stats.connectMs });
      await firstTrip(options, context, state, fleet, facts);
      connected.push(state);
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      const recap = emptyRecap();
      if (error.code === "unreachable") recap.unreachable = true;
      else recap.failed = 1;
      recaps[host.name] = recap;
      context.say({ type: error.code === "unreachable" ? "unreachable" : "failed", host: host.name, error });
    }
  });
  return chosen.flatMap((host) => connected.find((c) => c.name === host.name) ?? []);
}

function spokenSession(session: Awaited<ReturnType<Connect>>, context: RunContext): typeof session {
  return {
    name: session.name,
    push: (file, path) => session.push(file, path),
    close: () => session.close(),
    get stats() {
      return session.stats;
    },
    run: async (script, options) => {
      const began = Date.now();
      const result = await session.run(script, options);
      context.say({
        type: "command",
        host: session.name,
        command: script,
        code: result.code,
        ms: Date.now() - began,
      });
      return result;
    },
  };
}

async function firstTrip(
  options: RunOptions,
  context: RunContext,
  host: HostRun,
  fleet: Fleet,
  facts: Map<string, Record<string, unknown>>,
): Promise<void> {
  const reader = host.reader();
  const asked = Object.entries(options.playbook.facts ?? {}).map(
    async ([name, fact]) => [name, await fact.read(reader)] as const,
  );
  // Asked for now so that it travels along; the answers are taken, and the errors met, when each play is planned.
  for (const play of options.playbook.plays)
    for (const task of composeEarly(play, host, fleet)) void task.plan(host.reader()).catch(() => {});
  const [read] = await Promise.all([Promise.all(asked), host.readJournal()]);
  facts.set(host.name, Object.fromEntries(read));
  const { holder } = host.journal;
  if (holder && !options.check) await meetHolder(options, host, holder, context);
}

/** Somebody else is at work: said before anything is planned, unless the operator knows better. */
async function meetHolder(
  options: RunOptions,
  host: HostRun,
  holder: string,
  context: RunContext,
): Promise<void> {
  if (options.breakLock) {
    await host.session.run("rm -f /var/lib/causeway/lock");
    context.say({ type: "message", level: "warning", host: host.name, text: `broke the lock of ${holder}` });
    return;
  }
  await host.session.close();
  throw new CausewayError("host", "another run is working on this host", {
    host: host.name,
    found: `the lock is held by ${holder}`,
    advice: "wait until it has ended; if it is known to be dead, run again with --break-lock",
  });
}

function composeEarly(play: AnyPlay, host: HostRun, fleet: Fleet): readonly TaskInstance[] {
  try {
    return play.tasks(host.view, fleet);
  } catch {
    // It needs facts, or it is wrong: both show when the play's turn comes.
    return [];
  }
}

/** Plays one after the other, each a barrier: on all its hosts at once, tasks on one host in order. */
async function runPlays(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  fleet: Fleet,
  inventory: Inventory,
): Promise<void> {
  const { plays } = options.playbook;
  for (const [index, play] of plays.entries()) {
    if (options.interrupted.aborted) return;
    const named = new Set(
      select(inventory, play.hosts, `play “${play.title}”: hosts`, "playbook").map((h) => h.name),
    );
    let taking = hosts.filter((h) => !h.failure && named.has(h.name));
    if (play.once) taking = taking.slice(0, 1);
    if (context.changedSomething) for (const host of hosts) host.memory.forget(["shared"]);
    context.changedSomething = false;
    context.say({
      type: "play",
      title: play.title,
      index,
      count: plays.length,
      hosts: taking.map((h) => h.name),
    });
    const on = { title: play.title, index };
    const results = await Promise.allSettled(
      taking.map(async (host) => {
        const tasks = compose(play, host, fleet);
        await (options.check ? checkPlay(host, on, tasks) : convergePlay(host, context, on, tasks));
      }),
    );
    for (const [i, result] of results.entries()) {
      if (result.status === "fulfilled") continue;
      if (!(result.reason instanceof CausewayError)) throw result.reason;
      taking[i]?.fail(result.reason);
    }
  }
}

function compose(play: AnyPlay, host: HostRun, fleet: Fleet): readonly TaskInstance[] {
  try {
    return play.tasks(host.view, fleet);
  } catch (error) {
    if (error !== notYet) throw error;
    throw new CausewayError("host", `play “${play.title}” needs the facts of a host that did not answer`, {
      host: host.name,
      advice: "bring that host up, or take it out of the inventory",
    });
  }
}

/** Says in the journal how the run ended here, gives the lock back and hangs up. */
async function farewell(host: HostRun, context: RunContext): Promise<void> {
  if (host.entries > 0 && !host.recap.unreachable) {
    const state = host.failure ? (host.failure.code === "interrupted" ? "interrupted" : "failed") : "done";
    const { endScript } = await import("./perform-script.ts");
    await host.session.run(endScript(context.id, state).text).catch(() => {});
  }
  await host.session.close().catch(() => {});
}
