import { randomBytes } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { CausewayError, exitCodes } from "../errors.ts";
import type { InventoryHost } from "../inventory/types.ts";
import { endScript } from "../journal/script.ts";
import { ownCommand } from "../own-command.ts";
import type { Playbook } from "../playbook/define.ts";
import type { Fleet } from "../playbook/fleet.ts";
import type { RunContext } from "./context.ts";
import type { HostRecap, RunEvent } from "./events.ts";
import { connectAll } from "./first-trip.ts";
import { emptyRecap, type HostRun, type Said } from "./host-run.ts";
import { interruptionsOf } from "./interruptions.ts";
import { narrow } from "./narrow.ts";
import type { RunOptions, RunOutcome } from "./options.ts";
import { isComplete, type PlaysEnded, runPlays } from "./plays.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { type Proof, runProbes } from "./probes.ts";
import { refusalsOf } from "./refusals.ts";
import { finishHalfDone, heldByOthers, removeUnplanned, takeOver, tellHalfDone } from "./removals.ts";
import { everything, isPartial, selectionWords } from "./selection.ts";
import { partedPlays } from "./spread.ts";
import { confirm } from "./switch.ts";
import { takeOwnPartBack, tellNext, whyNotTakenOut } from "./take-out.ts";
import { undoRuns, unknownLastRun } from "./undo-runs.ts";
import { Watch } from "./watch.ts";
import { besideOf, copiedJournals, noteJournalsOfBefore, tellJournalsOfBefore } from "./whose-journal.ts";

/** Runs a playbook over the fleet. Errors that concern a host are its own; the others go on. */
export async function run(options: RunOptions): Promise<RunOutcome> {
  const began = Date.now();
  const { playbook, reporter } = options;
  const say = (said: Said) => {
    const event = { ...said, at: Date.now() - began } as RunEvent;
    watch.hear(event);
    reporter.event(event);
  };
  const prepared = options.prepared ?? prepare(options);
  const { chosen, fleet } = prepared;
  // A dead host is asked, too: one that answers is not dead.
  const dead = new Set(options.leaving?.dead ? options.leaving.names : []);
  const asked = [...chosen, ...prepared.leaving];
  const taking = asked.filter((host) => !dead.has(host.name));
  const context = newContext(options, chosen, say);
  const watch = new Watch(options, context, fleet, began);
  say({
    type: "run",
    id: context.id,
    playbook: playbook.name,
    summary: playbook.summary,
    check: options.check,
    hosts: taking.map((h) => h.name),
    ...(options.leaving ? { leaving: options.leaving.names, dead: options.leaving.dead } : {}),
  });
  const recaps: Record<string, HostRecap> = Object.fromEntries(taking.map((h) => [h.name, emptyRecap()]));
  const connected = await connectAll(options, context, prepared, asked, (host, error) => {
    if (dead.has(host.name)) {
      say({ type: "message", level: "info", host: host.name, text: `counts as dead: ${error.message}` });
      return;
    }
    const unreachable = error.code === "unreachable";
    recaps[host.name] = { ...emptyRecap(), unreachable, failed: unreachable ? 0 : 1 };
    say({ type: unreachable ? "unreachable" : "failed", host: host.name, error });
  });
  const hosts = connected.filter(({ name }) => fleet.host(name) !== undefined);
  const going = connected.filter((host) => !hosts.includes(host));
  let verified = true;
  let ended: { how: PlaysEnded["how"] } = { how: "all" };
  let refused: readonly CausewayError[] = [];
  try {
    for (const remark of playbook.remarks?.(fleet as never) ?? [])
      say({ type: "message", level: "warning", ...remark });
    tellTopology(playbook, fleet, say);
    tellJournalsOfBefore(connected);
    refused = await whyNothingIsDone(options, context, prepared, { hosts, going });
    if (refused.length === 0) refused = await watch.start(hosts);
    if (refused.length === 0) {
      await noteJournalsOfBefore(context, connected);
      if (playbook.undoes) await undoRuns(options, context, hosts, prepared);
      else if (await takeOwnPartBack(options, context, { going, staying: hosts }))
        ended = await change(options, context, hosts, prepared);
      else ended = { how: "stopped" };
      const standing = hosts.filter((h) => !h.failure);
      if (ended.how === "gate") verified = false;
      else if (ended.how === "all" && isProvable(options, standing, chosen))
        verified = held(
          await runProbes(playbook.verify, fleet, standing, {
            ...context,
            evidence: options.evidence === true,
            allPairs: options.allPairs === true,
          }),
        );
      if (options.leaving && ended.how === "all" && connected.every((host) => !host.failure))
        tellNext(options, context);
    }
    await confirm(options, context, connected);
  } finally {
    await watch.stop().finally(() => Promise.all(connected.map((h) => closeHost(h, context, connected))));
  }
  for (const error of refused) say({ type: "refused", error });
  const overMaxGap = verified ? watch.over : 0;
  if (watch.over > 0) verified = false;
  for (const host of connected) if (host.name in recaps) recaps[host.name] = host.recap;
  const interrupted = options.interrupted.aborted || ended.how === "declined";
  const exitCode = exitCodeOf(recaps, { refused, verified, interrupted });
  say({
    type: "recap",
    hosts: recaps,
    check: options.check,
    interrupted,
    ...(context.notBegun.size > 0 ? { notBegun: [...context.notBegun] } : {}),
    ...(context.undone.size > 0 ? { undone: [...context.undone] } : {}),
    ...(overMaxGap > 0 ? { overMaxGap } : {}),
    exitCode,
    ms: Date.now() - began,
  });
  // Where one host's refusal stopped the run, nothing was done on the others either.
  const isRefused = refused.some(({ code }) => code === "host");
  const isLeft = ([name, { failed, unreachable }]: [string, HostRecap]) =>
    isRefused || failed > 0 || unreachable || context.notBegun.has(name) || context.undone.has(name);
  const left = Object.entries(recaps)
    .filter(isLeft)
    .map(([name]) => name);
  const retry = withAttending(left, prepared).sort();
  return { exitCode, hosts: recaps, retry, refused };
}

