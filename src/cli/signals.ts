import { setMaxListeners } from "node:events";

/** What Ctrl-C asks for: the first to stop before the next step, the second to stop now. */
export interface Signals {
  readonly interrupted: AbortSignal;
  readonly abandoned: AbortSignal;
  /** The same as a first Ctrl-C, after a time; for `--timeout`. */
  stopAfter(ms: number, say: (text: string) => void): void;
  dispose(): void;
}

/** How long a session gets to end its command on the host before this process goes. */
const graceMs = 2000;

/** Listens for Ctrl-C and SIGTERM. */
export function listenForSignals(say: (text: string) => void): Signals {
  const soft = new AbortController();
  const hard = new AbortController();
  // Every host's session listens; Node would take more than ten for a leak, and say so on the terminal.
  setMaxListeners(0, soft.signal, hard.signal);
  let timer: NodeJS.Timeout | undefined;
  const onSignal = () => {
    if (!soft.signal.aborted) {
      say("stopping after the current step; press Ctrl-C again to stop now");
      soft.abort();
    } else if (!hard.signal.aborted) {
      say(
        "stopping now; the current step may be half-done: the next run of this playbook, or a rollback, completes or undoes it",
      );
      hard.abort();
      setTimeout(() => process.exit(130), graceMs).unref();
    } else process.exit(130);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    interrupted: soft.signal,
    abandoned: hard.signal,
    stopAfter: (ms, sayWhy) => {
      timer = setTimeout(() => {
        sayWhy(`the run took longer than --timeout ${ms / 1000}`);
        soft.abort();
      }, ms);
      timer.unref();
    },
    dispose: () => {
      clearTimeout(timer);
      process.removeListener("SIGINT", onSignal);
      process.removeListener("SIGTERM", onSignal);
    },
  };
}
