import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { CausewayError } from "../errors.ts";
import { quote } from "../host/sh.ts";
import { ownCommand } from "../own-command.ts";
import { packageDir } from "../package-dir.ts";
import { helpOption, parse } from "./arguments.ts";

export const initOptions = helpOption;

const usageLine = ownCommand("init [FOLDER]");

/** `run init [FOLDER]`: a project with a playbook, a task, its test and an inventory, that passes at once. No file is overwritten. */
export async function initCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(initOptions, args);
  if (values.help) {
    process.stdout.write(
      `Usage: ${usageLine}\n\nMakes a project in FOLDER, or here: playbook, task, test, inventory. It overwrites no file.\n`,
    );
    return 0;
  }
  const [given = ".", more] = positionals;
  if (more !== undefined)
    throw new CausewayError("usage", "init takes one folder", {
      found: positionals.join(" "),
      expected: usageLine,
    });
  const folder = resolve(given);
  const files = projectFiles(folder);
  refuseExisting(folder, [...files.keys()]);
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    // wx: not even one that came about since is overwritten.
    writeFileSync(join(folder, path), text, { flag: "wx" });
  }
  process.stdout.write(`${[...files.keys()].map((path) => join(given, path)).join("\n")}\n\n${next(given)}`);
  return 0;
}

/** What belongs into the project, by its path in it. */
function projectFiles(folder: string): Map<string, string> {
  const from = join(packageDir, "project");
  const paths = readdirSync(from, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(from, join(entry.parentPath, entry.name)))
    .sort();
  return new Map(
    paths.map((path) => {
      const text = readFileSync(join(from, path), "utf8");
      // npm takes a .gitignore out of a package.
      if (path === "gitignore") return [".gitignore", text];
      return [path, path === "package.json" ? packageOf(text, folder) : text];
    }),
  );
}

/** Named as its folder, and with this very causeway. */
function packageOf(text: string, folder: string): string {
  const made = JSON.parse(text) as { name: string; dependencies: Record<string, string> };
  const name = basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-");
  // Not the name of what it depends on, which npm refuses.
  const own = /^[a-z0-9]/.test(name) && name !== "causeway" ? name : made.name;
  const dependencies = { ...made.dependencies, causeway: `file:${packageDir}` };
  return `${JSON.stringify({ ...made, name: own, dependencies }, null, 2)}\n`;
}

function refuseExisting(folder: string, paths: readonly string[]): void {
  const there = paths.filter((path) => existsSync(join(folder, path)));
  if (there.length === 0) return;
  throw new CausewayError("usage", "a project would overwrite files, so nothing was written", {
    found: there.map((path) => join(folder, path)).join("\n"),
    expected: "a folder without these files",
    advice: `name another folder: ${ownCommand("init FOLDER")}`,
  });
}

function next(given: string): string {
  const steps = [
    ...(given === "." ? [] : [`cd ${quote(given)}`]),
    "npm install && npm test",
    "npx run greet --check --diff            # on the embedded lab: three real hosts on this machine, as root",
    "npx run greet -i inventory.yaml --check # on your own hosts, once they are in inventory.yaml",
  ];
  return `Next:\n${steps.map((step) => `  ${step}\n`).join("")}`;
}
