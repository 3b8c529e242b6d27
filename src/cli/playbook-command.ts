import { readFileSync, rmSync } from "node:fs";
import { basename, dirname } from "node:path";
import { CausewayError } from "../errors.ts";
import { quote } from "../host/sh.ts";
import { ownCommand } from "../own-command.ts";
import { loadPlaybook, resolvePlaybookPath } from "../playbook/load.ts";
import { selectionWords } from "../run/selection.ts";
import { nearest } from "../schema/nearest.ts";
import { shown } from "../vault/never-shown.ts";
import { writeWholeFile } from "../whole-file.ts";
import { type connectionOptions, type inventoryOptions, parse, type Values } from "./arguments.ts";
import { commands } from "./commands.ts";
import { door } from "./door.ts";
import { inventoryOf } from "./fleet-of.ts";
import { judgeValues } from "./judged.ts";
import { playbookOptions } from "./playbook-options.ts";
import { isOfConnections, reachOf } from "./reach.ts";
import { type Retry, runWith } from "./run-with.ts";
import { selectionOf, type selectionOptions } from "./selection-options.ts";
import type { vaultOptions } from "./vault-options.ts";

/** `run PLAYBOOK …` */
export async function playbookCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(playbookOptions, args);
  if (values.help) {
    const { optionLines, overview } = await import("./help.ts");
    process.stdout.write(`${overview}\nOptions of a playbook:\n${optionLines(playbookOptions)}\n`);
    return 0;
  }
  judgeValues(values);
  const [given, more] = positionals;
  if (given === undefined || more !== undefined) throw oneplaybook(positionals);
  const file = playbookPath(given);
  const playbook = await loadPlaybook(file, door());
  const { inventory, extraVars } = await inventoryOf(values, dirname(file));
  const [{ prepare }, { refuseOneMachineTwice }] = await Promise.all([
    import("../run/prepare.ts"),
    import("../run/same-machine.ts"),
  ]);
  const limit = values.limit === undefined ? {} : { limit: values.limit };
  const prepared = prepare({ playbook, inventory, extraVars, ...limit });
  await refuseOneMachineTwice(prepared.members, values["ssh-config"]);
  if (values["syntax-check"] || values["list-hosts"] || values["list-tasks"] || values["list-tags"]) {
    const { listHosts, listTags, listTasks } = await import("./listings.ts");
    const selection = selectionOf(values);
    for (const text of prepared.remarks) process.stderr.write(`warning: ${text}\n`);
    if (values["syntax-check"]) process.stdout.write(`${given}: OK\n`);
    if (values["list-hosts"]) process.stdout.write(listHosts(playbook, prepared));
    if (values["list-tasks"]) process.stdout.write(listTasks(playbook, prepared, selection));
    if (values["list-tags"]) process.stdout.write(listTags(playbook, prepared, selection));
    return 0;
  }
  const what = { playbook, inventory, extraVars, ...limit };
  return runWith(values, what, retryFile(given, values), prepared);
}

/**
 * The hosts that are still to be done, in a file for `--limit @file`: while batches are done, too, because nobody writes it
 * for a run that is killed.
 */
export function retryFile(
  given: string,
  values: Values<
    typeof inventoryOptions & typeof connectionOptions & typeof vaultOptions & typeof selectionOptions
  >,
): Retry {
  const others = (values["extra-vars"] ?? []).filter((vars) => !isOfConnections(vars));
  const extra = others.map((vars) => `-e ${quote(vars)}`);
  const chosen = selectionWords(selectionOf(values)).map(quote);
  const again = ownCommand(quote(given), reachOf(values), ...extra, ...chosen);
  const file = `${basename(given, ".ts")}.retry`;
  let written: string | undefined;
  const write = (hosts: readonly string[]) => {
    const text = `${hosts.join("\n")}\n`;
    try {
      writeWholeFile(file, text);
      written = text;
    } catch {
      // A folder that cannot be written to costs the convenience only.
      written = undefined;
    }
  };
  return {
    left: write,
    ended: (hosts) => {
      // Another run of this playbook in the same folder may have written its own since.
      if (hosts.length === 0 && written !== undefined && isStill(file, written))
        rmSync(file, { force: true });
      if (hosts.length === 0) return;
      write(hosts);
      if (written !== undefined)
        process.stderr.write(shown(`to try these hosts again: ${again} --limit @${quote(file)}\n`));
    },
  };
}

function isStill(file: string, text: string): boolean {
  try {
    return readFileSync(file, "utf8") === text;
  } catch {
    return false;
  }
}

function oneplaybook(found: readonly string[]): CausewayError {
  return new CausewayError("usage", found.length === 0 ? "no playbook given" : "run takes one playbook", {
    ...(found.length === 0 ? {} : { found: found.join(" ") }),
    expected: ownCommand("PLAYBOOK [-i INVENTORY] [options]"),
  });
}

/** A playbook's file; what is none, and looks like a command, is a misspelt command. */
function playbookPath(given: string): string {
  try {
    return resolvePlaybookPath(given);
  } catch (error) {
    const meant = /[/.]|^all$/.test(given) ? undefined : nearest(given, [...Object.keys(commands), "help"]);
    if (!meant) throw error;
    throw new CausewayError("usage", `${given} is neither a command nor a playbook`, {
      advice: `did you mean ${ownCommand(meant)}?`,
    });
  }
}
