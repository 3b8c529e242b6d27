import { CausewayError } from "../errors.ts";
import { loadInventory } from "../inventory/load.ts";
import type { LabSpec } from "../lab/types.ts";
import { nearest } from "../schema/nearest.ts";
import { helpOption, inventoryOptions, type Options, parse } from "./arguments.ts";

const options = { inventory: inventoryOptions.inventory, ...helpOption } as const satisfies Options;
const usageLine = "run lab up | down | status | reset [HOST…] | ssh HOST [-- COMMAND…]  [-i INVENTORY]";

/** `run lab up|down|status|reset|ssh` */
export async function labCommand(args: readonly string[]): Promise<number> {
  const split = args.indexOf("--");
  const command = split < 0 ? null : args.slice(split + 1);
  const { values, positionals } = parse(options, split < 0 ? args : args.slice(0, split));
  const [verb, ...names] = positionals;
  if (values.help) {
    process.stdout.write(`Usage: ${usageLine}\n`);
    return 0;
  }
  const spec = await labSpec(values.inventory ?? ["lab"]);
  const lab = await import("../lab/index.ts");
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  switch (verb) {
    case "up":
      await lab.installPrerequisites(lab.missingPrerequisites(), say);
      await lab.labUp(spec, say);
      return status(spec);
    case "down":
      await lab.labDown(spec);
      return 0;
    case "reset":
      await lab.installPrerequisites(lab.missingPrerequisites(), say);
      await lab.labReset(spec, names.length > 0 ? names : undefined, say);
      return status(spec);
    case "status":
      return status(spec);
    case "ssh": {
      const [host, ...words] = names;
      if (host === undefined) throw wrong(args);
      return lab.labExec(spec, host, command ?? (words.length > 0 ? words : null));
    }
    default:
      throw wrong(args, verb);
  }
}

async function labSpec(given: readonly string[]): Promise<LabSpec> {
  const inventory = await loadInventory(given);
  if (inventory.lab) return inventory.lab;
  throw new CausewayError("inventory", "this inventory defines no lab", {
    found: inventory.paths.join(", "),
    expected: "a block lab: with name, subnet and hosts, as in inventory/lab.yaml",
  });
}

async function status(spec: LabSpec): Promise<number> {
  const { labStatus } = await import("../lab/index.ts");
  const { hosts, image, up } = await labStatus(spec);
  process.stdout.write(`lab ${spec.name}  ${spec.subnet}  Debian ${spec.image} (image ${image})\n`);
  for (const { name, address, state } of hosts)
    process.stdout.write(`  ${name.padEnd(20)} ${address.padEnd(16)} ${state}\n`);
  return up ? 0 : 1;
}

function wrong(args: readonly string[], verb?: string): CausewayError {
  const meant = verb === undefined ? undefined : nearest(verb, ["up", "down", "status", "reset", "ssh"]);
  return new CausewayError("usage", "run lab takes up, down, status, reset or ssh", {
    ...(args.length > 0 ? { found: args.join(" ") } : {}),
    expected: usageLine,
    ...(meant ? { advice: `did you mean run lab ${meant}?` } : {}),
  });
}
