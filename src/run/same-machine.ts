import { CausewayError, throwAll } from "../errors.ts";
import { endpointOf, knownHere } from "../host/endpoint.ts";
import type { InventoryHost } from "../inventory/types.ts";
import { givenAddress, together } from "../playbook/given.ts";
import { inParallel } from "./in-parallel.ts";

/** So many times may ssh be asked for its configuration at once. */
const asksAtOnce = 8;

/**
 * Two names of one machine would be two runs on it at the same time, and it would have two states to be in: an error before
 * any connection, as far as it can be seen without a name server.
 */
export async function refuseOneMachineTwice(
  hosts: readonly InventoryHost[],
  sshConfigFile?: string,
): Promise<void> {
  const known = knownHere();
  const endpoints = new Map<InventoryHost, string>();
  await inParallel(hosts, { atOnce: asksAtOnce }, async (host) => {
    endpoints.set(host, await endpointOf(host.connection, known, sshConfigFile));
  });
  const first = new Map<string, InventoryHost>();
  throwAll(
    hosts.flatMap((host) => {
      const endpoint = endpoints.get(host) ?? "";
      const other = first.get(endpoint);
      first.set(endpoint, other ?? host);
      return other ? [oneMachine(other, host, endpoint)] : [];
    }),
  );
}

function oneMachine(other: InventoryHost, host: InventoryHost, endpoint: string): CausewayError {
  const connection = (one: InventoryHost) =>
    givenAddress({ ...one, address: one.connection.address, whereIs: (name) => one.whereIs(name) });
  return new CausewayError("inventory", `${other.name} and ${host.name} are one machine`, {
    ...together(connection(host), connection(other)),
    host: host.name,
    found: `both lead to ${endpoint}`,
    expected: "one name for each machine",
    advice: `correct ansible_host or ansible_port of ${host.name}, or remove it from the inventory`,
  });
}
