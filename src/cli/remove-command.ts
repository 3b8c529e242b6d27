import { dirname } from "node:path";
import { CausewayError } from "../errors.ts";
import { select } from "../inventory/patterns.ts";
import type { Inventory } from "../inventory/types.ts";
import { ownCommand } from "../own-command.ts";
import type { Playbook } from "../playbook/define.ts";
import { loadPlaybook, resolvePlaybookPath } from "../playbook/load.ts";
import { membersOf, prepare } from "../run/prepare.ts";
import { type Options, parse } from "./arguments.ts";
import { door } from "./door.ts";
import { inventoryOf } from "./fleet-of.ts";
import { judgeValues } from "./judged.ts";
import { playbookOptions } from "./playbook-options.ts";
import { runWith } from "./run-with.ts";

const {
  limit: _limit,
  "list-hosts": _hosts,
  "list-tasks": _tasks,
  "list-tags": _listTags,
  tags: _tags,
  "skip-tags": _skip,
  "start-at-task": _start,
  "syntax-check": _syntax,
  ...shared
} = playbookOptions;

export const removeOptions = {
  dead: {
    type: "boolean",
    help: "the hosts are gone for good: take away what the others have of them",
  },
  ...shared,
} as const satisfies Options;

const usageLine = ownCommand("remove PLAYBOOK HOST[,HOST] [--dead] [-i INVENTORY]");

/** `run remove PLAYBOOK HOST[,HOST]`: hosts leave the fleet, first with their own part, then with what their peers have of them. */
export async function removeCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(removeOptions, args);
  if (values.help) {
    const { optionLines } = await import("./help.ts");
    process.stdout.write(`Usage: ${usageLine}\n\n${optionLines(removeOptions)}\n`);
    return 0;
  }
  judgeValues(values);
  const [given, pattern, more] = positionals;
  if (given === undefined || pattern === undefined || more !== undefined)
    throw new CausewayError("usage", "remove takes a playbook and the hosts that leave", {
      found: positionals.join(" ") || "nothing",
      expected: usageLine,
    });
  const file = resolvePlaybookPath(given);
  const playbook = await loadPlaybook(file, door());
  const { inventory, extraVars } = await inventoryOf(values, dirname(file));
  const names = leavingHosts(playbook, inventory, pattern);
  const what = { playbook, inventory, extraVars, leaving: { names, dead: values.dead === true } };
  return runWith(values, what, undefined, prepare(what));
}

/** The hosts that a pattern names; each is the playbook's, and not all of them are. */
function leavingHosts(playbook: Playbook, inventory: Inventory, pattern: string): string[] {
  const leaving = select(inventory, pattern, "remove").map((host) => host.name);
  if (playbook.undoes || playbook.plays.length === 0)
    throw new CausewayError("usage", `${playbook.name} builds nothing that a host could be taken out of`, {
      expected: "the playbook that the hosts were set up with, such as static-route",
    });
  const members = membersOf(playbook, inventory).members.map((host) => host.name);
  const strangers = leaving.filter((name) => !members.includes(name));
  if (strangers.length > 0)
    throw new CausewayError("usage", `${playbook.name} is not for ${strangers.join(", ")}`, {
      expected: `hosts of that playbook: ${members.join(", ")}`,
    });
  if (leaving.length === members.length)
    throw new CausewayError("usage", "nobody would be left in the fleet", {
      found: leaving.join(", "),
      expected: "at least one host that stays",
      advice: `to undo all of it on all hosts: ${ownCommand("reset")}`,
    });
  return leaving;
}
