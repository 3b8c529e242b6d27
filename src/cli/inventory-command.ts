import { CausewayError } from "../errors.ts";
import { asAnsibleList, asGraph, shownVars } from "../inventory/show.ts";
import { remarkLines } from "../inventory/taking-part.ts";
import { ownCommand } from "../own-command.ts";
import { nearest } from "../schema/nearest.ts";
import { helpOption, inventoryOptions, type Options, parse } from "./arguments.ts";
import { inventoryOf } from "./fleet-of.ts";
import { vaultOptions } from "./vault-options.ts";

export const inventoryCommandOptions = {
  inventory: inventoryOptions.inventory,
  "extra-vars": inventoryOptions["extra-vars"],
  list: { type: "boolean", help: "everything, in Ansible's JSON" },
  host: { type: "string", value: "HOST", help: "one host's variables" },
  graph: { type: "boolean", help: "the groups as a tree" },
  ...vaultOptions,
  ...helpOption,
} as const satisfies Options;

/** `run inventory --list | --host HOST | --graph` */
export async function inventoryCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(inventoryCommandOptions, args);
  if (values.help) {
    const { optionLines } = await import("./help.ts");
    process.stdout.write(
      `Usage: ${ownCommand("inventory")} --list | --host HOST | --graph [-i INVENTORY]\n\n${optionLines(inventoryCommandOptions)}\n`,
    );
    return 0;
  }
  const asked = [values.list, values.host !== undefined, values.graph].filter(Boolean).length;
  if (asked !== 1 || positionals.length > 0) {
    throw new CausewayError("usage", "inventory takes one of --list, --host HOST and --graph", {
      ...(args.length > 0 ? { found: args.join(" ") } : {}),
    });
  }
  const { inventory } = await inventoryOf(values);
  for (const line of remarkLines(inventory, [])) process.stderr.write(`warning: ${line}\n`);
  if (values.graph) process.stdout.write(`${asGraph(inventory)}\n`);
  else if (values.list) process.stdout.write(`${JSON.stringify(asAnsibleList(inventory), null, 2)}\n`);
  else {
    const host = inventory.hosts.find((h) => h.name === values.host);
    if (!host) {
      const names = inventory.hosts.map((h) => h.name);
      const meant = nearest(values.host ?? "", names);
      throw new CausewayError("usage", `the inventory has no host ${values.host}`, {
        expected: names.slice(0, 12).join(", "),
        ...(meant ? { advice: `did you mean ${meant}?` } : {}),
      });
    }
    process.stdout.write(`${JSON.stringify(shownVars(host), null, 2)}\n`);
  }
  return 0;
}
