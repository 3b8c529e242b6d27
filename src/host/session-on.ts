import { CausewayError } from "../errors.ts";
import { tryAgain } from "./attempts.ts";
import { startShell } from "./become.ts";
import type { Channel, Start } from "./channel.ts";
import { accompany } from "./companion.ts";
import { within } from "./deadline.ts";
import { send } from "./send.ts";
import type { ConnectionTarget, Session, SessionOptions } from "./session.ts";
import { Shell } from "./shell.ts";

/** What carries a session. */
export interface Carrier {
  start: Start;
  /** Why the connection ended, for the error of whoever still waits. */
  ended: (shell: Channel) => Promise<string>;
  close(shell: Channel): void;
  /** The addresses of the jump hosts that it goes through. */
  through?: readonly string[];
  /** When the connecting began, as `Date.now()` has it. */
  began: number;
}

/** How long a host may take to kill what it is told to kill. */
const besideMs = 10_000;

/** The session's one shell, with scripts and files beside it that have the same rights; the same locally and over SSH. */
export async function sessionOn(
  target: ConnectionTarget,
  options: SessionOptions,
  carrier: Carrier,
): Promise<Session> {
  // What was said until the deadline tells more than that it has passed.
  const open = (deadline: number) =>
    within(deadline + 500, target.address, startShell(target, carrier.start, deadline));
  const stream = await open(carrier.began + options.connectTimeoutMs);
  const apart = () => {
    const deadline = Date.now() + options.connectTimeoutMs;
    return tryAgain(deadline, () => open(deadline));
  };
  // A host that hangs may never start it, or never end it.
  const beside = (script: string) =>
    within(
      Date.now() + besideMs,
      target.address,
      apart().then((channel) => done(channel, script)),
    );
  const shell = new Shell(
    target.name,
    {
      stdin: stream,
      stdout: stream,
      stderr: stream.stderr,
      ended: carrier.ended(stream),
      beside,
      close: () => stream.close(),
    },
    { ...options, user: target.user },
  );
  const abandon = () => void shell.abandon();
  options.signal?.addEventListener("abort", abandon, { once: true });
  const connectMs = Date.now() - carrier.began;
  return {
    name: target.name,
    run: (script, runOptions) => shell.run(script, runOptions),
    push: (file, path) => send(apart, target, { file, path, quietMs: options.commandTimeoutMs }),
    beside,
    through: carrier.through ?? [],
    accompany: async (script, onLine) =>
      accompany(
        await apart().catch((error: unknown) => Promise.reject(noSecond(error, target))),
        script,
        onLine,
      ),
    close: async () => {
      options.signal?.removeEventListener("abort", abandon);
      carrier.close(stream);
    },
    get stats() {
      return { ...shell.stats, connectMs };
    },
  };
}

/** What kept a second shell from starting beside the first. */
function noSecond(error: unknown, { name }: ConnectionTarget): unknown {
  if (error instanceof CausewayError || !(error instanceof Error)) return error;
  return new CausewayError("host", "the host did not start a second shell on this connection", {
    host: name,
    output: error.message,
    advice: "allow it in the host's sshd_config (MaxSessions, 10 by default), or leave out what needs it",
  });
}

/** Runs a script in a shell of its own to its end. */
async function done(channel: Channel, script: string): Promise<number> {
  channel.resume();
  channel.stderr.resume();
  channel.on("error", () => {});
  channel.end(script);
  return channel.ended;
}
