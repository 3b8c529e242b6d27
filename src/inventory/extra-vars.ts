import { existsSync, statSync } from "node:fs";
import { CausewayError } from "../errors.ts";
import { readText } from "./text-file.ts";
import type { Variable } from "./types.ts";
import { isTemplate } from "./unread.ts";
import { readYaml } from "./yaml-document.ts";
import { addVars, isMapping } from "./yaml-layout.ts";

/** What `-e` says, later ones winning: `key=value …`, `{"json": …}`, `@file.yaml`. */
export function parseExtraVars(given: readonly string[]): Map<string, Variable> {
  const vars = new Map<string, Variable>();
  for (const argument of given) {
    if (argument.startsWith("@")) addFile(vars, argument.slice(1));
    else if (argument.trimStart().startsWith("{")) addMapping(vars, "-e", argument);
    else addPairs(vars, argument);
  }
  return vars;
}

function addFile(vars: Map<string, Variable>, file: string): void {
  if (!existsSync(file))
    throw new CausewayError("variables", `-e @${file}: the file does not exist`, {
      expected: "a YAML or JSON file with variables",
    });
  if (statSync(file).isDirectory())
    throw new CausewayError("variables", `-e @${file}: this is a folder`, {
      expected: "a YAML or JSON file with variables",
      advice: "name one of its files; several -e may follow each other",
    });
  addMapping(vars, file, readText(file, "variables"));
}

function addMapping(vars: Map<string, Variable>, file: string, text: string): void {
  const document = readYaml(file, text, "variables");
  if (!isMapping(document.value))
    throw new CausewayError("variables", `${file}: the variables are not a mapping`, {
      found: text.slice(0, 60),
      expected: "name: value",
    });
  addVars(vars, document, document.at(), "variables");
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
