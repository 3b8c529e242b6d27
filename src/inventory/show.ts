import { secretVariables } from "./connection.ts";
import { childrenOf, hostsOfGroup } from "./patterns.ts";
import type { Inventory, InventoryHost } from "./types.ts";

/** A host's variables as `--host` prints them; passwords are masked. */
export function shownVars(host: InventoryHost): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(host.vars).map(([key, value]) => [key, secretVariables.test(key) ? "********" : value]),
  );
}

/** The inventory as `ansible-inventory --list` prints it. */
export function asAnsibleList(inventory: Inventory): Record<string, unknown> {
  const groups = [...inventory.groups.values()].map((group) => {
    const below = [...childrenOf(inventory, group.name)];
    return [
      group.name,
      {
        ...(group.hosts.size > 0 && group.name !== "all" ? { hosts: [...group.hosts] } : {}),
        ...(below.length > 0 ? { children: below } : {}),
      },
    ];
  });
  const hostvars = Object.fromEntries(inventory.hosts.map((host) => [host.name, shownVars(host)]));
  return { _meta: { hostvars }, ...Object.fromEntries(groups) };
}

/** The inventory as `ansible-inventory --graph` draws it. */
export function asGraph(inventory: Inventory): string {
  const draw = (name: string, indent: string): string[] => {
    const group = inventory.groups.get(name);
    const used = [...childrenOf(inventory, name)].filter(
      (child) => hostsOfGroup(inventory, child).size > 0 || child === "ungrouped",
    );
    return [
      ...used.flatMap((child) => [`${indent}|--@${child}:`, ...draw(child, `${indent}|  `)]),
      ...(name === "all" ? [] : [...(group?.hosts ?? [])]).map((host) => `${indent}|--${host}`),
    ];
  };
  return ["@all:", ...draw("all", "  ")].join("\n");
}
