import type { Finding, Section } from "../doctor/finding.ts";
import { CausewayError, describeError } from "../errors.ts";
import { select } from "../inventory/patterns.ts";
import { refuseFaulty, remarkLines } from "../inventory/taking-part.ts";
import { ownCommand } from "../own-command.ts";
import { forksOf } from "./ansible-config.ts";
import {
  connectionOptions,
  helpOption,
  inventoryOptions,
  type Options,
  parse,
  type Values,
  wordOption,
} from "./arguments.ts";
import { inventoryOf, reachable, sessionOptions } from "./fleet-of.ts";
import { judgeValues } from "./judged.ts";
import { reachOf } from "./reach.ts";
import { vaultOptions } from "./vault-options.ts";

export const doctorOptions = {
  ...inventoryOptions,
  output: { type: "string", value: "HOW", help: "plain (default) or json" },
  ...connectionOptions,
  ...vaultOptions,
  ...helpOption,
} as const satisfies Options;

const usageLine = ownCommand("doctor [-i INVENTORY]");

/** `run doctor`: what this machine lacks, and the lab, or with -i the hosts of an inventory. Looks, and changes nothing. */
export async function doctorCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(doctorOptions, args);
  if (values.help) {
    const { optionLines } = await import("./help.ts");
    process.stdout.write(`Usage: ${usageLine}\n\n${optionLines(doctorOptions)}\n`);
    return 0;
  }
  if (positionals.length > 0)
    throw new CausewayError("usage", "doctor takes options only", {
      found: positionals.join(" "),
      expected: usageLine,
      advice: "hosts are chosen with -l PATTERN",
    });
  const isJson = wordOption("output", values.output, ["plain", "json"]) === "json";
  const { output: _, ...judged } = values;
  judgeValues(judged);
  const { controllerFindings } = await import("../doctor/controller.ts");
  const here: Section[] = [{ title: "this machine", findings: controllerFindings() }];
  const hosts = values.inventory ? await hostSection(values, here) : undefined;
  if (!values.inventory) await addLab(here);
  await print([...here, ...(hosts ? [hosts.section] : [])], isJson);
  if (hosts?.isLost) return 4;
  if (hosts && isMissing([hosts.section])) return 2;
  return isMissing(here) ? 1 : 0;
}

async function addLab(sections: Section[]): Promise<void> {
  const { labFindings } = await import("../doctor/lab.ts");
  sections.push({ title: "the embedded lab", findings: labFindings() });
}

function isMissing(sections: readonly Section[]): boolean {
  return sections.some(({ findings }) => findings.some(({ level }) => level === "missing"));
}

/** The hosts of an inventory; those of a lab are not looked at where this machine cannot boot it. */
async function hostSection(
  values: Values<typeof doctorOptions>,
  here: Section[],
): Promise<{ section: Section; isLost: boolean } | undefined> {
  const { inventory } = await inventoryOf(values);
  const chosen = select(inventory, values.limit ?? "all", "--limit");
  refuseFaulty(chosen);
  for (const line of remarkLines(inventory, chosen)) say(`warning: ${line}`);
  if (inventory.lab) await addLab(here);
  if (inventory.lab && isMissing(here)) return undefined;
  const ready = await reachable(inventory, values, say);
  const names = new Set(chosen.map(({ name }) => name));
  const [{ examine }, { ofHosts }] = await Promise.all([
    import("../run/examine.ts"),
    import("../report/doctor.ts"),
  ]);
  const { findings, lost } = await examine(
    ready.hosts.filter(({ name }) => names.has(name)),
    sessionOptions(values, new AbortController().signal),
    forksOf(values),
  );
  const answered = names.size - lost.length;
  const reached: Finding = {
    about: "reachable",
    level: lost.length === 0 ? "ok" : "missing",
    found: `${answered} of ${names.size} answered`,
  };
  const unreached = lost.map(
    ({ error }): Finding => ({ about: "unreachable", level: "missing", found: describeError(error) }),
  );
  return {
    section: { title: "the hosts", findings: [reached, ...unreached, ...ofHosts(findings, reachOf(values))] },
    isLost: lost.some(({ error }) => error.code === "unreachable"),
  };
}

async function print(sections: readonly Section[], isJson: boolean): Promise<void> {
  const { shown, shownData } = await import("../vault/never-shown.ts");
  if (isJson) {
    process.stdout.write(`${JSON.stringify(shownData({ sections }))}\n`);
    return;
  }
  const [{ doctorLines }, { painter }] = await Promise.all([
    import("../report/doctor.ts"),
    import("../report/paint.ts"),
  ]);
  const paint = painter(process.stdout.isTTY === true && process.env.NO_COLOR === undefined);
  const end = isMissing(sections) ? "something is missing" : "nothing is missing";
  process.stdout.write(`${shown([...doctorLines(sections, paint), end].join("\n"))}\n`);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
