import { CausewayError } from "../errors.ts";
import { orders, parseSerial } from "../run/batches.ts";
import { defaultRolling, type Rolling } from "../run/options.ts";
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

type BatchValues = Values<typeof batchOptions>;
export type Ask = (question: string) => Promise<"yes" | "no" | "all">;

/** What the options say; each value is judged, whatever else is asked for. */
export function rollingOf(values: BatchValues, ask: Ask): Rolling {
  const serial = values.serial;
  if (serial !== undefined) parseSerial(serial, "--serial");
  const most = values["max-fail-percentage"];
  return {
    ...(serial === undefined ? {} : { serial }),
    order: wordOption("order", values.order, orders) ?? defaultRolling.order,
    gate: wordOption("gate", values.gate, ["on", "strict", "off"]) ?? defaultRolling.gate,
    settleMs: numberOption("settle", values.settle, 0, 0) * 1000,
    onFailure:
      wordOption("on-failure", values["on-failure"], ["stop", "rollback"]) ?? defaultRolling.onFailure,
    policy: {
      ...(most === undefined ? {} : { maxFailPercentage: numberOption("max-fail-percentage", most, 0, 0) }),
      ...(values["any-errors-fatal"] ? { anyErrorsFatal: true } : {}),
      ...(values["continue-on-failure"] ? { continueOnFailure: true } : {}),
    },
    ...(values.step && !values.yes ? { ask } : {}),
  };
}

/** Asks on the terminal; where there is none it is an error that says how to go on. */
export function askOnTerminal(option: "--step" | "--ask"): Ask {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new CausewayError("usage", `${option} asks a person, and there is no terminal`, {
      expected: "a terminal on standard input",
      advice: `leave ${option} out, or add --yes`,
    });
  return async (question) => {
    const { createInterface } = await import("node:readline/promises");
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
      for (;;) {
        const choice = option === "--step" ? "(y)es, (n)o, (a)ll" : "(y)es, (n)o";
        const answer = (await lines.question(`${question}\n${choice}: `)).trim().toLowerCase();
        if (/^y(es)?$/.test(answer)) return "yes";
        if (/^no?$/.test(answer)) return "no";
        if (option === "--step" && /^a(ll)?$/.test(answer)) return "all";
      }
    } finally {
      lines.close();
    }
  };
}
