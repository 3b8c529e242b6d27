import { describeError, exitCodes } from "../errors.ts";
import { tame } from "../report/paint.ts";
import { type Prepared, type PrepareOptions, prepare, reachedThrough } from "../run/prepare.ts";
import { shown } from "../vault/never-shown.ts";
import { forksOf } from "./ansible-config.ts";
import {
  type connectionOptions,
  type inventoryOptions,
  numberOption,
  type outputOptions,
  type Values,
} from "./arguments.ts";
import { type batchOptions, planQuestion, refuseBatches, rollingOf } from "./batch-options.ts";
import { reachable, sessionOptions } from "./fleet-of.ts";
import { confirmSecondsOf } from "./judged.ts";
import { reachOf } from "./reach.ts";
import { reporterFor } from "./reporter-for.ts";
import { selectionOf, type selectionOptions } from "./selection-options.ts";
import { listenForSignals } from "./signals.ts";
import type { vaultOptions } from "./vault-options.ts";
import { watchOf, type watchOptions } from "./watch-options.ts";

type RunValues = Values<
  typeof inventoryOptions &
    typeof connectionOptions &
    typeof vaultOptions &
    typeof outputOptions &
    typeof batchOptions &
    typeof watchOptions &
    typeof selectionOptions
> & {
  readonly check?: boolean;
  readonly "no-verify"?: boolean;
  readonly evidence?: boolean;
  readonly "all-pairs"?: boolean;
  readonly "break-lock"?: boolean;
  readonly force?: boolean;
  readonly "confirm-timeout"?: string;
};

/** Who wants to know which hosts are still to be done. */
export interface Retry {
  /** Before each batch. */
  left?: (hosts: readonly string[]) => void;
  /** At the end of a run that changed something, or wanted to: none where all is well. */
  ended?: (hosts: readonly string[]) => void;
}

/** Runs a playbook with what the command line says, shows it, and gives the exit code. */
export async function runWith(
  values: RunValues,
  what: PrepareOptions,
  retry: Retry = {},
  prepared: Prepared = prepare(what),
): Promise<number> {
  const { reporter, message, unwritten } = await reporterFor(values);
  const signals = listenForSignals((text) => message("warning", text));
  try {
    refuseBatches(values, what.playbook);
    const pause = () => reporter.pause?.() ?? (() => {});
    const asking = { stopped: signals.interrupted, pause };
    const rolling = rollingOf(values, asking);
    const confirm = planQuestion(values, asking);
    const session = sessionOptions(values, signals.abandoned, pause);
    const forks = forksOf(values);
    const watch = watchOf(values);
    const total = numberOption("run-timeout", values["run-timeout"], 0, 0);
    for (const text of prepared.remarks) message("warning", text);
    const inventory = await reachable(what.inventory, values, (text) => message("info", text));
    if (total > 0) signals.stopAfter(total * 1000, (text) => message("warning", text));
    const [{ run }, { connect }] = await Promise.all([import("../run/run.ts"), import("../host/connect.ts")]);
    if (Number(values["confirm-timeout"]) === 0 && !values.check)
      message("warning", "--confirm-timeout 0: a host that is cut off does not take the run back by itself");
    const all = {
      ...what,
      inventory,
      prepared: reachedThrough(inventory, prepared),
      rolling,
      selection: selectionOf(values),
      reach: reachOf(values),
      ...(retry.left ? { left: retry.left } : {}),
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
      ...confirmSecondsOf(values),
      verbose: values.verbose === true,
      diff: values.diff === true,
    };
    if (confirm) {
      const plan = await run({ ...all, check: true, prepared: reachedThrough(inventory, prepare(what)) });
      const isIdle = Object.values(plan.hosts).every((host) => host.changed + host.restarts === 0);
      if (plan.exitCode !== 0 || !(isIdle || (await confirm()))) {
        for (const error of plan.refused) process.stderr.write(`${tame(shown(describeError(error)))}\n`);
        return plan.exitCode === 0 ? exitCodes.interrupted : plan.exitCode;
      }
    }
    const outcome = await run({ ...all, ...watch, check: values.check === true });
    await reporter.close();
    if (outcome.refused.length > 0)
      process.stderr.write(`${tame(shown(outcome.refused.map(describeError).join("\n\n")))}\n`);
    const lost = unwritten();
    for (const error of lost) process.stderr.write(`${tame(shown(describeError(error)))}\n`);
    if (!values.check) retry.ended?.(outcome.retry);
    return outcome.exitCode === 0 && lost.length > 0 ? exitCodes.output : outcome.exitCode;
  } finally {
    signals.dispose();
    await reporter.close();
  }
}
