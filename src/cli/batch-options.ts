import type { Interface } from "node:readline";
import { CausewayError } from "../errors.ts";
import type { Playbook } from "../playbook/define.ts";
import { hostRanges } from "../report/host-names.ts";
import { orders, parsePercentage, parseSerial } from "../run/batches.ts";
import { type Ask, defaultRolling, type Rolling } from "../run/options.ts";
import { numberOption, type Options, type Values, wordOption } from "./arguments.ts";

/** How a play is done batch by batch, and what ends it. */
export const batchOptions = {
  serial: {
    type: "string",
    value: "N",
    help: 'so many hosts at a time: 1, 25% or "1,25%,100%", instead of what the plays say',
  },
  order: {
    type: "string",
    value: "HOW",
    help: "of the batches: inventory (default), reverse, sorted or shuffle",
  },
  gate: {
    type: "string",
    value: "MODE",
    help: "between batches: on (default), strict (also what failed before) or off",
  },
  "strict-gate": { type: "boolean", help: "the same as --gate strict" },
  settle: { type: "string", value: "SECONDS", help: "time that a gate may take to hold (default 0)" },
  "on-failure": {
    type: "string",
    value: "HOW",
    help: "with a batch that failed: stop (default) or rollback",
  },
  "max-fail-percentage": {
    type: "string",
    value: "N",
    help: "stop when more than N percent of a batch failed or are unreachable",
  },
  "any-errors-fatal": { type: "boolean", help: "stop after a batch in which any host failed" },
  "continue-on-failure": { type: "boolean", help: "go on after a batch in which every host failed" },
  step: { type: "boolean", help: "ask before each batch: yes, no, or all" },
  ask: { type: "boolean", help: "show the whole plan, ask once, then do it" },
  yes: { type: "boolean", help: "answer yes to what --step and --ask would ask" },
} as const satisfies Options;

type BatchValues = Values<typeof batchOptions> & { readonly check?: boolean };

/** What a question needs of the run. */
export interface Asking {
  /** Aborted by Ctrl-C, which is a no. */
  stopped: AbortSignal;
  /** Leaves the terminal to the question until what it gives is called. */
  pause: () => () => void;
}

/** A playbook without plays does what it does on all hosts at once: who asks for batches would be deceived. */
export function refuseBatches(values: BatchValues, { name, plays }: Pick<Playbook, "name" | "plays">): void {
  const { ask: _, yes: __, ...ofBatches } = batchOptions;
  const given = Object.keys(ofBatches).find((option) => option in values);
  if (plays.length > 0 || given === undefined) return;
  throw new CausewayError(
    "usage",
    `--${given} is about batches, and ${name} has no plays that are cut into batches`,
    {
      expected: "a playbook with plays",
      advice: `leave --${given} out; --limit takes some of the hosts`,
    },
  );
}

/** What the options say. Without `asking` they are only judged, and nobody is asked. */
export function rollingOf(values: BatchValues, asking?: Asking): Rolling {
  const { serial, settle, check } = values;
  if (serial !== undefined) parseSerial(serial, "--serial");
  const most = values["max-fail-percentage"];
  const gate = gateOf(values);
  const onFailure = wordOption("on-failure", values["on-failure"], ["stop", "rollback"]);
  const asks = values.step === true && values.yes !== true && check !== true;
  return {
    ...(serial === undefined ? {} : { serial }),
    // Nothing that is asked for is left out because nobody spoke of batches.
    oneBatch: (gate ?? onFailure ?? settle) !== undefined || values.step === true,
    order: wordOption("order", values.order, orders) ?? defaultRolling.order,
    gate: gate ?? defaultRolling.gate,
    settleMs: numberOption("settle", settle, 0, 0) * 1000,
    onFailure: onFailure ?? defaultRolling.onFailure,
    policy: {
      ...(most === undefined ? {} : { maxFailPercentage: parsePercentage(most, "--max-fail-percentage") }),
      ...(values["any-errors-fatal"] ? { anyErrorsFatal: true } : {}),
      ...(values["continue-on-failure"] ? { continueOnFailure: true } : {}),
    },
    ...(asks && asking ? { ask: askOnTerminal("--step", asking) } : {}),
  };
}

function gateOf(values: BatchValues): Rolling["gate"] | undefined {
  const gate = wordOption("gate", values.gate, ["on", "strict", "off"]);
  if (!values["strict-gate"]) return gate;
  if (gate === undefined || gate === "strict") return "strict";
  throw new CausewayError("usage", `--strict-gate and --gate ${gate} contradict each other`, {
    expected: "one of them",
  });
}

/** What --ask asks, once the whole plan was shown; nothing where nobody is to be asked. */
export function planQuestion(
  values: BatchValues & { readonly ask?: boolean },
  asking: Asking,
): (() => Promise<boolean>) | undefined {
  if (!values.ask || values.check || values.yes) return undefined;
  const question = onTerminal("--ask", asking);
  return async () => (await question("do this now?\n(y)es, (n)o: ", /^(y(es)?|no?)$/))[0] === "y";
}

function askOnTerminal(option: "--step", asking: Asking): Ask {
  const question = onTerminal(option, asking);
  let all = false;
  return async ({ play, index, count, hosts }) => {
    if (all) return true;
    const batch = `“${play}”, batch ${index + 1} of ${count}: ${hostRanges(hosts)}`;
    const answer = await question(`${batch}\n(y)es, (n)o, (a)ll: `, /^(y(es)?|no?|a(ll)?)$/);
    all = answer[0] === "a";
    return all || answer[0] === "y";
  };
}

/** Asks on the terminal until the answer fits; where there is none it is an error that says how to go on. */
function onTerminal(option: "--step" | "--ask", { stopped, pause }: Asking) {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new CausewayError("usage", `${option} asks a person, and there is no terminal`, {
      expected: "a terminal on standard input",
      advice: `leave ${option} out, or add --yes`,
    });
  return async (question: string, fits: RegExp): Promise<string> => {
    const { createInterface } = await import("node:readline");
    const goOn = pause();
    // The terminal is left as it is, so that Ctrl-C is the signal that it always is.
    const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
    try {
      for (;;) {
        const answer = await lineOf(lines, question, stopped);
        if (answer === undefined || fits.test(answer)) return answer ?? "no";
      }
    } finally {
      lines.close();
      goOn();
    }
  };
}

/** The next line, in small letters; undefined after Ctrl-C or Ctrl-D. */
function lineOf(lines: Interface, question: string, stopped: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const none = () => resolve(undefined);
    if (stopped.aborted) none();
    stopped.addEventListener("abort", none, { once: true });
    lines.once("close", none);
    lines.question(question, (answer) => {
      stopped.removeEventListener("abort", none);
      lines.removeListener("close", none);
      resolve(answer.trim().toLowerCase());
    });
  });
}
