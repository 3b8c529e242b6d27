import type { InventoryGroup } from "./types.ts";

/** The groups directly above each group. */
export function parentsOf(groups: ReadonlyMap<string, InventoryGroup>): Map<string, string[]> {
  const parents = new Map<string, string[]>();
  for (const [name, { children }] of groups)
    for (const child of children) parents.set(child, [...(parents.get(child) ?? []), name]);
  return parents;
}

/** How far a group is below `all`, by the longest way. */
export function depthOf(parents: ReadonlyMap<string, readonly string[]>, group: string): number {
  if (group === "all") return 0;
  return 1 + Math.max(0, ...(parents.get(group) ?? []).map((p) => depthOf(parents, p)));
}

function priorityOf(group: InventoryGroup): number {
  return Number(group.vars.get("ansible_group_priority")?.value ?? 1);
}

/** A host's groups, the weakest first: `all`, then by depth, priority and name, as Ansible merges them. */
export function precedence(
  groups: ReadonlyMap<string, InventoryGroup>,
  parents: ReadonlyMap<string, readonly string[]>,
  host: string,
): InventoryGroup[] {
  const names = new Set(["all"]);
  const climb = (name: string) => {
    if (names.has(name)) return;
    names.add(name);
    for (const parent of parents.get(name) ?? []) climb(parent);
  };
  for (const [name, group] of groups) if (group.hosts.has(host)) climb(name);
  const found = [...names].flatMap((name) => groups.get(name) ?? []);
  return found.sort(
    (a, b) =>
      depthOf(parents, a.name) - depthOf(parents, b.name) ||
      priorityOf(a) - priorityOf(b) ||
      (a.name < b.name ? -1 : 1),
  );
}
