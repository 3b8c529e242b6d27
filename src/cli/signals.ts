import { setMaxListeners } from "node:events";

/** What Ctrl-C asks for: the first to stop before the next step, the second to stop now. */
export interface Signals {
  readonly interrupted: AbortSignal;
  readonly abandoned: AbortSignal;
  /** The same as a first Ctrl-C, after a time; for `--run-timeout`. */
  stopAfter(ms: number, say: (text: string) => void): void;
  dispose(): void;
}

/** How long a session gets to end its command on the host before this process goes. */
const graceMs = 2000;

/** What the two kinds of Ctrl-C mean, for who pressed it. */
export interface SignalWords {
  soft: string;
  hard: string;
}

const ofRuns: SignalWords = {
  soft: "stopping after the current step; press Ctrl-C again to stop now",
  hard: "the current step may be half-done: the next run of this playbook, or a rollback, completes or undoes it",
};

/**
 * Set by the launcher where SIGHUP was ignored when it started, as under nohup: Node itself forgets that, and a closed terminal
 * would end the run.
 */
const outlivesTerminal = "CAUSEWAY_OUTLIVES_TERMINAL";

/** Listens for Ctrl-C; for SIGTERM and SIGHUP (a closed terminal), which nobody sends twice: they stop at once. */
export function listenForSignals(say: (text: string) => void, words: SignalWords = ofRuns): Signals {
  const soft = new AbortController();
  const hard = new AbortController();
  // Every host's session listens; Node would take more than ten for a leak, and say so on the terminal.
  setMaxListeners(0, soft.signal, hard.signal);
  let timer: NodeJS.Timeout | undefined;
  const stopNow = (why: string) => {
    say(`${why}; ${words.hard}`);
    soft.abort();
    hard.abort();
    setTimeout(() => process.exit(130), graceMs).unref();
  };
  const onCtrlC = () => {
    if (hard.signal.aborted) process.exit(130);
    if (soft.signal.aborted) return stopNow("stopping now");
    say(words.soft);
    soft.abort();
  };
  const onEnd = (signal: NodeJS.Signals) => {
    if (!hard.signal.aborted) stopNow(`stopping now, on ${signal}`);
  };
  const handlers: readonly (readonly [NodeJS.Signals, (signal: NodeJS.Signals) => void])[] = [
    ["SIGINT", onCtrlC],
    ["SIGTERM", onEnd],
    ["SIGHUP", process.env[outlivesTerminal] ? () => {} : onEnd],
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return {
    interrupted: soft.signal,
    abandoned: hard.signal,
    stopAfter: (ms, sayWhy) => {
      timer = setTimeout(() => {
        sayWhy(`the run took longer than --run-timeout ${ms / 1000}`);
        soft.abort();
      }, ms);
      timer.unref();
    },
    dispose: () => {
      clearTimeout(timer);
      for (const [signal, handler] of handlers) process.removeListener(signal, handler);
    },
  };
}
