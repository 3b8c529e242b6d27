import { CausewayError } from "../errors.ts";
import { loadInventory } from "../inventory/load.ts";
import type { LabSpec } from "../lab/types.ts";
import { ownCommand } from "../own-command.ts";
import { nearest } from "../schema/nearest.ts";
import { helpOption, inventoryOptions, type Options, parse } from "./arguments.ts";
import { faultOptions } from "./fault-options.ts";
import { optionLines } from "./help.ts";

export const labOptions = {
  inventory: inventoryOptions.inventory,
  ...faultOptions,
  ...helpOption,
} as const satisfies Options;
export const verbs = ["up", "down", "status", "images", "reset", "ssh", "fault", "heal"];
const usageLine = ownCommand(
  "lab up | down | status | images | reset [HOST…] | ssh HOST [-- COMMAND…] | fault HOST… FAULTS | heal [HOST…]  [-i INVENTORY]",
);
const faultHelp = `Faults: what is wrong with a host on purpose, until the command ends, or ${ownCommand("lab heal")}:
${optionLines(faultOptions)}
`;

/** `run lab up|down|status|images|reset|ssh|fault|heal` */
export async function labCommand(args: readonly string[]): Promise<number> {
  const split = args.indexOf("--");
  const command = split < 0 ? null : args.slice(split + 1);
  const { values, positionals } = parse(labOptions, split < 0 ? args : args.slice(0, split));
  const [verb, ...names] = positionals;
  if (values.help) {
    process.stdout.write(`Usage: ${usageLine}\n\n${faultHelp}`);
    return 0;
  }
  const ofFaults = Object.keys(faultOptions).find((name) => name in values);
  if (verb !== "fault" && ofFaults !== undefined)
    throw new CausewayError("usage", `--${ofFaults} is an option of lab fault`, {
      found: args.join(" "),
    });
  const spec = await labSpec(values.inventory ?? ["lab"]);
  const lab = await import("../lab/index.ts");
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  switch (verb) {
    case "up":
      await lab.installPrerequisites(lab.missingPrerequisites(), say);
      await lab.labUp(spec, say);
      return status(spec);
    case "down":
      await lab.labDown(spec, "refuse", say);
      return 0;
    case "reset":
      await lab.installPrerequisites(lab.missingPrerequisites(), say);
      await lab.labReset(spec, names.length > 0 ? names : undefined, say);
      return status(spec);
    case "status":
      return status(spec);
    case "images":
      return listImages(spec);
    case "ssh": {
      const [host, ...words] = names;
      if (host === undefined) throw wrong(args);
      return lab.labExec(spec, host, command ?? (words.length > 0 ? words : null));
    }
    case "fault": {
      if (names.length === 0) throw wrong(args);
      const inventory = (values.inventory ?? []).flatMap((given) => ["-i", given]);
      return (await import("./fault-command.ts")).faultCommand(spec, names, values, inventory);
    }
    case "heal":
      for (const [host, faults] of Object.entries(
        await lab.labHeal(spec, names.length > 0 ? names : undefined),
      ))
        say(`${host} healed: ${lab.faultWords(faults)}`);
      return 0;
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
  const { faultWords, labStatus } = await import("../lab/index.ts");
  const { hosts, image, up } = await labStatus(spec);
  process.stdout.write(`lab ${spec.name}  ${spec.subnet}  image ${spec.image} (${image})\n`);
  for (const { name, address, state, faults } of hosts) {
    const words = faults ? `  ${faultWords(faults)}` : "";
    process.stdout.write(`  ${name.padEnd(20)} ${address.padEnd(16)} ${state}${words}\n`);
  }
  return up ? 0 : 1;
}

/** What each image has; an inventory names the one that it wants by `image:` of its lab. */
async function listImages(spec: LabSpec): Promise<number> {
  const { imagesStatus } = await import("../lab/index.ts");
  for (const { name, suite, built, has } of await imagesStatus(spec.mirror)) {
    const state = built ? "built" : "not built";
    process.stdout.write(`${name.padEnd(10)} ${state.padEnd(10)} Debian ${suite}: ${has.join(", ")}\n`);
  }
  return 0;
}

function wrong(args: readonly string[], verb?: string): CausewayError {
  const meant = verb === undefined ? undefined : nearest(verb, verbs);
  return new CausewayError("usage", "lab takes up, down, status, images, reset, ssh, fault or heal", {
    ...(args.length > 0 ? { found: args.join(" ") } : {}),
    expected: usageLine,
    ...(meant ? { advice: `did you mean ${ownCommand("lab", meant)}?` } : {}),
  });
}
