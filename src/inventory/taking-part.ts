import { type CausewayError, throwAll } from "../errors.ts";
import type { Inventory, InventoryHost, Remark } from "./types.ts";

/** Throws what is wrong with the connection variables of hosts that take part. */
export function refuseFaulty(hosts: readonly InventoryHost[]): void {
  throwAll(withoutRepeats(hosts.flatMap(({ faults }) => faults)));
}

/** Throws where the address of a host is not known: its peers need it, although this run leaves it alone. */
export function refuseUnaddressed(hosts: readonly InventoryHost[]): void {
  refuseFaulty(hosts.filter((host) => host.unread("ansible_host") ?? host.unread("ansible_ssh_host")));
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

/** What a person should know of an inventory and of the hosts that take part, each once, as lines. */
export function remarkLines(
  inventory: Pick<Inventory, "remarks">,
  hosts: readonly InventoryHost[],
  others: readonly Remark[] = [],
): string[] {
  const all = [...inventory.remarks, ...hosts.flatMap(({ remarks }) => remarks), ...others];
  return [...new Set(all.map(({ text, at }) => (at ? `${at.file}:${at.line}:${at.column}: ${text}` : text)))];
}
