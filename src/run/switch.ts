import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { CausewayError } from "../errors.ts";
import type { CommandResult, Session } from "../host/session.ts";
import type { RunRecord } from "../journal/entries.ts";
import type { Armed } from "../journal/script.ts";
import { confirmScript, renewScript, revertScript, settleScript } from "../journal/script.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import { inParallel } from "./in-parallel.ts";
import { leastConfirmSeconds, type RunOptions } from "./options.ts";

/** How long a host waits for a confirmation where nothing else is said. */
export const confirmSecondsByDefault = 60;
/** What an undo by the host itself may take beyond the time that it waits. */
const undoingMs = 120_000;
/** Between two tries to reach a host anew. */
const pauseMs = 1000;

/**
 * How long a host waits for a confirmation: as the command line, the host's variable, or the play says. One that others are
 * reached through waits twice as long: they are confirmed first.
 */
export function confirmSeconds(
  host: HostRun,
  options: RunOptions,
  play?: { confirmTimeout?: number },
): number {
  return secondsSaid(host, options, play) * (host.carries ? 2 : 1);
}

/** Says of which hosts the play or their variable switched it off; that the command line did is said once for all. */
export function tellSwitchedOff(
  hosts: readonly HostRun[],
  options: RunOptions,
  context: RunContext,
  play: { confirmTimeout?: number },
): void {
  if (context.check || options.confirmSeconds !== undefined) return;
  for (const host of hosts) {
    if (host.switch.seconds > 0) continue;
    const why =
      host.host.vars[variable] === undefined ? `confirmTimeout ${play.confirmTimeout}` : `${variable} 0`;
    const text = `${why}: if it is cut off, it does not take this play back by itself`;
    context.say({ type: "message", level: "warning", host: host.name, text });
  }
}

function secondsSaid(
  { host }: HostRun,
  { confirmSeconds: asked }: RunOptions,
  play?: { confirmTimeout?: number },
): number {
  const { [variable]: own } = host.vars;
  if (asked !== undefined) return asked;
  if (own === undefined) return play?.confirmTimeout ?? confirmSecondsByDefault;
  const seconds = typeof own === "string" && own.trim() !== "" ? Number(own) : own;
  const at = host.whereIs(variable);
  if (typeof seconds === "number" && (seconds === 0 || seconds >= leastConfirmSeconds))
    return Math.ceil(seconds);
  throw new CausewayError("inventory", `${variable} of ${host.name} is no number of seconds`, {
    ...(at ? { at } : {}),
    found: String(own),
    expected: `at least ${leastConfirmSeconds}, or 0 to switch it off`,
  });
}

const variable = "causeway_confirm_timeout";

/**
 * A run's switch on one host: armed by the first script that may cut the runner off, renewed while the runner lives, and off once
 * the run is confirmed over a new connection. If it is not, the host takes back by itself what the run did.
 */
export class Switch {
  /** How many seconds the host waits from the next script on that arms; 0 where it is switched off. */
  seconds = confirmSecondsByDefault;
  readonly token = randomBytes(8).toString("hex");
  /** The number of the first entry that is not confirmed. */
  #from = "0001";
  /** How many seconds the host waits now; 0 where nothing is armed. */
  armedFor = 0;
  #renewals: NodeJS.Timeout | undefined;
  #renewed = 0;

  get isArmed(): boolean {
    return this.armedFor > 0;
  }

  /** When the host takes the run back unless it is confirmed before; a time as `Date.now()` has it. */
  get fires(): number {
    return this.#renewed + this.armedFor * 1000;
  }

  /** Whether the host takes the run back by now. */
  get isOver(): boolean {
    return this.isArmed && Date.now() > this.fires;
  }

