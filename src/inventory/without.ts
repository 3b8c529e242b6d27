import type { Inventory, InventoryHost } from "./types.ts";

/** The inventory as if some of its hosts were not written in it. */
export function without(inventory: Inventory, names: Pick<ReadonlySet<string>, "has">): Inventory {
  const stays = (name: string) => !names.has(name);
  return {
    ...inventory,
    hosts: inventory.hosts.filter((host: InventoryHost) => stays(host.name)),
    groups: new Map(
      [...inventory.groups].map(([name, group]) => [
        name,
        { ...group, hosts: new Set([...group.hosts].filter(stays)) },
      ]),
    ),
  };
}
