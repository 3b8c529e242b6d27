import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { CausewayError } from "../errors.ts";
import { quote } from "../host/sh.ts";
import { ownCommand } from "../own-command.ts";
import { foldersFor, packageDir } from "../package-dir.ts";
import { nearest } from "../schema/nearest.ts";
import { noVault, type Vault } from "../vault/vault.ts";
import { splitPort } from "./host-names.ts";
import { addIni } from "./ini-layout.ts";
import { groupOf, hostOf, type Layout } from "./layout.ts";
import { addScript, isScript } from "./scripts.ts";
import { readOpened } from "./text-file.ts";
import { readYaml } from "./yaml-document.ts";
import { addDocument } from "./yaml-layout.ts";

/** The file that `-i` means: a path, or a bare name in `inventory/`; `inventory/…` is here or in this package. */
export function resolveInventoryPath(given: string): string {
  const candidates = foldersFor(given, "inventory").flatMap((folder) =>
    ["", ".yaml", ".yml"].map((end) => join(folder, given) + end),
  );
  const found = candidates.find((file) => existsSync(file));
  if (found) return found;
  const known = readdirSync(join(packageDir, "inventory")).filter((f) => f.endsWith(".yaml"));
  const plain = (name: string) => basename(name).replace(/\.ya?ml$/, "");
  const meant = nearest(plain(given), known.map(plain));
  throw new CausewayError("inventory", `inventory ${given} not found`, {
    expected: `a file, a folder, or one of ${known.join(", ")}; for a single host, a comma behind it: ${given},`,
    ...(meant ? { advice: `did you mean ${meant}?` } : {}),
  });
}

/** Adds what one `-i` means: a list of hosts, a file, or a folder. Gives its path; undefined for a list. */
export async function addSource(
  layout: Layout,
  given: string,
  vault: Vault = noVault,
): Promise<string | undefined> {
  if (given.includes(",") && !existsSync(given)) {
    addHostList(layout, given);
    return undefined;
  }
  const path = resolveInventoryPath(given);
  for (const file of filesOf(path)) await addFile(layout, file, vault);
  return path;
}

/** The folder whose `group_vars/` and `host_vars/` belong to an inventory. */
export function folderOf(path: string): string {
  return statSync(path).isDirectory() ? path : dirname(path);
}

function addHostList(layout: Layout, list: string): void {
  const ungrouped = groupOf(layout, "ungrouped");
  for (const { 0: written, index } of list.matchAll(/[^\s,](?:[^,]*[^\s,])?/g)) {
    const at = { file: "-i", line: 1, column: index + 1 };
    const { name, port } = splitPort(written);
    if (name.includes("["))
      throw new CausewayError("inventory", "a list of hosts takes no ranges", {
        at,
        found: written,
        advice: "name each host, or write the range into a file",
      });
    if (!layout.hosts.has(name)) hostOf(layout, name, ungrouped, { at, port });
  }
}

/** What Ansible leaves alone in a folder: INVENTORY_IGNORE_EXTS of ansible-core 2.14, hidden files, variables. */
const leftAlone =
  /^\.|^(host_vars|group_vars|vars_plugins)$|(\.(pyc|pyo|swp|bak|rpm|md|txt|rst|orig|ini|cfg|retry)|~)$/;

function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .filter((name) => !leftAlone.test(name))
    .flatMap((name) => filesOf(join(path, name)));
}

async function addFile(layout: Layout, file: string, vault: Vault): Promise<void> {
  const text = readOpened(file, "inventory", vault);
  if (isScript(file, text)) return addScript(layout, file, vault);
  if (/\.[cm]?[tj]s$/.test(file))
    throw new CausewayError(
      "inventory",
      `${file} is a program in TypeScript or JavaScript, and no inventory`,
      {
        expected: "YAML, INI, or an executable script that begins with #!",
        advice: `a playbook comes first: ${ownCommand(quote(file), "-i INVENTORY")}`,
      },
    );
  if (file.endsWith(".toml"))
    throw new CausewayError("inventory", `${file} is in TOML, which is not read`, {
      expected: "YAML, INI, or an executable script",
      advice: `convert it once: ansible-inventory -i ${file} --list --yaml --export > ${file.replace(/toml$/, "yaml")}`,
    });
  vault.reading(file, () => {
    if (isYaml(file, text)) addDocument(layout, file, readYaml(file, text, "inventory", vault));
    else addIni(layout, file, text);
  });
}

/**
 * Ansible tries YAML where the ending says so, or there is none, and then INI. Here what looks like neither a section nor a
 * list of hosts is YAML, so that a fault in a YAML file is told as such.
 */
function isYaml(file: string, text: string): boolean {
  const ending = extname(file);
  if (ending !== "" && !/^\.(ya?ml|json)$/.test(ending)) return false;
  const lines = text.split("\n").map((line) => line.trim());
  const first = lines.find((line) => line !== "" && !/^[#;]/.test(line));
  if (first === undefined) return ending !== "";
  if (/^\[[^\s\]]+\]\s*(#.*)?$/.test(first)) return false;
  if (ending !== "" && !lines.some((line) => /^\[[\w.-]+(:\w+)?\]$/.test(line))) return true;
  if (/^(---|\{|%YAML)/.test(first) || /^["']?[^\s:="']+["']?:(\s|$)/.test(first)) return true;
  return false;
}
