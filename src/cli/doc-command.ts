import { existsSync, readdirSync } from "node:fs";
import { basename, extname, join, resolve } from "node:path";
import { CausewayError } from "../errors.ts";
import { ownCommand } from "../own-command.ts";
import { packageDir } from "../package-dir.ts";
import type { Playbook } from "../playbook/define.ts";
import { withLeave } from "../playbook/leave.ts";
import { loadModule, loadPlaybook } from "../playbook/load.ts";
import { nearest } from "../schema/nearest.ts";
import { shownPath } from "../thrown.ts";
import { helpOption, type Options, parse } from "./arguments.ts";
import { type Definition, type Documented, listOf, playbookPage, taskPage } from "./doc-pages.ts";
import { door } from "./door.ts";

export const docOptions = {
  schema: {
    type: "boolean",
    help: "of a playbook: a JSON Schema for an inventory in YAML with its variables, for editors",
  },
  vars: { type: "boolean", help: "with --schema: for a file of variables alone, as in group_vars" },
  ...helpOption,
} as const satisfies Options;

const usageLine = `${ownCommand("doc [PLAYBOOK | TASK | FILE.ts]")} | ${ownCommand("doc PLAYBOOK --schema [--vars]")}`;

/** `run doc [TASK|PLAYBOOK]`: the reference, from the schemas. */
export async function docCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(docOptions, args);
  if (values.help) {
    const { optionLines } = await import("./help.ts");
    process.stdout.write(`Usage: ${usageLine}\n\n${optionLines(docOptions)}\n`);
    return 0;
  }
  const [name, more] = positionals;
  if (more !== undefined || (name === undefined && values.schema))
    throw new CausewayError("usage", values.schema ? "--schema is of one playbook" : "doc takes one name", {
      found: args.join(" "),
      expected: usageLine,
    });
  if (values.vars && !values.schema)
    throw new CausewayError("usage", "--vars is an option of --schema", {
      expected: ownCommand("doc PLAYBOOK --schema --vars"),
    });
  if (name === undefined) process.stdout.write(await overviewOfAll());
  else if (values.schema) process.stdout.write(await schemaOf(name, values.vars === true));
  else process.stdout.write(await pagesOf(name));
  return 0;
}

async function overviewOfAll(): Promise<string> {
  const files = [...playbookFiles().values()];
  const playbooks = await Promise.all(files.map((file) => loadPlaybook(file, door())));
  const tasks = await ownTasks();
  return [
    listOf("Playbooks", playbooks),
    listOf(
      "Tasks and probes",
      tasks.map(({ definition }) => definition),
    ),
    `One of them: ${ownCommand("doc NAME")}. One of your own: ${ownCommand("doc FILE.ts")}\n`,
  ].join("\n");
}

/** The playbooks that a bare name can mean, by their names: those here, then those of this package. */
function playbookFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const folder of [resolve("playbooks"), join(packageDir, "playbooks")])
    for (const file of existsSync(folder) ? readdirSync(folder).sort() : [])
      if (file.endsWith(".ts") && !files.has(basename(file, ".ts")))
        files.set(basename(file, ".ts"), join(folder, file));
  return files;
}

function ownTasks(): Promise<Documented[]> {
  return loadModule(join(packageDir, "tasks/index.ts"), door()).then(documentedIn);
}

function documentedIn(module: Readonly<Record<string, unknown>>): Documented[] {
  return Object.entries(module).flatMap(([exported, value]) =>
    typeof value === "function" && "definition" in value
      ? [{ exported, definition: value.definition as Definition }]
      : [],
  );
}

async function schemaOf(name: string, ofVars: boolean): Promise<string> {
  const file = fileOf(name) ?? playbookFiles().get(name);
  if (file === undefined) throw notFound(name, [...playbookFiles().keys()]);
  const { vars: own, name: playbook } = await loadPlaybook(file, door());
  const vars = withLeave(own);
  const { inventorySchema, varsSchema } = await import("../inventory/vars-schema.ts");
  const schema = ofVars ? varsSchema(vars, playbook) : inventorySchema(vars, playbook);
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** All that has this name: a playbook and a task may share it. */
async function pagesOf(name: string): Promise<string> {
  const file = fileOf(name);
  if (file !== undefined) return (await pagesIn(file)).join("\n");
  const playbooks = playbookFiles();
  const tasks = await ownTasks();
  const found = playbooks.get(name);
  const pages = [
    ...(found === undefined ? [] : await pagesIn(found)),
    ...tasks
      .filter(({ exported, definition }) => [exported, definition.name].includes(name))
      .map((task) => taskPage(task, "causeway/tasks")),
  ];
  if (pages.length > 0) return pages.join("\n");
  throw notFound(name, [...playbooks.keys(), ...tasks.map(({ definition }) => definition.name)]);
}

/** A path to a file, as opposed to a name. */
function fileOf(given: string): string | undefined {
  if (!given.includes("/") && extname(given) !== ".ts") return undefined;
  const places = [given, join(packageDir, given)].flatMap((path) => [path, `${path}.ts`]);
  const file = places.find((path) => extname(path) !== "" && existsSync(path));
  if (file !== undefined) return resolve(file);
  throw new CausewayError("playbook", `there is no file ${given}`, {
    found: `no file ${resolve(given)}`,
    expected: "a TypeScript file with a playbook or with tasks",
  });
}

async function pagesIn(file: string): Promise<string[]> {
  const module = await loadModule(file, door());
  const tasks = documentedIn(module);
  if ((module.default as Partial<Playbook> | undefined)?.causeway === "playbook" || tasks.length === 0)
    return [playbookPage(await loadPlaybook(file, door()), shownPath(file))];
  return tasks.map((task) => taskPage(task, shownPath(file)));
}

function notFound(name: string, known: readonly string[]): CausewayError {
  const meant = nearest(name, known);
  return new CausewayError("usage", `there is no playbook and no task ${name}`, {
    expected: `a name that ${ownCommand("doc")} lists, or a path to a file`,
    ...(meant ? { advice: `did you mean ${meant}?` } : {}),
  });
}
