import { CausewayError } from "../errors.ts";
import { quote } from "../host/sh.ts";
import { select } from "../inventory/patterns.ts";
import { refuseFaulty, remarkLines } from "../inventory/taking-part.ts";
import type { InventoryHost } from "../inventory/types.ts";
import { ownCommand } from "../own-command.ts";
import type { Executed, NotExecuted } from "../run/exec.ts";
import { forksOf } from "./ansible-config.ts";
import {
  connectionOptions,
  helpOption,
  inventoryOptions,
  numberOption,
  type Options,
  parse,
  wordOption,
} from "./arguments.ts";
import { say, viewFor } from "./exec-view.ts";
import { inventoryOf, reachable, sessionOptions } from "./fleet-of.ts";
import { judgeValues } from "./judged.ts";
import { listenForSignals } from "./signals.ts";
import { vaultOptions } from "./vault-options.ts";

export const execOptions = {
  ...inventoryOptions,
  verbose: {
    type: "boolean",
    short: "v",
    help: "show each line as it comes, with its host's name, instead of grouping",
  },
  output: { type: "string", value: "HOW", help: "plain (default) or json (one result a line, as it comes)" },
  ...connectionOptions,
  ...vaultOptions,
  ...helpOption,
} as const satisfies Options;

const usageLine = ownCommand("exec PATTERN [-i INVENTORY] [options] -- COMMAND");
const howToWrite =
  "a COMMAND of one word is a line for the host's shell ('df -h / | tail -1'); of several each stays what it is";

/** `run exec PATTERN -- COMMAND`: one command on many hosts at once, equal results shown once. */
export async function execCommand(args: readonly string[]): Promise<number> {
  const split = args.indexOf("--");
  const { values, positionals } = parse(execOptions, split < 0 ? args : args.slice(0, split));
  if (values.help) {
    const { optionLines } = await import("./help.ts");
    process.stdout.write(`Usage: ${usageLine}\n\n${howToWrite}\n\n${optionLines(execOptions)}\n`);
    return 0;
  }
  const isJson = wordOption("output", values.output, ["plain", "json"]) === "json";
  const { output: _, ...judged } = values;
  judgeValues(judged);
  const script = scriptOf(args, split, positionals);
  const { inventory } = await inventoryOf(values);
  const chosen = chosenHosts(select(inventory, positionals[0] ?? "", "exec"), () =>
    values.limit === undefined ? undefined : select(inventory, values.limit, "--limit"),
  );
  refuseFaulty(chosen);
  for (const line of remarkLines(inventory, chosen)) say(`warning: ${line}`);
  const view = await viewFor(
    chosen.map(({ name }) => name),
    script,
    isJson,
    values.verbose === true,
  );
  const signals = listenForSignals((text) => view.say(text), {
    soft: "no further host begins; press Ctrl-C again to end the command where it runs",
    hard: "what the command has done until now stays done",
  });
  const began = Date.now();
  const results: (Executed | NotExecuted)[] = [];
  try {
    const ready = await reachable(inventory, values, (text) => view.say(text));
    const names = new Set(chosen.map(({ name }) => name));
    const total = numberOption("run-timeout", values["run-timeout"], 0, 0);
    if (total > 0) signals.stopAfter(total * 1000, (text) => view.say(text));
    const { execOn } = await import("../run/exec.ts");
    view.start();
    await execOn({
      hosts: ready.hosts.filter(({ name }) => names.has(name)),
      script,
      session: sessionOptions(values, signals.abandoned, view.pause),
      forks: forksOf(values),
      interrupted: signals.interrupted,
      began: view.began,
      ...(view.onLine ? { onLine: view.onLine } : {}),
      ended: (result) => {
        results.push(result);
        view.ended(result);
      },
    });
  } finally {
    signals.dispose();
    view.stop();
  }
  return view.end({
    hosts: chosen.map(({ name }) => name),
    results,
    stopped: signals.interrupted.aborted,
    ms: Date.now() - began,
  });
}

/** The command as the host's shell gets it. */
function scriptOf(args: readonly string[], split: number, [pattern, ...more]: readonly string[]): string {
  const words = split < 0 ? [] : args.slice(split + 1);
  if (pattern !== undefined && more.length === 0 && words.join("").trim() !== "")
    return words.length === 1 ? (words[0] ?? "") : words.map(quote).join(" ");
  const meant = pattern === undefined || more.length === 0 ? undefined : more.map(quote).join(" ");
  throw new CausewayError("usage", "exec takes a pattern of hosts, and behind -- a command", {
    found: args.join(" ") || "nothing",
    expected: usageLine,
    ...(meant
      ? { advice: `put -- before the command: ${ownCommand("exec", quote(pattern ?? ""), "--", meant)}` }
      : {}),
  });
}

function chosenHosts(
  hosts: readonly InventoryHost[],
  limit: () => readonly InventoryHost[] | undefined,
): readonly InventoryHost[] {
  const limited = limit();
  const chosen = limited ? hosts.filter((host) => limited.includes(host)) : hosts;
  if (chosen.length > 0) return chosen;
  throw new CausewayError("usage", "no host is named by both the pattern and --limit");
}