/** Hosts that are left to do, with those that attend to them: without these a retry could not take them out. */
function withAttending(names: readonly string[], { hostsOf, attending }: Prepared): string[] {
  const attend = [...attending].filter(([play]) => names.some((name) => hostsOf.get(play)?.has(name)));
  return [...new Set([...names, ...attend.flatMap(([, theirs]) => [...theirs])])];
}

/** The network that is to be, with the addresses of those who take part. */
function tellTopology(playbook: Playbook, fleet: Fleet, say: (event: Said) => void): void {
  const topology = playbook.topology?.(fleet as never);
  if (!topology) return;
  const hosts = topology.hosts.map(({ name, subnet }) => ({
    name,
    address: fleet.host(name)?.address ?? name,
    ...(subnet === undefined ? {} : { subnet }),
  }));
  say({ type: "topology", ...topology, hosts });
}

/** What stops the run before the first step anywhere; the first judge that finds something is the last one asked. */
async function whyNothingIsDone(
  options: RunOptions,
  context: RunContext,
  prepared: Prepared,
  { hosts, going }: { hosts: readonly HostRun[]; going: readonly HostRun[] },
): Promise<readonly CausewayError[]> {
  const { playbook, leaving } = options;
  const judges: (() => readonly CausewayError[] | Promise<readonly CausewayError[]>)[] = [
    () =>
      copiedJournals(
        [...hosts, ...going],
        options.inventory.hosts.map((host) => host.name),
      ),
    () => (hosts.length > 0 ? unknownLastRun(options, hosts, prepared) : []),
    () => narrow(options, context, hosts, prepared),
    () => refuseTakingOverInPart(options, hosts),
    () => playbook.preflight?.(prepared.fleet as never) ?? [],
    () => partedPlays(options, hosts, prepared),
    () => (leaving ? whyNotTakenOut(options, context, prepared, { going, staying: hosts }) : []),
    async () => {
      const found = [
        ...(await refusalsOf(options, hosts, prepared)),
        ...(await interruptionsOf(options, hosts, prepared)),
      ];
      tellRefusals(found, options, context, hosts);
      return found;
    },
  ];
  for (const judge of judges) {
    const found = await judge();
    if (found.length > 0) return found;
  }
  return [];
}

/** Another playbook's network is undone as a whole, so what takes its place has to be whole, too. */
function refuseTakingOverInPart(
  { playbook, selection = everything }: RunOptions,
  hosts: readonly HostRun[],
): CausewayError[] {
  if (!isPartial(selection)) return [];
  return hosts.flatMap((host) => {
    const [held] = heldByOthers(playbook, host);
    if (!held) return [];
    return [
      new CausewayError("host", `a part of ${playbook.name} cannot take the place of ${held.owner}`, {
        host: host.name,
        found: `${held.owner} holds the ${playbook.owns}; this run has ${selectionWords(selection).join(" ")}`,
        expected: `a run of all of ${playbook.name}, which undoes ${held.owner} first`,
        advice: "leave these options out once; after that they do",
      }),
    ];
  });
}

