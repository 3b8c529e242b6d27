import { CausewayError } from "../errors.ts";
import { neverShow } from "../vault/never-shown.ts";
import { noVault, type Vault } from "../vault/vault.ts";
import { connectionOf, type JudgedConnection } from "./connection.ts";
import { labOf } from "./lab-block.ts";
import { completeGroups, emptyLayout, type Layout, type LayoutHost } from "./layout.ts";
import { Precedence } from "./precedence.ts";
import { addSource, folderOf } from "./sources.ts";
import type { Inventory, InventoryGroup, InventoryHost, Variable } from "./types.ts";
import { readVarsFiles, type VarsFiles } from "./vars-files.ts";

/**
 * Reads inventories by Ansible's rules, with `group_vars/` and `host_vars/` beside them, and beside the playbook where one is
 * given: those win over what the inventories themselves say, and the playbook's over the inventories'.
 */
export async function loadInventory(
  given: readonly string[],
  extraVars: ReadonlyMap<string, Variable> = new Map(),
  playbookFolder?: string,
  vault: Vault = noVault,
): Promise<Inventory> {
  const layout = emptyLayout();
  const paths: string[] = [];
  for (const one of given) paths.push(...[(await addSource(layout, one, vault)) ?? []].flat());
  completeGroups(layout);
  const folders = [...new Set(paths.map(folderOf))];
  const names = [layout.groups.keys(), layout.hosts.keys()].map((keys) => [...keys]);
  const read = (some: readonly string[]) => readVarsFiles(some, names[0] ?? [], names[1] ?? [], vault);
  const beside = [read(folders)];
  if (playbookFolder !== undefined && !folders.includes(playbookFolder)) beside.push(read([playbookFolder]));
  const merged = new MergedVars(layout, beside, extraVars);
  const [folder = "."] = folders;
  const hosts = [...layout.hosts].map(([name, host]) => hostFrom(name, host, merged, folder, vault));
  if (hosts.length === 0)
    throw new CausewayError("inventory", "the inventory has no hosts", {
      found: paths.join(", "),
      expected: "all:\n  hosts:\n    docker-200:\n      ansible_host: 10.0.0.200",
    });
  const { groups, remarks } = layout;
  return { paths, hosts, groups, remarks, ...(layout.lab ? { lab: labOf(layout.lab, hosts) } : {}) };
}

type Vars = ReadonlyMap<string, Variable>;

/** How a host is reached is told wherever it is told of the host; but not its passwords. */
const isWay = /^ansible_(?!.*pass)/;

/**
 * The variables of hosts, merged in Ansible's order: the inventories' groups, the files of `all`, those of the other groups, the
 * host's own, its files, and `-e`. Of each, the playbook's files come behind the inventories'.
 */
class MergedVars {
  readonly precedence: Precedence;
  readonly #beside: readonly VarsFiles[];
  readonly #extraVars: Vars;
  readonly #ofGroups = new Map<readonly InventoryGroup[], Map<string, Variable>>();

  constructor({ groups }: Layout, beside: readonly VarsFiles[], extraVars: Vars) {
    this.precedence = new Precedence(groups);
    this.#beside = beside;
    this.#extraVars = extraVars;
  }

  of(name: string, { vars: own }: LayoutHost): Map<string, Variable> {
    const groups = this.precedence.groupsOf(name);
    const shared = this.#ofGroups.get(groups) ?? this.#merge(groups);
    this.#ofGroups.set(groups, shared);
    const vars = new Map(shared);
    add(vars, own);
    for (const { hosts } of this.#beside) add(vars, hosts.get(name));
    add(vars, this.#extraVars);
    return vars;
  }

  #merge(groups: readonly InventoryGroup[]): Map<string, Variable> {
    const vars = new Map<string, Variable>();
    for (const group of groups) add(vars, group.vars);
    // It orders the groups, and is nobody's variable.
    vars.delete("ansible_group_priority");
    const all = groups.filter(({ name }) => name === "all");
    const others = groups.filter(({ name }) => name !== "all");
    for (const some of [all, others])
      for (const files of this.#beside) for (const { name } of some) add(vars, files.groups.get(name));
    return vars;
  }
}

function add(target: Map<string, Variable>, vars: Vars = new Map()): void {
  for (const [key, variable] of vars) target.set(key, variable);
}

function hostFrom(
  name: string,
  host: LayoutHost,
  merged: MergedVars,
  folder: string,
  vault: Vault,
): InventoryHost {
  const vars = merged.of(name, host);
  const isSecret = ({ at, unread }: Partial<Variable>) => unread?.what === "vault" || vault.hides(at?.file);
  for (const [key, variable] of vars) if (isSecret(variable) && !isWay.test(key)) neverShow(variable.value);
  let judged: JudgedConnection | undefined;
  // Most listings ask for no connection.
  const connection = () => {
    judged ??= connectionOf(name, vars, folder);
    return judged;
  };
  return {
    name,
    groups: merged.precedence.groupsOf(name).flatMap((g) => (g.name === "all" ? [] : [g.name])),
    vars: Object.fromEntries([...vars].map(([key, { value }]) => [key, value])),
    get connection() {
      return connection().target;
    },
    get faults() {
      return connection().faults;
    },
    get remarks() {
      return connection().remarks;
    },
    whereIs: (variable) => vars.get(variable)?.at,
    unread: (variable) => vars.get(variable)?.unread,
    isSecret: (variable) => isSecret(vars.get(variable) ?? {}),
    ...(host.at ? { at: host.at } : {}),
  };
}
