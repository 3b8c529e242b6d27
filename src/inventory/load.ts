import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { CausewayError, throwAll } from "../errors.ts";
import { contains, lastAddress, networkOf, parseAddress } from "../net/ipv4.ts";
import { foldersFor, packageDir } from "../package-dir.ts";
import { nearest } from "../schema/nearest.ts";
import { connectionOf } from "./connection.ts";
import { addDocument, addVars, emptyLayout, isMapping, type Layout, refuseCycles } from "./layout.ts";
import { parentsOf, precedence } from "./precedence.ts";
import type { Inventory, InventoryHost, Variable } from "./types.ts";
import { readYaml } from "./yaml-document.ts";

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
    expected: `a file, a folder, or one of ${known.join(", ")}`,
    ...(meant ? { advice: `did you mean ${meant}?` } : {}),
  });
}

/** Reads inventories, `group_vars/` and `host_vars/` beside them, by Ansible's rules. */
export async function loadInventory(
  given: readonly string[],
  extraVars: ReadonlyMap<string, Variable> = new Map(),
): Promise<Inventory> {
  const layout = emptyLayout();
  const paths: string[] = [];
  for (const one of given) {
    if (one.includes(",")) addHostList(layout, one);
    else {
      const path = resolveInventoryPath(one);
      paths.push(path);
      for (const file of filesOf(path)) await addFile(layout, file);
    }
  }
  refuseCycles(layout.groups);
  addUngrouped(layout);
  const folders = new Set(paths.map((p) => (statSync(p).isDirectory() ? p : dirname(p))));
  const groupFiles = new Map<string, Map<string, Variable>>();
  for (const folder of folders) addVarsFolders(layout, groupFiles, folder);
  const [folder = "."] = folders;
  return build(layout, groupFiles, paths, folder, extraVars);
}

/** A host that is in no group but `all` is in `ungrouped`. */
function addUngrouped(layout: Layout): void {
  const grouped = new Set<string>();
  for (const { name, hosts } of layout.groups.values())
    if (name !== "all" && name !== "ungrouped") for (const host of hosts) grouped.add(host);
  const ungrouped = layout.groups.get("ungrouped");
  for (const name of layout.hosts.keys())
    if (grouped.has(name)) ungrouped?.hosts.delete(name);
    else ungrouped?.hosts.add(name);
}

function addHostList(layout: Layout, list: string): void {
  for (const { 0: name, index } of list.matchAll(/[^\s,](?:[^,]*[^\s,])?/g)) {
    const at = { file: "-i", line: 1, column: index + 1 };
    if (!layout.hosts.has(name)) layout.hosts.set(name, { vars: new Map(), at });
    layout.groups.get("ungrouped")?.hosts.add(name);
  }
}

function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => !/^\.|~$|\.(orig|bak|retry|cfg|md|txt|rst|swp)$|^(group|host)_vars$/.test(name))
    .sort()
    .map((name) => join(path, name))
    .filter((file) => statSync(file).isFile());
}

