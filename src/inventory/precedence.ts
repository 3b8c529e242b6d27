import type { InventoryGroup } from "./types.ts";

/** The groups of each host, the weakest first: `all`, then by depth, priority and name, as Ansible merges them. */
export class Precedence {
  readonly #groups: ReadonlyMap<string, InventoryGroup>;
  readonly #parents = new Map<string, string[]>();
  readonly #depths = new Map<string, number>();
  readonly #of = new Map<string, string[]>();
  /** Hosts of the same groups have the same list, found once. */
  readonly #lists = new Map<string, readonly InventoryGroup[]>();

  constructor(groups: ReadonlyMap<string, InventoryGroup>) {
    this.#groups = groups;
    for (const [name, { children, hosts }] of groups) {
      for (const child of children) push(this.#parents, child, name);
      for (const host of hosts) push(this.#of, host, name);
    }
  }

  groupsOf(host: string): readonly InventoryGroup[] {
    const own = this.#of.get(host) ?? [];
    const key = own.join("\n");
    const known = this.#lists.get(key) ?? this.#sorted(own);
    this.#lists.set(key, known);
    return known;
  }

  #sorted(own: readonly string[]): InventoryGroup[] {
    // A set is walked to its end, with what is added on the way.
    const names = new Set(["all", ...own]);
    for (const name of names) for (const parent of this.#parents.get(name) ?? []) names.add(parent);
    return [...names]
      .flatMap((name) => this.#groups.get(name) ?? [])
      .sort(
        (a, b) =>
          this.#depth(a.name) - this.#depth(b.name) ||
          priorityOf(a) - priorityOf(b) ||
          (a.name < b.name ? -1 : 1),
      );
  }

  /** How far a group is below `all`, by the longest way. */
  #depth(group: string): number {
    if (group === "all") return 0;
    const known = this.#depths.get(group);
    if (known !== undefined) return known;
    const depth = 1 + Math.max(0, ...(this.#parents.get(group) ?? []).map((p) => this.#depth(p)));
    this.#depths.set(group, depth);
    return depth;
  }
}

function push(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

function priorityOf(group: InventoryGroup): number {
  return Number(group.vars.get("ansible_group_priority")?.value ?? 1);
}
