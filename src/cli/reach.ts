import { quote } from "../host/sh.ts";
import { parseExtraVars } from "../inventory/extra-vars.ts";
import { connectionOptions, inventoryOptions, type Option, type Values } from "./arguments.ts";
import { vaultOptions } from "./vault-options.ts";

const { limit: _, "extra-vars": __, ...inventory } = inventoryOptions;
const reachOptions = { ...inventory, ...connectionOptions, ...vaultOptions };

/**
 * The options that reach the same hosts in another command, as one could paste them: `-i inventory.yaml -b`, and of `-e` what is
 * about connections alone.
 */
export function reachOf(
  values: Values<typeof inventoryOptions & typeof connectionOptions & typeof vaultOptions>,
): string {
  const given = values as Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  const options = Object.entries<Option>(reachOptions).flatMap(([name, { short }]) => {
    const dashed = short === undefined ? `--${name}` : `-${short}`;
    return [given[name] ?? []].flat().map((value) => {
      return typeof value === "string" ? `${dashed} ${quote(value)}` : dashed;
    });
  });
  const extra = (values["extra-vars"] ?? []).filter(isOfConnections).map((vars) => `-e ${quote(vars)}`);
  return [...options, ...extra].join(" ");
}

/** `ansible_user=ops`; what stands in a file may be anything. */
export function isOfConnections(argument: string): boolean {
  if (argument.startsWith("@")) return false;
  const names = [...parseExtraVars([argument]).keys()];
  return names.length > 0 && names.every((name) => name.startsWith("ansible_"));
}
