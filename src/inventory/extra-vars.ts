import { existsSync, readFileSync } from "node:fs";
import { CausewayError } from "../errors.ts";
import type { Variable } from "./types.ts";
import { readYaml } from "./yaml-document.ts";

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
  addMapping(vars, file, readFileSync(file, "utf8"));
}

function addMapping(vars: Map<string, Variable>, file: string, text: string): void {
  const document = readYaml(file, text, "variables");
  if (typeof document.value !== "object" || document.value === null || Array.isArray(document.value)) {
    throw new CausewayError("variables", `${file}: the variables are not a mapping`, {
      found: text.slice(0, 60),
      expected: "name: value",
    });
  }
  for (const [name, value] of Object.entries(document.value)) {
    const at = document.locate([name], false);
    vars.set(name, { value, ...(at ? { at } : {}) });
  }
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
    vars.set(name, {
      value: value.replace(/^(["'])([\s\S]*)\1$/, "$2"),
      at: { file: "-e", line: 1, column: index + 1 },
    });
  }
}
