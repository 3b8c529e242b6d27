import { describeError, exitCodes } from "../errors.ts";
import { type Prepared, type PrepareOptions, prepare, reachedThrough } from "../run/prepare.ts";
import { type connectionOptions, numberOption, type outputOptions, type Values } from "./arguments.ts";
import { askOnTerminal, type batchOptions, rollingOf } from "./batch-options.ts";
import { reachable, sessionOptions } from "./fleet-of.ts";
import { reporterFor } from "./reporter-for.ts";
import { listenForSignals } from "./signals.ts";

type RunValues = Values<typeof connectionOptions & typeof outputOptions & typeof batchOptions> & {
  readonly check?: boolean;
  readonly "no-verify"?: boolean;
  readonly evidence?: boolean;
  readonly "all-pairs"?: boolean;
  readonly "break-lock"?: boolean;
  readonly force?: boolean;
};

const neverAsked = async () => "yes" as const;

/** Runs a playbook with what the command line says, shows it, and gives the exit code. */
export async function runWith(
  values: RunValues,
  what: PrepareOptions,
  retry: (hosts: readonly string[]) => void = () => {},
  prepared: Prepared = prepare(what),
): Promise<number> {
  const { reporter, message } = await reporterFor(values);
  const signals = listenForSignals((text) => message("warning", text));
  try {
    const session = sessionOptions(values, signals.abandoned);
    const forks = numberOption("forks", values.forks, 64);
    const total = numberOption("timeout", values.timeout, 0, 0);
    const inventory = await reachable(what.inventory, values, (text) => message("info", text));
    if (total > 0) signals.stopAfter(total * 1000, (text) => message("warning", text));
    const [{ run }, { connect }] = await Promise.all([import("../run/run.ts"), import("../host/connect.ts")]);
    const ask = values.ask && !values.check && !values.yes ? askOnTerminal("--ask") : undefined;
    const all = {
      ...what,
      inventory,
      prepared: reachedThrough(inventory, prepared),
      rolling: rollingOf(values, values.step && !values.yes ? askOnTerminal("--step") : neverAsked),
      verify: values["no-verify"] !== true,
      evidence: values.evidence === true,
      allPairs: values["all-pairs"] === true,
      forks,
      session,
      connect,
      reporter,
      interrupted: signals.interrupted,
      breakLock: values["break-lock"] === true,
      force: values.force === true,
      verbose: values.verbose === true,
      diff: values.diff === true,
    };
    const asked =
      ask && (await run({ ...all, check: true, prepared: reachedThrough(inventory, prepare(what)) }));
    if (ask && asked && (asked.exitCode !== 0 || (await ask("do this now?")) !== "yes")) {
      for (const error of asked.refused) process.stderr.write(`${describeError(error)}\n`);
      return asked.exitCode === 0 ? exitCodes.interrupted : asked.exitCode;
    }
    const outcome = await run({ ...all, check: values.check === true });
    await reporter.close();
    if (outcome.refused.length > 0)
      process.stderr.write(`${outcome.refused.map(describeError).join("\n\n")}\n`);
    if (outcome.retry.length > 0 && !values.check) retry(outcome.retry);
    return outcome.exitCode;
  } finally {
    signals.dispose();
    await reporter.close();
  }
}
