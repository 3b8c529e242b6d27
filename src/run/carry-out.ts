import { fetchedMember } from "../archives/fetched.ts";
import { CausewayError } from "../errors.ts";
import { masked } from "../host/sh.ts";
import { parseAtRisk } from "../host/tools/containers.ts";
import { journalFolder } from "../journal/folder.ts";
import {
  type ConsequenceState,
  causesOf,
  type Ended,
  Follower,
  type Left,
  shownAction,
} from "../journal/follow.ts";
import { hostLibrary } from "../journal/library.ts";
import {
  type Action,
  type Armed,
  cutsOff,
  type Due,
  headAfter,
  hostScript,
  shownScript,
  timeoutOf,
} from "../journal/script.ts";
import { mayInterrupt } from "../playbook/leave.ts";
import { type Consequence, consequenceWords, type Step } from "../task/step.ts";
import { changeOf, ended as endedContainers, endedUnits, owedChange, refusal } from "./containers.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import { inOrder } from "./plan.ts";

/** What saving one resource adds to the time until the first step begins. */
const savingMs = 1000;

/** What could not be done although nothing failed: only where entries are taken back for good. */
export interface LeftOver {
  kept: readonly Left[];
  unlike: readonly Left[];
  stuck?: Left;
}

type WithoutNumber<A> = A extends { n: string } ? Omit<A, "n"> : A;

/** An action before it has its number in the journal. */
export type Intended = WithoutNumber<Action>;

/** Carries out actions on one host in one script, then whatever reload and restart is due with them. */
export async function carryOut(
  host: HostRun,
  run: RunContext,
  intended: readonly Intended[],
  consequences: readonly Consequence[],
): Promise<LeftOver> {
  if (intended.length === 0 && consequences.length === 0) return { kept: [], unlike: [] };
  for (const one of intended)
    if (one.does === "step" && one.step.push) await push(host, run, one.identity.task, one.step.push);
  const actions = intended.map((one): Action => ("identity" in one ? { ...one, n: host.nextNumber() } : one));
  const causedBy = (words: string) =>
    actions.filter((a) => "n" in a && causesOf(a).some((c) => consequenceWords(c) === words));
  const due = inOrder(consequences).map((consequence): Due => {
    const words = consequenceWords(consequence);
    const now = causedBy(words).flatMap((a) => ("n" in a ? [a.n] : []));
    return { consequence, causedBy: [...new Set([...(host.owed.get(words)?.causedBy ?? []), ...now])] };
  });
  const armed = cutsOff({ actions, due }) ? host.switch.wanted : undefined;
  const follower = await follow(host, run, actions, due, armed);
  for (const { consequence } of due) host.owed.delete(consequenceWords(consequence));
  const { kept, unlike } = follower;
  return { kept, unlike, ...(follower.stuck ? { stuck: follower.stuck } : {}) };
}

