import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { CausewayError } from "../errors.ts";
import { noVault, type Vault } from "../vault/vault.ts";
import { isScript } from "./scripts.ts";
import { readOpened } from "./text-file.ts";
import type { Variable } from "./types.ts";
import { isTemplate } from "./unread.ts";
import { readYaml } from "./yaml-document.ts";
import { addVars, isMapping } from "./yaml-layout.ts";

/** What `-e` says, later ones winning: `key=value …`, `{"json": …}`, `@file.yaml`. */
export function parseExtraVars(given: readonly string[], vault: Vault = noVault): Map<string, Variable> {
  const vars = new Map<string, Variable>();
  for (const argument of given) {
    if (argument.startsWith("@")) addFile(vars, argument.slice(1), vault);
    else if (argument.trimStart().startsWith("{")) addMapping(vars, "-e", argument, vault);
    else addPairs(vars, argument);
  }
  return vars;
}

function addFile(vars: Map<string, Variable>, file: string, vault: Vault): void {
  if (!existsSync(file))
    throw new CausewayError("variables", `-e @${file}: the file does not exist`, {
      expected: "a YAML or JSON file with variables",
    });
  const stat = statSync(file);
  if (stat.isDirectory())
    throw new CausewayError("variables", `-e @${file}: this is a folder`, {
      expected: "a YAML or JSON file with variables",
      advice: "name one of its files; several -e may follow each other",
    });
  // Who hands variables over by a pipe, or by a program, does so that nobody sees them.
  if (stat.isFIFO()) vault.hide(file);
  const text = readOpened(file, "variables", vault);
  const isProgram = isScript(file, text, "variables");
  if (isProgram) vault.hide(file);
  addMapping(vars, file, isProgram ? answerOf(file) : text, vault);
}

/** What a program prints: `sops -d secrets.yaml`, or a line with `pass show` in it. */
function answerOf(file: string): string {
  try {
    const stdio = ["inherit", "pipe", "pipe"] as const;
    return execFileSync(resolve(file), { encoding: "utf8", stdio: [...stdio], maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new CausewayError("variables", `-e @${file}: the program that should print variables failed`, {
      command: file,
      output: stderr?.trim() || (message.split("\n")[0] ?? ""),
    });
  }
}

function addMapping(vars: Map<string, Variable>, file: string, text: string, vault: Vault): void {
  vault.reading(file, () => {
    const document = readYaml(file, text, "variables", vault);
    if (!isMapping(document.value))
      throw new CausewayError("variables", `${file}: the variables are not a mapping`, {
        found: text.slice(0, 60),
        expected: "name: value",
      });
    addVars(vars, document, document.at(), "variables");
  });
}

/** `a=1 b="x y"`: words as a shell would split them; every value is a text until a schema says otherwise. */
function addPairs(vars: Map<string, Variable>, argument: string): void {
  for (const { 0: word, index } of argument.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)) {
    const [, name, value = ""] = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(word) ?? [];
    if (name === undefined)
      throw new CausewayError("variables", "-e is not valid", {
        found: word,
        expected: "-e name=value, -e '{\"name\": …}' or -e @file.yaml",
      });
    const at = { file: "-e", line: 1, column: index + 1 };
    const plain = value.replace(/^(["'])([\s\S]*)\1$/, "$2");
    const unread = { what: "template", found: plain, at } as const;
    vars.set(name, { value: plain, at, ...(isTemplate(plain) ? { unread } : {}) });
  }
}