async function addFile(layout: Layout, file: string): Promise<void> {
  const text = readFileSync(file, "utf8");
  if (/^(#!|\x7fELF)/.test(text)) {
    if (isExecutable(file)) return addScript(layout, file);
    throw new CausewayError("inventory", `${file} is a script that is not executable`, {
      advice: `chmod +x ${file}`,
    });
  }
  if (/^\s*\[[\w:.-]+\]\s*$/m.test(text) && !/^\w[\w-]*:\s*$/m.test(text)) {
    throw new CausewayError(
      "inventory",
      `${file} is an INI inventory; only Ansible's YAML layout is supported`,
      {
        at: { file, line: 1, column: 1 },
        advice: `convert it once: ansible-inventory -i ${file} --list --yaml > ${file.replace(extname(file), "")}.yaml`,
      },
    );
  }
  addDocument(layout, file, readYaml(file, text, "inventory"));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A script that answers `--list` with Ansible's JSON; one that prints no `_meta` is asked for each host with `--host`. */
async function addScript(layout: Layout, file: string): Promise<void> {
  const stdout = await answerOf(file, "--list");
  const listed = readYaml(`${file} --list`, stdout, "inventory").value;
  if (!isMapping(listed)) throw notAnsibles(file, stdout);
  const { hostvars = {} } = (listed._meta ?? {}) as { hostvars?: Record<string, unknown> };
  const varsOf = async (host: string): Promise<unknown> =>
    "_meta" in listed
      ? hostvars[host]
      : readYaml(`${file} --host ${host}`, await answerOf(file, "--host", host), "inventory").value;
  const groups: Record<string, unknown> = {};
  for (const [name, body] of Object.entries(listed)) {
    if (name === "_meta") continue;
    const group = Array.isArray(body) ? { hosts: body } : body;
    if (!isMapping(group)) throw notAnsibles(file, `${name}: ${JSON.stringify(body)}`);
    const { hosts = [], children = [], vars = null } = group;
    if (!Array.isArray(hosts) || !Array.isArray(children))
      throw notAnsibles(file, `${name}: ${JSON.stringify(body)}`);
    groups[name] = {
      hosts: Object.fromEntries(
        await Promise.all(hosts.map(async (h) => [h, (await varsOf(String(h))) ?? null])),
      ),
      children: Object.fromEntries(children.map((c) => [c, null])),
      vars,
    };
  }
  addDocument(layout, file, readYaml(`${file} --list`, JSON.stringify(groups), "inventory"));
}

async function answerOf(file: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(resolve(file), args, {
    maxBuffer: 64 * 1024 * 1024,
    timeout: 60_000,
  }).catch((error: { stderr?: string; message: string }) => {
    throw new CausewayError("inventory", `the inventory script ${file} failed`, {
      command: [file, ...args].join(" "),
      output: error.stderr || error.message,
    });
  });
  return stdout;
}

function notAnsibles(file: string, found: string): CausewayError {
  return new CausewayError("inventory", `what ${file} --list prints is not an inventory`, {
    at: { file: `${file} --list`, line: 1, column: 1 },
    found: found.trim().slice(0, 60) || "nothing",
    expected: '{"docker": {"hosts": ["docker-200"], "vars": {}}, "_meta": {"hostvars": {}}}',
  });
}

/**
 * `group_vars/NAME(.yaml|/…)` and `host_vars/` win over what the inventory file itself says; those of groups are kept
 * apart, since even `group_vars/all` wins over every group of the file.
 */
function addVarsFolders(
  layout: Layout,
  groupFiles: Map<string, Map<string, Variable>>,
  folder: string,
): void {
  const add = (base: string, target: Map<string, Variable>, subject: string) => {
    const candidates = [base, `${base}.yml`, `${base}.yaml`, `${base}.json`].filter((f) => existsSync(f));
    for (const file of candidates.flatMap((f) => filesOf(f))) {
      const document = readYaml(file, readFileSync(file, "utf8"), "inventory");
      addVars(document, [], target, document.value, subject);
    }
  };
  for (const name of layout.groups.keys()) {
    const vars = groupFiles.get(name) ?? new Map<string, Variable>();
    groupFiles.set(name, vars);
    add(join(folder, "group_vars", name), vars, `variables of group ${name}`);
  }
  for (const [name, host] of layout.hosts)
    add(join(folder, "host_vars", name), host.vars, `variables of ${name}`);
}

function build(
  layout: Layout,
  groupFiles: ReadonlyMap<string, ReadonlyMap<string, Variable>>,
  paths: readonly string[],
  folder: string,
  extraVars: ReadonlyMap<string, Variable>,
): Inventory {
  const errors: CausewayError[] = [];
  const parents = parentsOf(layout.groups);
  const hosts = [...layout.hosts].map(([name, { vars: own, at }]): InventoryHost => {
    const groups = precedence(layout.groups, parents, name);
    const vars = new Map<string, Variable>();
    for (const group of groups) for (const [key, variable] of group.vars) vars.set(key, variable);
    for (const group of groups)
      for (const [key, variable] of groupFiles.get(group.name) ?? []) vars.set(key, variable);
    for (const [key, variable] of own) vars.set(key, variable);
    for (const [key, variable] of extraVars) vars.set(key, variable);
    const { target, errors: found } = connectionOf(name, vars, folder);
    errors.push(...found);
    return {
      name,
      groups: groups.map((g) => g.name).filter((g) => g !== "all"),
      vars: Object.fromEntries([...vars].map(([key, { value }]) => [key, value])),
      connection: target,
      whereIs: (variable) => vars.get(variable)?.at,
      ...(at ? { at } : {}),
    };
  });
  throwAll(withoutRepeats(errors));
  if (hosts.length === 0) {
    throw new CausewayError("inventory", "the inventory has no hosts", {
      found: paths.join(", "),
      expected: "all:\n  hosts:\n    docker-200:\n      ansible_host: 10.0.0.200",
    });
  }
  const lab = labOf(layout, hosts);
  return { paths, hosts, groups: layout.groups, ...(lab ? { lab } : {}) };
}

/** One fault in a group's variables is found for each of its hosts, and told once: by the place where it stands. */
function withoutRepeats(errors: readonly CausewayError[]): CausewayError[] {
  const told = new Map<string, CausewayError>();
  for (const error of errors) {
    const { at } = error.detail;
    const key = at ? `${at.file}:${at.line}:${at.column}` : error.message;
    if (!told.has(key)) told.set(key, error);
  }
  return [...told.values()];
}

function labOf(layout: Layout, hosts: readonly InventoryHost[]): Inventory["lab"] {
  if (!layout.lab) return undefined;
  const { value, document } = layout.lab;
  const network = networkOf(value.subnet);
  const seen = new Map<string, string>();
  const errors: CausewayError[] = [];
  const members = value.hosts.map((name, index) => {
    const at = document.locate(["lab", "hosts", index], false);
    const fault = (message: string, expected: string) =>
      errors.push(new CausewayError("inventory", message, { ...(at ? { at } : {}), expected }));
    const host = hosts.find((h) => h.name === name);
    const address = host?.connection.address ?? "";
    const number = parseAddress(address);
    if (!host)
      fault(
        `the lab's host ${name} is not a host of this inventory`,
        `one of ${hosts.map((h) => h.name).join(", ")}`,
      );
    else if (
      number === undefined ||
      !network ||
      !contains(network, number) ||
      number <= network.first + 1 ||
      number === lastAddress(network)
    )
      fault(
        `the address ${address} of ${name} does not fit the lab`,
        `an address inside ${value.subnet}; the first one is this machine's`,
      );
    else if (seen.has(address))
      fault(`${name} has the same address as ${seen.get(address)}`, "an address of its own");
    seen.set(address, name);
    return { name, address };
  });
  throwAll(errors);
  return {
    name: value.name,
    subnet: value.subnet,
    image: value.image ?? "bullseye",
    hosts: members,
    ...(value.mirror ? { mirror: value.mirror } : {}),
  };
}