/** Sends the script and follows it to its end; anything but a good end is an error of the host. */
async function follow(
  host: HostRun,
  run: RunContext,
  actions: readonly Action[],
  due: readonly Due[],
  armed: Armed | undefined,
): Promise<Follower> {
  const changes = [...actions.flatMap(changeOf), ...due.map((one) => owedChange(one.consequence, ""))];
  const whole = {
    run: run.id,
    host: host.name,
    head: host.journal.head,
    who: run.who,
    record: run.record,
    actions,
    due,
    armed,
    live: run.verbose,
    interrupts: { units: [...endedUnits(changes).keys()], leave: mayInterrupt(host.view.vars) },
  };
  const send = async (libraries: readonly string[]) => {
    const script = hostScript({ ...whole, libraries });
    const listener = listenerOn(host, due);
    const follower = new Follower(actions, script.secrets, run.commandTimeoutMs, listener);
    const stop = () => void host.session.push("/dev/null", `${journalFolder}/stop-${run.id}`).catch(() => {});
    run.interrupted.addEventListener("abort", stop, { once: true });
    if (armed) host.switch.arm(host.session, run.id);
    try {
      const { code, stderr } = await host.session.run(script.text, {
        timeoutMs: run.commandTimeoutMs + savingMs * actions.length,
        onLine: (line, allow) => {
          const ms = follower.line(line);
          if (ms !== undefined) allow(ms);
        },
        shown: masked(shownScript({ actions, due }), script.secrets),
        secrets: script.secrets,
      });
      return { follower, ended: follower.ended(code), output: follower.output(stderr) };
    } catch (error) {
      follower.heardAll();
      throw listener.during(error);
    } finally {
      run.interrupted.removeEventListener("abort", stop);
    }
  };
  if (run.interrupted.aborted) throw interruptedBefore(host, actions[0]);
  const { armedFor } = host.switch;
  if (armed && armed.seconds !== armedFor)
    host.say({ type: "switch", host: host.name, state: "armed", seconds: armed.seconds });
  let { follower, ended, output } = await send(host.journal.libraries);
  // The library was removed or damaged: it is sent again as text, and kept.
  if (ended.how === "no library") ({ follower, ended, output } = await send([]));
  if (armed && armedFor === 0 && unchanged.has(ended.how)) host.switch.off();
  noteEnd(host, run, actions, due, ended);
  // What asked for it was undone, and the service started again without it: nothing is owed any more.
  if (ended.how === "restart failed" && ended.undone.length > 0 && ended.stuck.length === 0)
    host.owed.delete(ended.what);
  if (ended.how !== "interrupts") host.tellEnded(endedContainers(follower.containers));
  if (ended.how !== "all") throw errorOf(ended, { host, run, actions, follower, output });
  return follower;
}

/** Ends of a script that did nothing. */
const unchanged: ReadonlySet<Ended["how"]> = new Set([
  "locked",
  "moved",
  "no journal",
  "no library",
  "not armed",
  "interrupts",
]);

/** What the script did to the host, as far as the next one has to know. */
function noteEnd(
  host: HostRun,
  run: RunContext,
  actions: readonly Action[],
  due: readonly Due[],
  { how }: Ended,
): void {
  if (unchanged.has(how)) return;
  host.began = true;
  const head = actions.length > 0 ? `${run.id} ${headAfter(actions)}` : host.journal.head;
  const libraries = [...new Set([...host.journal.libraries, hostLibrary().hash])];
  host.journal = { ...host.journal, head, libraries };
  const onlySteps = due.length === 0 && actions.every(({ does }) => does === "step");
  host.memory.forget(onlySteps ? [...actions.flatMap(touchedBy), "journal"] : ["*"]);
  run.changedSomething ||= actions.length > 0;
}

function touchedBy(action: Action): readonly string[] {
  return action.does === "step" ? action.step.touches : ["*"];
}

/** Sends a file ahead of its step; one out of an archive is fetched and unpacked here first. */
async function push(
  host: HostRun,
  run: RunContext,
  task: string,
  { from, to }: NonNullable<Step["push"]>,
): Promise<void> {
  try {
    const file = typeof from === "string" ? from : await fetchedMember(from, run.interrupted);
    await host.session.push(file, to);
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    throw new CausewayError(error.code, error.message, { ...error.detail, host: host.name, task });
  }
}

