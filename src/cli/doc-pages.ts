import type { Playbook } from "../playbook/define.ts";
import { withLeave } from "../playbook/leave.ts";
import { fittingWords, type SchemaData } from "../schema/words.ts";

/** What a task or a probe says of itself. */
export interface Definition {
  name: string;
  summary: string;
  params: SchemaData;
}

/** A task or a probe, and the name by which it is imported. */
export interface Documented {
  exported: string;
  definition: Definition;
}

/** A heading, and under it a line for each with its summary. */
export function listOf(title: string, all: readonly { name: string; summary: string }[]): string {
  const width = Math.max(...all.map(({ name }) => name.length));
  const lines = all.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`);
  return `${title}\n${lines.join("")}`;
}

/** A playbook with its variables and plays. */
export function playbookPage(playbook: Playbook, file: string): string {
  const plays = playbook.plays.map(({ title, hosts }) => `  ${title}  (${hosts})\n`);
  return [
    `playbook ${playbook.name}  (${file})\n${playbook.summary}\n`,
    parameters("Variables, from the inventory or by -e", withLeave(playbook.vars) as SchemaData),
    ...(plays.length > 0 ? [`Plays, each with its pattern of hosts\n${plays.join("")}`] : []),
  ].join("\n");
}

/** A task or a probe with its parameters; `from` is what it is imported from. */
export function taskPage({ exported, definition }: Documented, from: string): string {
  const { name, summary, params } = definition;
  const where = `import { ${exported} } from "${from}"`;
  return [`task ${name}  (${where})\n${summary}\n`, parameters("Parameters", params)].join("\n");
}

function parameters(title: string, { properties = {}, required = [] }: SchemaData): string {
  const lines = Object.entries(properties).map(([name, schema]) => {
    const { description } = schema;
    const fallback = fallbackWords(schema, required.includes(name));
    return `  ${name}: ${fittingWords(schema)}; ${fallback}\n${description ? `      ${description}\n` : ""}`;
  });
  return `${title}\n${lines.join("") || "  none\n"}`;
}

function fallbackWords(schema: SchemaData, isRequired: boolean): string {
  if (schema.default !== undefined) return `${JSON.stringify(schema.default)} unless given`;
  return isRequired ? "has to be given" : "may be left out";
}
