import { expect, test } from "vitest";
import { movedServers } from "../../playbooks/checks/overlay.ts";
import { Fleet } from "../../src/playbook/fleet.ts";

/** Hosts a, b, c, whose consul's configuration names these servers; those in `servers` are the inventory's group. */
function refused(servers: string, asks: Readonly<Record<string, string>>, store = "consul"): string[] {
  const addresses: Readonly<Record<string, string>> = { a: "10.0.0.1", b: "10.0.0.2", c: "10.0.0.3" };
  const at = (names: string) => names.split(" ").flatMap((name) => addresses[name] ?? []);
  const hosts = Object.entries(addresses).map(([name, address]) => ({
    name,
    address,
    groups: servers.split(" ").includes(name) ? ["docker", "consul"] : ["docker"],
    vars: { overlay_store: store },
    facts: { store: at(asks[name] ?? "") },
  }));
  const fleet = new Fleet(hosts, () => new Set(Object.keys(addresses)));
  return movedServers(fleet as never).map(
    ({ detail: { host, found, expected } }) => `${host}: ${found} → ${expected}`,
  );
}

const all = (names: string) => ({ a: names, b: names, c: names });
const now = ", as the inventory has it now";

test.each<[string, string, Readonly<Record<string, string>>, string[]]>([
  ["a fresh fleet", "a", {}, []],
  ["the same servers, whatever their order", "a b c", all("c a b"), []],
  [
    "a client that joins, and one that missed the move of a cluster that is gone",
    "a",
    { a: "a", c: "b" },
    [],
  ],
  ["without a group: the one that has it", "", all("b"), []],
  [
    "from a to b: refused on the two, before anything is begun",
    "b",
    all("a"),
    [`a: 10.0.0.1 → 10.0.0.2${now}`, `b: 10.0.0.1 → 10.0.0.2${now}`],
  ],
  ["one to three", "a b c", { a: "a" }, [`a: 10.0.0.1 → 10.0.0.1, 10.0.0.2, 10.0.0.3${now}`]],
])("%s", (_, servers, asks, expected) => {
  expect(refused(servers, asks)).toEqual(expected);
  expect(refused(servers, asks, "etcd")).toEqual([]);
});