/** Says what goes on, counts it, and notes which restarts are owed from now on. */
function listenerOn(host: HostRun, due: readonly Due[]) {
  let current: Action | undefined;
  let doing = "";
  return {
    action(action: Action, state: "started" | "done" | "failed", ms: number) {
      current = state === "started" ? action : undefined;
      doing = current ? shownAction(current).what : "";
      // A step that failed has changed nothing that would want a restart.
      if (state === "done") for (const cause of causesOf(action)) oweFor(host, cause, action);
      if (state === "done") host.recap.steps += 1;
      const task = nameOfTask(action);
      const about = { type: "step", host: host.name, task, step: shownAction(action), state } as const;
      host.say(state === "started" ? about : { ...about, ms });
    },
    consequence(what: string, state: ConsequenceState, ms: number) {
      current = undefined;
      doing = state === "started" ? what : "";
      if (state === "done" && what.startsWith("restart")) host.recap.restarts += 1;
      const why = [...(host.owed.get(what)?.why ?? [])];
      const about = { type: "consequence", host: host.name, what, why, state } as const;
      host.say(state === "started" || state === "spared" ? about : { ...about, ms });
      if (state === "done" || state === "spared")
        for (const { consequence } of due) if (consequenceWords(consequence) === what) host.owed.delete(what);
    },
    said(lines: readonly string[], isFull: boolean) {
      const task = current && nameOfTask(current);
      const about = { type: "output", host: host.name, what: doing, lines } as const;
      host.say({
        ...about,
        ...(task === undefined ? {} : { task }),
        ...(isFull ? { cut: true as const } : {}),
      });
    },
    /** An error of the session, with the step that was going on. */
    during(error: unknown): unknown {
      if (!(error instanceof CausewayError)) return error;
      if (error.code === "unreachable") return lostDuring(error, doing, current);
      if (!current || error.code !== "host") return error;
      const own = timeoutOf(current);
      return new CausewayError(error.code, error.message, {
        ...error.detail,
        task: taskOf(current),
        ...commandOf(current),
        ...(own === undefined
          ? {}
          : { expected: `at most ${own / 1000} s, the time limit of this kind of step` }),
      });
    },
  };
}

/** Nobody knows whether what was going on when the host was lost came to its end. */
function lostDuring(error: CausewayError, doing: string, action: Action | undefined): CausewayError {
  if (doing === "") return error;
  return new CausewayError(error.code, error.message, {
    ...error.detail,
    ...(action ? { task: taskOf(action), ...commandOf(action) } : { command: `systemctl ${doing}` }),
    found: `${doing} was under way; whether it ended is not known`,
    advice:
      "run again once the host can be reached: it says what was left unfinished, and completes or undoes it",
  });
}

function oweFor(host: HostRun, consequence: Consequence, action: Action): void {
  owe(host, consequence, shownAction(action).what, "n" in action ? action.n : undefined);
}

/** Notes a reload or restart that has to come at the end of the play, why, and for which entry. */
export function owe(host: HostRun, consequence: Consequence, why: string, entry?: string): void {
  const words = consequenceWords(consequence);
  const owed = host.owed.get(words) ?? { consequence, causedBy: [], why: new Set<string>() };
  if (entry) owed.causedBy.push(entry);
  owed.why.add(why);
  host.owed.set(words, owed);
}

function interruptedBefore(host: HostRun, action: Action | undefined): CausewayError {
  return new CausewayError(
    "interrupted",
    `stopped before ${action ? shownAction(action).what : "the next step"}`,
    {
      host: host.name,
      advice: "run again to finish, or roll back",
    },
  );
}

interface Told {
  host: HostRun;
  run: RunContext;
  actions: readonly Action[];
  follower: Follower;
  output: string;
}