  /** What a script has to arm; nothing where that is switched off. */
  get wanted(): Armed | undefined {
    if (this.seconds === 0) return undefined;
    return { token: this.token, seconds: this.seconds, from: this.#from };
  }

  /**
   * From the moment that a script was sent which arms it, or gives it the time of another play; what goes wrong with a renewal
   * shows when it is confirmed.
   */
  arm(session: Session, run: string): void {
    const { seconds } = this;
    this.armedFor = seconds;
    this.#renewed = Date.now();
    clearInterval(this.#renewals);
    this.#renewals = setInterval(
      () => {
        const began = Date.now();
        void session.beside(renewScript(run, this.token, seconds)).then(
          (code) => {
            if (code === 0) this.#renewed = began;
          },
          () => {},
        );
      },
      (seconds * 1000) / 3,
    );
  }

  /** Nobody renews it any more. */
  rest(): void {
    clearInterval(this.#renewals);
    this.#renewals = undefined;
  }

  off(): void {
    this.rest();
    this.armedFor = 0;
  }

  /** What was done until now stays, whatever happens to what comes: entries from `next` on. */
  confirmed(next: string): void {
    this.#from = next;
  }
}

/**
 * Confirms over new connections what was done on hosts. One that cannot be reached that way, or is late, takes it back by
 * itself: that is waited for, and is the host's failure.
 */
export async function confirm(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
): Promise<void> {
  const late = new Set<HostRun>();
  // One that others are reached through comes after them, and only if they can be reached.
  for (const carries of [false, true]) {
    const armed = hosts.filter((host) => host.switch.isArmed && host.carries === carries);
    await inParallel(armed, { atOnce: options.forks }, async (host) => {
      try {
        const behind = [...late].filter(({ session }) =>
          session.through.includes(host.host.connection.address),
        );
        if (behind.length > 0) host.failAnew(leftArmed(host, behind));
        else if (!(await confirmOn(options, context, host))) late.add(host);
      } finally {
        host.switch.off();
      }
    });
  }
  for (const host of hosts) host.switch.confirmed(host.upcomingNumber);
}

/** Whether it was confirmed; if not, the host has failed. */
async function confirmOn(options: RunOptions, context: RunContext, host: HostRun): Promise<boolean> {
  const { token, fires } = host.switch;
  const script = confirmScript(context.id, token, host.journal.libraries).text;
  for (let told = false; ; told = true) {
    const answer = await overNewConnection(options, host, script);
    // Over the old connection it could go on for ever: who cannot come back must not.
    host.switch.rest();
    const isOver = Date.now() > fires + undoingMs || options.interrupted.aborted;
    if (answer instanceof CausewayError) {
      if (answer.code !== "unreachable" || isOver) return failed(host, notConfirmed(host, answer, context));
    } else if (answer.code === 0) {
      context.say({ type: "switch", host: host.name, state: "confirmed" });
      return true;
    } else {
      const undo = parseUnconfirmed(answer.stdout);
      if (undo.state !== "reverting" || isOver) return failed(host, takenBack(host, undo, context));
    }
    if (!told)
      tellWaiting(context, host, answer instanceof CausewayError ? answer.message : "it is too late");
    await sleep(pauseMs);
  }
}

function failed(host: HostRun, error: CausewayError): false {
  host.failAnew(error);
  return false;
}

/** How far an undo by the host itself has come, as it tells a runner that is late. */
interface Unconfirmed {
  state: "reverting" | "reverted" | "absent";
  /** Whether all was taken back. */
  whole: boolean;
  steps: number;
  output: string;
}

function parseUnconfirmed(told: string): Unconfirmed {
  const [, state = "absent", how = ""] = /^@cw unconfirmed (\S+) ?(.*)$/m.exec(told) ?? [];
  const lines = told.split("\n");
  return {
    state: state as Unconfirmed["state"],
    whole: how === "reverted",
    steps: lines.filter((line) => line.startsWith("@cw done ")).length,
    output: lines.flatMap((line) => (line.startsWith("@cw | ") ? [line.slice(6)] : [])).join("\n"),
  };
}

async function overNewConnection(
  options: RunOptions,
  host: HostRun,
  script: string,
): Promise<CommandResult | CausewayError> {
  try {
    const session = await options.connect(host.host.connection, { ...options.session, anew: true });
    return await session.run(script).finally(() => session.close().catch(() => {}));
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    return error;
  }
}

function tellWaiting(context: RunContext, host: HostRun, why: string): void {
  const seconds = secondsLeft(host);
  context.say({ type: "switch", host: host.name, state: "waiting", seconds });
  context.say({
    type: "message",
    level: "warning",
    host: host.name,
    text: `not confirmed over a new connection (${why}): the host takes back by itself what this run did, in at most ${seconds} s`,
  });
}

function secondsLeft({ switch: { fires } }: HostRun): number {
  return Math.max(0, Math.ceil((fires - Date.now()) / 1000));
}

/** The host can be reached again. */
function takenBack(
  host: HostRun,
  { state, whole, steps, output }: Unconfirmed,
  { history, rollback }: RunContext,
): CausewayError {
  const common = { host: host.name, output };
  if (state === "absent")
    return new CausewayError(
      "host",
      "the switch of this run is no longer there, so the run is not confirmed",
      {
        ...common,
        expected: "the switch that this run armed",
        advice: `look what stands there: ${history}, then run again`,
      },
    );
  const rest = whole ? "" : state === "reverting" ? "; it is still at it" : "; the rest is in the journal";
  return new CausewayError(
    "host",
    `rolled back by its own timer${whole ? "" : ", but not all of it"}: the run was not confirmed in time`,
    {
      ...common,
      found: `${steps} ${steps === 1 ? "step" : "steps"} undone${rest}`,
      advice: whole
        ? "find what cut the runner off before you run again; --confirm-timeout gives it longer"
        : `mend what the output names, then finish with: ${rollback}`,
    },
  );
}

function leftArmed(host: HostRun, behind: readonly HostRun[]): CausewayError {
  const names = behind.map(({ name }) => name).join(", ");
  return new CausewayError("host", `not confirmed, because ${names} could not be reached through it`, {
    host: host.name,
    found: `it takes back by itself what this run did, in at most ${secondsLeft(host)} s`,
    advice: "wait so long, then find what cut them off before you run again",
  });
}

function notConfirmed(host: HostRun, error: CausewayError, { history }: RunContext): CausewayError {
  return new CausewayError(error.code, `not confirmed over a new connection: ${error.message}`, {
    ...error.detail,
    host: host.name,
    advice: `the host takes back by itself what this run did, if it still runs; ${history} tells it once it can be reached`,
  });
}

/**
 * What an earlier run left armed, whose runner is gone, is taken back now rather than when its time is over, so that this run
 * begins on a host that holds still. A check only says so. True when the host is another one now.
 */
export async function settleSwitch(host: HostRun, context: RunContext): Promise<boolean> {
  const run = host.journal.armed;
  if (run === undefined) return false;
  const text = context.check
    ? `run ${run} was cut off and not confirmed: the host takes back by itself what it did; what is planned here may look different then`
    : `run ${run} was cut off and not confirmed: what it did on this host is taken back first`;
  context.say({ type: "message", level: "warning", host: host.name, text });
  if (context.check) return false;
  const { stdout, stderr } = await host.session.run(settleScript().text, {
    timeoutMs: undoingMs,
    shown: revertScript,
  });
  host.memory.forgetAll();
  await host.readJournal();
  if (host.journal.armed === undefined) return true;
  throw new CausewayError("host", `run ${run} could not be taken back by the host itself`, {
    host: host.name,
    output: `${stdout}${stderr}`,
    command: revertScript,
    advice: "give that command on the host once what it says is mended",
  });
}

/** Tells that the host took its last run back by itself. */
export function tellReverted(host: HostRun, context: RunContext): void {
  const last = host.journal.runs.reduce<RunRecord | undefined>(
    (a, b) => (a && a.id > b.id ? a : b),
    undefined,
  );
  if (last?.end === "reverted" || last?.end === "partly reverted") {
    const { id, end } = last;
    const rest =
      end === "reverted"
        ? ""
        : `, but not all of it. Finish with: ${context.rollback.replace(context.id, id)}`;
    const text = `run ${id} was not confirmed, and was rolled back by this host's own timer${rest}`;
    context.say({ type: "message", level: "warning", host: host.name, text });
  }
}
