import { existsSync, readdirSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { noVault, type Vault } from "../vault/vault.ts";
import { readOpened } from "./text-file.ts";
import type { Variable } from "./types.ts";
import { readYaml } from "./yaml-document.ts";
import { addVars } from "./yaml-layout.ts";

/** Variables that files beside an inventory or a playbook give to groups and to hosts. */
export interface VarsFiles {
  groups: ReadonlyMap<string, ReadonlyMap<string, Variable>>;
  hosts: ReadonlyMap<string, ReadonlyMap<string, Variable>>;
}

/** Reads `group_vars/` and `host_vars/` of several folders, of which a later one wins. */
export function readVarsFiles(
  folders: readonly string[],
  groups: Iterable<string>,
  hosts: Iterable<string>,
  vault: Vault = noVault,
): VarsFiles {
  return {
    groups: readEach(folders, "group_vars", groups, vault, (name) => `variables of group ${name}`),
    hosts: readEach(folders, "host_vars", hosts, vault, (name) => `variables of ${name}`),
  };
}

function readEach(
  folders: readonly string[],
  kind: "group_vars" | "host_vars",
  names: Iterable<string>,
  vault: Vault,
  subject: (name: string) => string,
): Map<string, Map<string, Variable>> {
  const found = new Map<string, Map<string, Variable>>();
  const present = folders.map((folder) => join(folder, kind)).filter((folder) => existsSync(folder));
  if (present.length === 0) return found;
  for (const name of names) {
    const vars = new Map<string, Variable>();
    for (const file of present.flatMap((folder) => filesFor(folder, name))) {
      const text = readOpened(file, "inventory", vault);
      vault.reading(file, () => {
        const document = readYaml(file, text, "inventory", vault);
        addVars(vars, document, { file, line: 1, column: 1 }, subject(name));
      });
    }
    if (vars.size > 0) found.set(name, vars);
  }
  return found;
}

const endings = ["", ".yml", ".yaml", ".json"];

/** The first that is there of `NAME`, a file or a folder, `NAME.yml`, `NAME.yaml` and `NAME.json`; the others are not read. */
function filesFor(folder: string, name: string): string[] {
  // A name such as /srv/chroot is a path, and none below this folder.
  if (name.startsWith("/")) return [];
  const first = endings.map((ending) => join(folder, name) + ending).find((file) => existsSync(file));
  if (first === undefined) return [];
  return statSync(first).isDirectory() ? filesBelow(first) : [first];
}

/** The files of a folder and its subfolders by name; hidden ones, backups and other endings are left alone. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .filter((name) => !name.startsWith(".") && !name.endsWith("~"))
    .flatMap((name) => {
      const path = join(folder, name);
      const ending = extname(name);
      if (statSync(path).isDirectory()) return ending === "" ? filesBelow(path) : [];
      return endings.includes(ending) ? [path] : [];
    });
}