/** The error of a script that came to another end than its last line. */
function errorOf(ended: Ended, { host, run, actions, follower, output }: Told): CausewayError {
  const common = { host: host.name, output };
  switch (ended.how) {
    case "locked":
      return new CausewayError("host", "another run is working on this host", {
        ...common,
        found: `the lock is held by ${ended.holder}`,
        expected: `a free lock for ${run.who}`,
        advice: "wait until it ends; if you know that it is dead, run again with --break-lock",
      });
    case "moved":
      return new CausewayError("host", "another run changed this host between the plan and now", {
        ...common,
        found: `journal at ${ended.head}`,
        advice: "run again to plan against the present state; nothing was changed",
      });
    case "stopped":
      return new CausewayError(
        "interrupted",
        `stopped before ${ended.before ? shownAction(ended.before).what : "the next step"}`,
        {
          ...common,
          found: `${follower.done.size} of ${actions.length} steps done`,
          advice: "run again to finish, or roll back",
        },
      );
    case "interrupts": {
      const refused = refusal(host, parseAtRisk(follower.containers.atRisk));
      if (refused) return refused;
      break;
    }
    case "no journal":
      return new CausewayError("host", "the journal cannot be written, so nothing was changed", {
        ...common,
        found: ended.path,
      });
    case "unnoted": {
      const what = ended.action ? shownAction(ended.action).what : "a step";
      return new CausewayError("host", `${what} was performed, but the journal cannot note what it made`, {
        ...common,
        ...(ended.action ? { task: taskOf(ended.action) } : {}),
        found: `${ended.path}.now cannot be written`,
        expected: "space on that file system, where an undo finds what was there before",
        command: `df -h ${journalFolder}`,
        advice: "make room there, then run again: it completes what was left unfinished",
      });
    }
    case "not armed":
      return new CausewayError(
        "host",
        "the host cannot promise to take back by itself what is done now, so nothing was changed",
        {
          ...common,
          found: ended.why,
          expected:
            "a unit of systemd that waits for the confirmation, started before the first step that may cut the runner off",
          advice:
            "fix what the output says, or run with --confirm-timeout 0, which does without that promise",
        },
      );
    case "step failed": {
      const { action, code } = ended;
      const what = action ? shownAction(action).what : "a step";
      const where = action ? { task: taskOf(action), ...commandOf(action) } : {};
      const isQuiet = action?.does === "step" && action.step.noLog;
      const said = isQuiet ? { ...common, output: "hidden, as noLog says" } : common;
      return new CausewayError("host", `${what} failed with code ${code}`, { ...said, ...where });
    }
    case "restart failed":
      return restartFailed(ended, { ...common, undoing: actions.some(({ does }) => does === "take back") });
  }
  if (host.switch.isOver)
    return new CausewayError(
      "host",
      "the host ended what this run did there, because it was not confirmed in time",
      {
        ...common,
        advice: "what it took back by itself is told once it can be asked",
      },
    );
  return new CausewayError("host", "the script on the host ended unexpectedly", {
    ...common,
    found: ended.how === "unknown" ? `code ${ended.code}` : ended.how,
    advice: "run again: it says what was left unfinished, and completes or undoes it",
  });
}

function restartFailed(
  { what, undone, stuck, unit }: Extract<Ended, { how: "restart failed" }>,
  { undoing, ...common }: { host: string; output: string; undoing: boolean },
): CausewayError {
  const names = (actions: readonly Action[]) => actions.map((action) => shownAction(action).what).join(", ");
  const found = [
    undone.length > 0 ? `undone: ${names(undone)}` : "",
    stuck.length > 0 ? `not undone: ${names(stuck)}` : "",
    unit,
  ].filter(Boolean);
  const asked = undone.length + stuck.length > 0;
  const then = undoing ? " after the undo" : asked ? "; the steps that asked for it were undone" : "";
  return new CausewayError("host", `${what} failed${then}`, {
    ...common,
    found: found.join("; "),
    command: `systemctl ${what}`,
    advice: asked
      ? "the output of the daemon is below; correct the variables and run again"
      : "the output of the daemon is below; fix its cause and give the same command again",
  });
}

function nameOfTask(action: Action): string {
  return action.does === "step" ? action.identity.task : action.entry.task;
}

/** Whose action it is, as an error names it. */
export function taskOf(action: Action): string {
  const { task, key } = action.does === "step" ? action.identity : action.entry;
  return `${task} ${key}`;
}

function commandOf(action: Action): { command?: string } {
  if (action.does !== "step" || action.step.perform.secrets.length > 0) return {};
  const { text } = action.step.perform;
  return { command: text.length > 400 ? `${text.slice(0, 400)}…` : text };
}
