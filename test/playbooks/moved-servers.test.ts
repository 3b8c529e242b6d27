import { expect, test } from "vitest";
import { movedServers } from "../../playbooks/checks/overlay.ts";
import { Fleet } from "../../src/playbook/fleet.ts";

const addresses: Readonly<Record<string, string>> = { a: "10.0.0.1", b: "10.0.0.2", c: "10.0.0.3" };
/** Host d is in no inventory. */
const at = (names = "") => names.split(" ").flatMap((name) => ({ ...addresses, d: "10.0.0.4" })[name] ?? []);

/** Hosts a, b, c, that ask these for the store; those in `servers` are the inventory's group. */
function refused(servers: string, asks: Readonly<Record<string, string>>, store = "consul"): string[] {
  const hosts = Object.entries(addresses).map(([name, address]) => ({
    name,
    address,
    groups: servers.split(" ").includes(name) ? ["docker", store] : ["docker"],
    vars: { overlay_store: store },
    facts: { store: at(asks[name]) },
  }));
  const fleet = new Fleet(hosts, () => new Set(Object.keys(addresses)));
  return movedServers(fleet as never).map(
    ({ detail: { host = "all", found, expected } }) => `${host}: ${found} → ${expected}`,
  );
}

const all = (names: string) => ({ a: names, b: names, c: names });
const grown = "10.0.0.1 → 10.0.0.1, 10.0.0.2, 10.0.0.3, as the inventory has it now";

test.each<[string, string, Readonly<Record<string, string>>, string[]]>([
  ["a fresh fleet", "a", {}, []],
  ["the same servers, whatever their order", "a b c", all("c a b"), []],
  ["without a group: the one that has it", "", all("b"), []],
  ["a client that asks one which is gone", "a", { a: "a", c: "d" }, []],
  ["one to three, which come one by one", "a b c", { a: "a" }, [`a: ${grown}`]],
])("consul: %s", (_, servers, asks, expected) => expect(refused(servers, asks)).toEqual(expected));

test.each(["consul", "etcd"])("%s that moves is refused, also where its host left the inventory", (store) => {
  const found = "a asks 10.0.0.1; b asks 10.0.0.1; c asks 10.0.0.1";
  expect(refused("b", all("a"), store)).toEqual([`all: ${found} → ${store} on b (10.0.0.2)`]);
  const gone = refused("", { b: "d", c: "d" }, store);
  expect(gone).toEqual([`all: b asks 10.0.0.4; c asks 10.0.0.4 → ${store} on a (10.0.0.1)`]);
});

test("who still asks the old etcd follows, once others ask the new one", () =>
  expect(refused("b", { a: "a", b: "b", c: "b" }, "etcd")).toEqual([]));

test("an etcd that has grown by hand is the same one: etcd-install looks at its members", () =>
  expect(refused("a b c", all("a"), "etcd")).toEqual([]));
