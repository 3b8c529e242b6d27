import { CausewayError } from "../errors.ts";
import type { Inventory } from "../inventory/types.ts";
import { ownCommand } from "../own-command.ts";
import type { Playbook } from "../playbook/define.ts";
import { forksOf } from "./ansible-config.ts";
import {
  connectionOptions,
  helpOption,
  inventoryOptions,
  type Options,
  outputOptions,
  parse,
  wholeOption,
  wordOption,
} from "./arguments.ts";
import { inventoryOf, reachable, sessionOptions } from "./fleet-of.ts";
import { judgeValues } from "./judged.ts";
import { reachOf } from "./reach.ts";
import { reporterFor } from "./reporter-for.ts";
import { runWith } from "./run-with.ts";
import { listenForSignals } from "./signals.ts";
import { vaultOptions } from "./vault-options.ts";

export const rollbackOptions = {
  inventory: inventoryOptions.inventory,
  limit: inventoryOptions.limit,
  "extra-vars": inventoryOptions["extra-vars"],
  check: { type: "boolean", short: "C", help: "show what would be taken back; change nothing" },
  play: {
    type: "string",
    value: "N",
    help: "only back to before the run's Nth play: what it did earlier stays",
  },
  force: {
    type: "boolean",
    help: "also undo files that somebody changed since; forget what cannot be undone",
  },
  "break-lock": { type: "boolean", help: "take the lock of a run that is known to be dead" },
  ...outputOptions,
  ...connectionOptions,
  ...vaultOptions,
  ...helpOption,
} as const satisfies Options;

/** `run rollback [RUN [--play N]]`: back to before that run, or before one of its plays. */
export async function rollbackCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(rollbackOptions, args);
  if (values.help) return help(ownCommand("rollback [RUN [--play N]] [-i INVENTORY]"), rollbackOptions);
  judgeValues(values);
  const [since, more] = positionals;
  if (more !== undefined)
    throw new CausewayError("usage", "rollback takes one run", {
      found: positionals.join(" "),
      advice: "that run and all later ones are taken back",
    });
  if (since === undefined && values.play !== undefined)
    throw new CausewayError("usage", "--play needs the run whose play it is", {
      expected: ownCommand("rollback RUN --play N", reachOf(values)),
      advice: `list all runs with: ${ownCommand("history", reachOf(values))}`,
    });
  const play = values.play === undefined ? {} : { play: wholeOption("play", values.play, 1) - 1 };
  const { Type } = await import("typebox");
  const playbook: Playbook = {
    causeway: "playbook",
    name: "rollback",
    summary: `Back to before ${values.play === undefined ? "" : `play ${values.play} of `}${since === undefined ? "the last run" : `run ${since}`}`,
    vars: Type.Object({}),
    hosts: "all",
    undoes: since === undefined ? "last" : { since, ...play },
    plays: [],
  };
  const { inventory, extraVars } = await inventoryOf(values);
  const limit = values.limit === undefined ? {} : { limit: values.limit };
  const what = { playbook, inventory, extraVars, ...limit };
  const [{ prepare }, { refuseOneMachineTwice }] = await Promise.all([
    import("../run/prepare.ts"),
    import("../run/same-machine.ts"),
  ]);
  const prepared = prepare(what);
  await refuseOneMachineTwice(prepared.members, values["ssh-config"]);
  return runWith(values, what, {}, prepared);
}

export const historyOptions = {
  inventory: inventoryOptions.inventory,
  limit: inventoryOptions.limit,
  "extra-vars": inventoryOptions["extra-vars"],
  output: { type: "string", value: "HOW", help: "plain (default) or json" },
  ...connectionOptions,
  ...vaultOptions,
  ...helpOption,
} as const satisfies Options;

/** `run history`: the runs in the hosts' journals. */
export async function historyCommand(args: readonly string[]): Promise<number> {
  const { values } = parse(historyOptions, args);
  if (values.help) return help(ownCommand("history [-i INVENTORY]"), historyOptions);
  wordOption("output", values.output, ["plain", "json"]);
  const { output: _, ...reach } = values;
  judgeValues(reach);
  const { inventory } = await inventoryOf(values);
  const { reporter, message } = await reporterFor({});
  const signals = listenForSignals((text) => message("warning", text));
  try {
    const ready: Inventory = await reachable(inventory, values, (text) => process.stderr.write(`${text}\n`));
    const [{ readHistory }, { connect }] = await Promise.all([
      import("../run/history.ts"),
      import("../host/connect.ts"),
    ]);
    const { runs, lost } = await readHistory({
      inventory: ready,
      session: sessionOptions(values, signals.abandoned),
      connect,
      forks: forksOf(values),
      ...(values.limit === undefined ? {} : { limit: values.limit }),
    });
    const { historyLines } = await import("../report/history.ts");
    process.stdout.write(values.output === "json" ? `${JSON.stringify(runs)}\n` : historyLines(runs));
    for (const error of lost) message("warning", error.message);
    return lost.length > 0 ? 4 : 0;
  } finally {
    signals.dispose();
    await reporter.close();
  }
}

async function help(line: string, options: Options): Promise<number> {
  const { optionLines } = await import("./help.ts");
  process.stdout.write(`Usage: ${line}\n\n${optionLines(options)}\n`);
  return 0;
}
