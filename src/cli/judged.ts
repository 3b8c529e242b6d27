import { CausewayError } from "../errors.ts";
import { leastConfirmSeconds } from "../run/options.ts";
import { forksOf } from "./ansible-config.ts";
import {
  type connectionOptions,
  numberOption,
  type outputOptions,
  type Values,
  wordOption,
} from "./arguments.ts";
import { type batchOptions, rollingOf } from "./batch-options.ts";
import { judgedConnection, sessionOptions } from "./fleet-of.ts";
import { watchOf, type watchOptions } from "./watch-options.ts";

type Judged = Values<
  typeof connectionOptions & typeof outputOptions & typeof batchOptions & typeof watchOptions
> & {
  readonly "confirm-timeout"?: string;
};

/** Every option's value, whatever else is asked for: a listing, too, says what is wrong with its command line. */
export function judgeValues(values: Judged): void {
  wordOption("output", values.output, ["pretty", "plain", "json"]);
  numberOption("run-timeout", values["run-timeout"], 0, 0);
  sessionOptions(values, new AbortController().signal);
  judgedConnection(values);
  forksOf(values);
  rollingOf(values);
  watchOf(values);
  confirmSecondsOf(values);
}

/** How long a host waits for a confirmation; nothing where the command line does not say it. */
export function confirmSecondsOf({ "confirm-timeout": text }: Judged): { confirmSeconds?: number } {
  if (text === undefined) return {};
  const seconds = numberOption("confirm-timeout", text, 0, 0);
  if (seconds > 0 && seconds < leastConfirmSeconds)
    throw new CausewayError("usage", "--confirm-timeout is too short for a run to be confirmed", {
      found: text,
      expected: `at least ${leastConfirmSeconds} seconds, or 0 to switch it off`,
    });
  return { confirmSeconds: Math.ceil(seconds) };
}
