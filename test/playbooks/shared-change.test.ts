import { expect, test } from "vitest";
import { sharedChange as changeOfMacvlan } from "../../playbooks/checks/macvlan.ts";
import { beforeFirstNetwork, sharedChange as changeOfOverlay } from "../../playbooks/checks/overlay.ts";
import { swappedSubnets } from "../../playbooks/checks/subnets.ts";
import { parseLinks } from "../../src/host/tools/ip.ts";
import { Fleet } from "../../src/playbook/fleet.ts";

/** Hosts a, b, … that all answered. */
function fleetOf(hosts: readonly { vars: object; facts: object }[]): never {
  const all = hosts.map((host, n) => ({
    name: "abc"[n] ?? "",
    address: `10.0.0.${n + 1}`,
    groups: ["docker"],
    ...host,
  }));
  return new Fleet(all, () => new Set(["a", "b", "c"])) as never;
}

/** `100 → 101` is a host whose docker0 has 192.168.100.1/24 and is to have 192.168.101.1/24. */
const bips = (...moves: string[]) =>
  fleetOf(
    moves.map((move) => {
      const [now, next] = move.split(" → ").map((net) => `192.168.${net}.1/24`);
      const addresses = now ? [{ dev: "docker0", cidr: now }] : [];
      return { vars: { bip: next }, facts: { addresses, byHand: { routes: [] } } };
    }),
  );

test.each<[string, never, string | undefined]>([
  ["subnets that nobody has", bips("100 → 101", "200 → 201"), undefined],
  [
    "two that swap",
    bips("100 → 200", "200 → 100", "210 → 210"),
    "a gets 192.168.200.0/24, and b still has 192.168.200.0/24; b gets 192.168.100.0/24, and a still has 192.168.100.0/24",
  ],
  [
    "one that follows another",
    bips("100 → 200", "200 → 201"),
    "a gets 192.168.200.0/24, and b still has 192.168.200.0/24",
  ],
])("static-route, %s", (_, fleet, expected) => expect(swappedSubnets(fleet)).toBe(expected));

test("static-route, one of two that swap: the other is not in the run, and the routes say what it has", () => {
  const host = (name: string, n: number, bip: string, facts?: object) => ({
    name,
    address: `10.0.0.${n}`,
    groups: ["docker"],
    vars: { bip },
    facts,
  });
  const routes = [
    { dst: "default", via: "10.0.0.254" },
    { dst: "192.168.200.0/24", via: "10.0.0.2" },
  ];
  const hosts = [
    host("a", 1, "192.168.200.1/24", {
      addresses: [{ dev: "docker0", cidr: "192.168.100.1/24" }],
      byHand: { routes },
    }),
    host("b", 2, "192.168.100.1/24"),
  ];
  expect(swappedSubnets(new Fleet(hosts, () => new Set(["a"])) as never)).toBe(
    "a gets 192.168.200.0/24, and b still has 192.168.200.0/24",
  );
});

const links = parseLinks(
  [
    "2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP",
    "3: eth1: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP",
  ].join("\n"),
);

/** Hosts with a network on eth0, each with a half of 172.16.10.0/24. */
const parts = (vars: object, ranges: readonly (string | undefined)[] = []) =>
  fleetOf(
    ["0/25", "128/25"].map((part, n) => ({
      vars: {
        macvlan_name: "macvlan_1",
        macvlan_subnet: "172.16.10.0/24",
        macvlan_parent: "eth0",
        macvlan_aux: {},
        ...(ranges[n] ? { macvlan_range: `172.16.10.${ranges[n]}` } : {}),
        ...vars,
      },
      facts: {
        slice: { subnet: "172.16.10.0/24", range: `172.16.10.${part}` },
        parent: "eth0",
        underlay: { routes: [], links, vlans: false },
      },
    })),
  );

test.each<[string, never, string | undefined]>([
  ["what is a host's own", parts({ macvlan_gateway: "172.16.10.9" }, ["0/26", "192/26"]), undefined],
  [
    "another subnet",
    parts({ macvlan_subnet: "172.16.0.0/16" }),
    "macvlan_subnet 172.16.10.0/24 → 172.16.0.0/16",
  ],
  [
    "IPv6 where there was none",
    parts({ macvlan_subnet6: "fd00:16:10::/64" }),
    "macvlan_subnet6 — → fd00:16:10::/64",
  ],
  [
    "another parent",
    parts({ macvlan_parent: "eth1" }),
    "the parent on a eth0 → eth1, the parent on b eth0 → eth1",
  ],
  [
    "a part that another host still has",
    parts({}, ["128/26", "192/26"]),
    "a gets 172.16.10.128/26, and b still has 172.16.10.128/25",
  ],
])("macvlan, %s", (_, fleet, expected) => expect(changeOfMacvlan(fleet)).toBe(expected));

/** Dockers that are joined to a store, and see the network. */
const joined = (vars: object, store = "consul://127.0.0.1:8500", seen?: string) =>
  fleetOf(
    [1, 2].map(() => ({
      vars: { overlay_name: "overlay_1", overlay_subnet: "10.0.2.0/24", overlay_store: "consul", ...vars },
      facts: {
        dockerd: {
          dropIn: { content: store && `ExecStart=dockerd --cluster-store=${store} --cluster-advertise=x` },
        },
        overlay: { seen, endpoints: [], members: [] },
      },
    })),
  );
const seen = "overlay global 10.0.2.0/24";

test.each<[string, never, string | undefined]>([
  ["a first run", joined({}, ""), undefined],
  ["a setting of Docker's own", joined({ docker_api: "insecure" }, undefined, seen), undefined],
  ["another store", joined({ overlay_store: "etcd" }, undefined, seen), "overlay_store consul → etcd"],
  ["another member of etcd", joined({ overlay_store: "etcd" }, "etcd://10.0.0.1:2379", seen), undefined],
  [
    "another subnet",
    joined({ overlay_subnet: "10.0.3.0/24" }, undefined, seen),
    "overlay_1 overlay global 10.0.2.0/24 → overlay global 10.0.3.0/24",
  ],
])("overlay, %s", (_, fleet, expected) => expect(changeOfOverlay(fleet)).toBe(expected));

test("a network that no Docker sees yet is nobody's to lose", () => {
  expect(beforeFirstNetwork(joined({}))).toBe("no host has the network yet");
  expect(beforeFirstNetwork(joined({}, undefined, seen))).toBeUndefined();
});
