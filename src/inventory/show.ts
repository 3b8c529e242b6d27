import { SealedValue } from "../vault/sealed-value.ts";
import { childrenOf, hostsOfGroup } from "./patterns.ts";
import { isSecretName } from "./secret-names.ts";
import type { Inventory, InventoryHost } from "./types.ts";

/** A host's variables as `--host` prints them; what is secret is masked, by where it is from or by its name, inside of others, too. */
export function shownVars(host: InventoryHost): Record<string, unknown> {
  const shown = Object.entries(host.vars).map(([name, value]) => {
    // A value with a vault in it is printed as it is written: encrypted.
    const isHidden = host.isSecret(name) && host.unread(name)?.what !== "vault";
    return [name, isHidden ? "********" : masked(value)];
  });
  return masked(Object.fromEntries(shown)) as Record<string, unknown>;
}

function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value !== "object" || value === null || value instanceof SealedValue) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, below]) => [
      key,
      isSecretName(key) && below !== null && below !== "" ? hidden(below) : masked(below),
    ]),
  );
}

function hidden(value: unknown): unknown {
  return value instanceof SealedValue ? value : "********";
}

/** The inventory as `ansible-inventory --list` prints it, without groups in which nothing is. */
export function asAnsibleList(inventory: Inventory): Record<string, unknown> {
  const groups = [...inventory.groups.values()].map(({ name, hosts, children }) => [
    name,
    {
      ...(hosts.size > 0 && name !== "all" ? { hosts: [...hosts] } : {}),
      ...(children.size > 0 ? { children: [...children] } : {}),
    },
  ]);
  const hostvars = Object.fromEntries(inventory.hosts.map((host) => [host.name, shownVars(host)]));
  const filled = groups.filter(([, body]) => Object.keys(body as object).length > 0);
  return { _meta: { hostvars }, ...Object.fromEntries(filled) };
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