/** Undoes what is in the way, plays, and undoes what is no longer planned. */
async function change(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
  prepared: Prepared,
): Promise<PlaysEnded> {
  // A limit, chosen tags, or a host that did not answer: then nothing can be inferred from what was not planned.
  const { chosen, members } = prepared;
  const all = chosen.length === members.length && hosts.length === chosen.length;
  const whole = all && !isPartial(options.selection ?? everything);
  tellHalfDone(options, context, hosts, whole);
  await takeOver(options, context, hosts);
  const ended = await runPlays(options, context, hosts, prepared, whole);
  if (whole && isComplete(ended, hosts) && options.playbook.plays.length > 0)
    await removeUnplanned(options, context, hosts);
  if (!options.check) await finishHalfDone(context, hosts);
  return ended;
}

/** That the others were left alone, too, and how they can go on. */
function tellRefusals(
  refused: readonly CausewayError[],
  { limit }: RunOptions,
  { say }: RunContext,
  hosts: readonly HostRun[],
): void {
  const names = [...new Set(refused.flatMap(({ detail: { host } }) => host ?? []))];
  if (names.length === 0 || names.length === hosts.length) return;
  const others = [limit ?? [], ...names.map((name) => `!${name}`)].flat().join(":");
  const text = `no host is changed, because of ${names.join(", ")}; to go on without: --limit '${others}'`;
  say({ type: "message", level: "warning", text });
}

function held({ failed, errors }: Proof): boolean {
  return failed.length === 0 && errors === 0;
}

/** A pair needs two; a fleet of one host is proved as it is. */
function isProvable(
  options: RunOptions,
  standing: readonly HostRun[],
  chosen: readonly InventoryHost[],
): boolean {
  if (!options.verify || options.check || options.interrupted.aborted) return false;
  return standing.length > 1 || (standing.length === 1 && chosen.length === 1);
}

/** Of several reasons the worst one counts; that a host is unreachable wins over every failure and refusal. */
function exitCodeOf(
  recaps: Readonly<Record<string, HostRecap>>,
  {
    refused,
    verified,
    interrupted,
  }: { refused: readonly CausewayError[]; verified: boolean; interrupted: boolean },
): number {
  const all = Object.values(recaps);
  if (interrupted) return 130;
  if (all.some((r) => r.unreachable)) return 4;
  const hasFailed = all.some((r) => r.failed > 0);
  // Whose answer was missing was reached after all: it failed, as one whose journal is not believed.
  if (refused[0]) return refused[0].code === "unreachable" && hasFailed ? 2 : exitCodes[refused[0].code];
  if (hasFailed) return 2;
  return verified ? 0 : 3;
}

function newContext(
  options: RunOptions,
  chosen: readonly InventoryHost[],
  say: (event: Said) => void,
): RunContext {
  const started = new Date();
  // Runs are taken back in the order of their names: two of one second must not be told apart by chance.
  const id = `${started.toISOString().replaceAll(/[-:.]/g, "")}-${randomBytes(2).toString("hex")}`;
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
    commandTimeoutMs: options.session.commandTimeoutMs,
    verbose: options.verbose,
    say,
    interrupted: options.interrupted,
    plannedOfFleet: new Set(),
    history: ownCommand("history", options.reach),
    rollback: ownCommand("rollback", id, options.reach),
    leftOut: new Set(),
    notBegun: new Set(),
    undone: new Set(),
    left: options.left ?? (() => {}),
    changedSomething: false,
  };
}

/** Records in the journal how the run ended here, releases the lock and closes the session. */
async function closeHost(host: HostRun, context: RunContext, connected: readonly HostRun[]): Promise<void> {
  // Where a bug ended the run nothing was confirmed, and a renewal would keep this process from ending.
  host.switch.off();
  if (host.began && !host.recap.unreachable) {
    const state = host.failure ? (host.failure.code === "interrupted" ? "interrupted" : "failed") : "done";
    const script = endScript(context.id, state, besideOf(host, connected));
    await host.session.run(script.text, { shown: `# the run ends here: ${state}` }).catch(() => {});
  }
  const { roundTrips, commands } = host.session.stats;
  host.say({ type: "disconnected", host: host.name, roundTrips, commands });
  await host.session.close().catch(() => {});
}
