import { CausewayError } from "../errors.ts";
import type { Session } from "../host/session.ts";
import { masked } from "../host/sh.ts";
import type { InventoryHost } from "../inventory/types.ts";
import { standingEntries } from "../journal/entries.ts";
import { Fleet } from "../playbook/fleet.ts";
import type { TaskInstance } from "../task/define.ts";
import { tasksOf } from "./compose.ts";
import type { RunContext } from "./context.ts";
import { readFacts } from "./facts.ts";
import { HostRun } from "./host-run.ts";
import { inParallel } from "./in-parallel.ts";
import type { RunOptions } from "./options.ts";
import type { AnyPlay, Prepared } from "./prepare.ts";
import { confirmSeconds, settleSwitch, tellReverted } from "./switch.ts";

/**
 * Connects to hosts, so many at a time, and asks each on its first trip for everything that can be asked: journal,
 * facts, and what all tasks will read. Gives the hosts that answered, in the inventory's order; `lost` takes the others.
 */
export async function connectAll(
  options: RunOptions,
  context: RunContext,
  prepared: Prepared,
  asked: readonly InventoryHost[],
  lost: (host: InventoryHost, error: CausewayError) => void,
): Promise<HostRun[]> {
  const connected = new Map<string, HostRun>();
  const parallel = { atOnce: options.forks, renderer: options.reporter.renderer };
  await inParallel(asked, parallel, async (host) => {
    if (options.interrupted.aborted) return;
    context.say({ type: "connecting", host: host.name });
    let session: Session | undefined;
    try {
      session = await options.connect(host.connection, options.session);
      context.say({ type: "connected", host: host.name, ms: session.stats.connectMs });
      const { fleet } = prepared;
      const view = fleet.host(host.name) ?? leavingView(fleet, host.name);
      const state = new HostRun(
        host,
        view,
        options.verbose ? reportingCommands(session, context) : session,
        context.say,
      );
      // One that is no number fails the host before anything is asked of it.
      confirmSeconds(state, options);
      await firstTrip(options, context, state, prepared);
      connected.set(host.name, state);
    } catch (error) {
      await session?.close().catch(() => {});
      if (!(error instanceof CausewayError)) throw error;
      lost(host, error);
    }
  }).catch(async (bug: unknown) => {
    // An open connection would keep this process from ending.
    await Promise.all([...connected.values()].map(({ session }) => session.close().catch(() => {})));
    throw bug;
  });
  const hosts = asked.flatMap((host) => connected.get(host.name) ?? []);
  const ways = new Set(hosts.flatMap(({ session }) => session.through));
  for (const one of hosts) {
    one.carries = one.host.connection.kind === "local" || ways.has(one.host.connection.address);
    one.switch.seconds = confirmSeconds(one, options);
  }
  return hosts;
}

/** A host that leaves is asked for its journal alone: no play is for it, and no check looks at its facts. */
function leavingView(fleet: Fleet, name: string): HostRun["view"] {
  const view = fleet.leaving.find((host) => host.name === name);
  return { ...view, facts: {} } as HostRun["view"];
}

/** A session that reports every command. */
function reportingCommands(session: Session, context: RunContext): Session {
  return {
    name: session.name,
    push: (file, path) => session.push(file, path),
    beside: (script) => session.beside(script),
    through: session.through,
    accompany: (script, onLine) => session.accompany(script, onLine),
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
        command: masked(options?.shown ?? script, options?.secrets),
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
  prepared: Prepared,
): Promise<void> {
  const journal = host.readJournal();
  const standing = journal.then(() => standingEntries(host.journal));
  // A journal that cannot be read fails the host below, whether a fact asked for it or not.
  standing.catch(() => {});
  const stays = prepared.fleet.host(host.name) !== undefined;
  const asked = readFacts((stays && options.playbook.facts) || {}, host, standing);
  // Asked for now so that it travels along; the answers are taken, and the errors met, when each play is planned.
  for (const play of options.playbook.plays)
    for (const task of composeEarly(play, host, prepared)) void task.look(host.reader()).catch(() => {});
  const [read] = await Promise.all([asked, journal]);
  if (stays) prepared.facts.set(host.name, read);
  if (host.journal.holder && !options.check) await checkLock(options, host, host.journal.holder, context);
  // What was read is of before.
  if (await settleSwitch(host, context)) await firstTrip(options, context, host, prepared);
  else tellReverted(host, context);
}

/** Another run holds the lock: an error before anything is planned, unless --break-lock is given. */
async function checkLock(
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
  throw new CausewayError("host", "another run is working on this host", {
    host: host.name,
    found: `the lock is held by ${holder}`,
    advice: "wait until it ends; if you know that it is dead, run again with --break-lock",
  });
}

/** The tasks of a play as far as they are known before the facts; none of a play that is other hosts'. */
function composeEarly(play: AnyPlay, host: HostRun, prepared: Prepared): readonly TaskInstance[] {
  if (!prepared.hostsOf.get(play)?.has(host.name)) return [];
  let final = true;
  const reached = () => {
    // Who answers is not known yet: what depends on it is composed again when the play's turn comes.
    final = false;
    return prepared.reached();
  };
  try {
    const { hosts, leaving } = prepared.fleet;
    const tasks = tasksOf(play, host, new Fleet(hosts, reached, leaving));
    if (final) host.composed.set(play, tasks);
    return tasks;
  } catch {
    // It needs facts, or it is wrong: both show once the facts are there.
    return [];
  }
}
