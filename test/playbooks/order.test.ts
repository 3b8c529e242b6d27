import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import flannel from "../../playbooks/flannel.ts";
import macvlan from "../../playbooks/macvlan.ts";
import overlay from "../../playbooks/overlay.ts";
import staticRoute from "../../playbooks/static-route.ts";
import verify from "../../playbooks/verify.ts";
import { type CausewayError, describeError } from "../../src/errors.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { select } from "../../src/inventory/patterns.ts";
import type { Playbook } from "../../src/playbook/define.ts";
import { prepare } from "../../src/run/prepare.ts";
import { consulAgent } from "../../tasks/consul-agent.ts";
import { dockerBip } from "../../tasks/docker-bip.ts";
import { dockerdClusterStore } from "../../tasks/dockerd-cluster-store.ts";
import { etcdInstall } from "../../tasks/etcd-install.ts";
import { flannelNetwork } from "../../tasks/flannel-network.ts";
import { flannelPeers } from "../../tasks/flannel-peers.ts";
import { flanneldConfig } from "../../tasks/flanneld-config.ts";
import { iptablesForward } from "../../tasks/iptables-forward.ts";
import { macvlanNet } from "../../tasks/macvlan-net.ts";
import { macvlanShim } from "../../tasks/macvlan-shim.ts";
import { overlayNet } from "../../tasks/overlay-net.ts";
import { peerPorts } from "../../tasks/peer-ports.ts";
import { staticRoute as staticRouteTask } from "../../tasks/static-route.ts";
import { folderWith } from "../inventory/files.ts";

const tasks = [
  consulAgent,
  dockerBip,
  dockerdClusterStore,
  etcdInstall,
  flannelNetwork,
  flannelPeers,
  flanneldConfig,
  iptablesForward,
  macvlanNet,
  macvlanShim,
  overlayNet,
  peerPorts,
  staticRouteTask,
];

type Vars = Record<string, unknown>;
interface Order {
  /** The hosts of docker, in the inventory's order. */
  docker: readonly string[];
  /** Those of another group; `children` puts each into a group below it. */
  store?: { group: string; hosts: readonly string[]; children?: true };
  vars?: Vars;
  of?: Readonly<Record<string, Vars>>;
}

const numbers: Readonly<Record<string, number>> = { a: 200, b: 201, c: 202, d: 203 };

function inventoryOf({ docker, store, vars = {}, of = {} }: Order): string {
  const entries = (names: readonly string[]) =>
    Object.fromEntries(
      names.map((name) => {
        const n = numbers[name] ?? 0;
        return [name, { ansible_host: `10.0.0.${n}`, bip: `192.168.${n}.1/24`, ...of[name] }];
      }),
    );
  const below = (names: readonly string[]) => ({
    children: Object.fromEntries(names.map((name) => [`only_${name}`, { hosts: { [name]: {} } }])),
  });
  const children = {
    docker: { hosts: entries(docker), vars },
    ...(store
      ? { [store.group]: store.children ? below(store.hosts) : { hosts: entries(store.hosts) } }
      : {}),
  };
  return join(folderWith({ "hosts.yaml": JSON.stringify({ all: { children } }, null, 2) }), "hosts.yaml");
}

async function prepared(playbook: unknown, order: Order) {
  const inventory = await loadInventory([inventoryOf(order)]);
  const one = playbook as Playbook;
  return { inventory, playbook: one, ...prepare({ playbook: one, inventory, extraVars: new Map() }) };
}

/** What the tasks were asked for: their parameters are all that `read` is told. */
const asked: unknown[] = [];
beforeAll(() => {
  for (const { definition } of tasks)
    vi.spyOn(
      definition as { read: unknown } as { read: (host: unknown, params: unknown) => never },
      "read",
    ).mockImplementation((_, params) => {
      asked.push(params);
      throw new Error("asked");
    });
});
afterEach(() => void asked.splice(0));

/** Each host's tasks with their parameters, in which lists have no order; what is the fleet's stands below `fleet`. */
async function composed(playbook: unknown, order: Order, facts: Readonly<Record<string, Vars>>) {
  const { inventory, fleet, facts: known, playbook: one } = await prepared(playbook, order);
  for (const { name } of fleet.hosts) known.set(name, facts[name] ?? { store: [], slice: undefined });
  const plans: Record<string, string[]> = {};
  for (const play of one.plays) {
    const named = select(inventory, play.hosts, "hosts", "playbook");
    for (const { name } of play.runOnce ? named.slice(0, 1) : named) {
      const view = fleet.host(name);
      for (const task of view ? play.tasks(view as never, fleet as never) : []) {
        await task.plan(undefined as never).catch(() => {});
        const isFleets = play.runOnce || task.scope === "fleet";
        // Which member of a store is asked is the performing host's own.
        const params = { ...(asked.pop() as Vars), ...(isFleets ? { endpoint: "" } : {}) };
        const whose = isFleets ? "fleet" : name;
        plans[whose] = [
          ...(plans[whose] ?? []),
          `${task.task} ${task.key} ${JSON.stringify(params, sorted)}`,
        ].sort();
      }
    }
  }
  return plans;
}

function sorted(_: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => JSON.stringify(one)).sort();
  return value;
}

const asks = (...addresses: string[]) => ({ store: addresses, slice: undefined });
const all = (facts: Vars) => Object.fromEntries(Object.keys(numbers).map((name) => [name, facts]));
const slices = Object.fromEntries(
  Object.entries({ a: "0/26", b: "128/26", c: "64/26" }).map(([name, range]) => [
    name,
    { store: [], slice: { subnet: "172.16.10.0/24", range: `172.16.10.${range}` } },
  ]),
);
const etcd = (hosts: readonly string[], children?: true) => ({
  group: "etcd",
  hosts,
  ...(children ? { children } : {}),
});
const consul = (hosts: readonly string[], children?: true) => ({
  group: "consul",
  hosts,
  ...(children ? { children } : {}),
});
const abc = ["a", "b", "c"];
const orders = [
  ["b", "a", "c"],
  ["c", "b", "a"],
  ["c", "a", "b"],
];
const inEtcd = { overlay_store: "etcd" };

describe("the same command with the inventory in another order asks for the same", () => {
  test.each<[string, unknown, Omit<Order, "docker">, Readonly<Record<string, Vars>>]>([
    ["static-route", staticRoute, {}, {}],
    ["flannel", flannel, {}, all(asks("10.0.0.200"))],
    ["flannel, etcd not on the first", flannel, {}, all(asks("10.0.0.201"))],
    ["flannel, a group of etcd", flannel, { store: etcd(abc) }, all(asks("10.0.0.201"))],
    ["macvlan", macvlan, {}, slices],
    ["macvlan, with shims", macvlan, { vars: { macvlan_shim: true } }, slices],
    ["overlay, consul", overlay, {}, all(asks("10.0.0.200"))],
    ["overlay, a group of consul", overlay, { store: consul(abc) }, all(asks("10.0.0.200"))],
    ["overlay, etcd", overlay, { vars: inEtcd }, all(asks("10.0.0.200"))],
    ["overlay, a group of etcd", overlay, { vars: inEtcd, store: etcd(abc) }, all(asks("10.0.0.200"))],
    ["overlay, the API open", overlay, { vars: { docker_api: "insecure" } }, all(asks("10.0.0.202"))],
  ])("%s", async (_, playbook, more, facts) => {
    const before = await composed(playbook, { docker: abc, ...more }, facts);
    expect(Object.keys(before)).toEqual(expect.arrayContaining(abc));
    for (const docker of orders) expect(await composed(playbook, { docker, ...more }, facts)).toEqual(before);
    if (!more.store) return;
    for (const hosts of orders) {
      const store = { ...more.store, hosts };
      expect(await composed(playbook, { docker: abc, ...more, store }, facts)).toEqual(before);
      expect(
        await composed(playbook, { docker: abc, ...more, store: { ...store, children: true } }, facts),
      ).toEqual(before);
    }
  });

  test.each<[string, unknown, Vars, string]>([
    ["flannel", flannel, {}, "etcd-install etcd"],
    ["overlay over etcd", overlay, inEtcd, "etcd-install etcd"],
  ])(
    "%s: a store is where the hosts ask for it; on the first, where none does",
    async (_, playbook, vars, task) => {
      const keepers = async (facts: Readonly<Record<string, Vars>>) => {
        const plans = await composed(playbook, { docker: ["c", "a", "b"], vars }, facts);
        return Object.keys(plans).filter((name) => plans[name]?.some((words) => words.startsWith(task)));
      };
      expect(await keepers({})).toEqual(["c"]);
      expect(await keepers(all(asks("10.0.0.201")))).toEqual(["b"]);
      // One that came back from elsewhere is outvoted; who is gone is nobody's choice.
      expect(await keepers({ ...all(asks("10.0.0.201")), c: asks("10.0.0.202") })).toEqual(["b"]);
      expect(await keepers(all(asks("10.0.0.9")))).toEqual(["c"]);
    },
  );

  test("flannel's key is asked for once, whoever is first, and with what the hosts of Docker have", async () => {
    const network = { flannel_network: "172.30.0.0/16" };
    const plans = await composed(flannel, { docker: ["a", "b"], vars: network, store: etcd(["d"]) }, {});
    expect(plans.fleet).toEqual([expect.stringMatching(/^flannel-network .*"network":"172\.30\.0\.0\/16"/)]);
  });
});

describe("two values of what is one for the fleet are refused, with both places", () => {
  const faults = async (playbook: unknown, order: Order) => {
    try {
      await prepared(playbook, order);
      return [];
    } catch (error) {
      return describeError(error as CausewayError)
        .replaceAll(/[^\s(]+\/hosts\.yaml/g, "F")
        .split("\n\n");
    }
  };
  test.each<[string, unknown, Vars, Vars]>([
    ["flannel_network", flannel, { flannel_network: "172.30.0.0/16" }, { flannel_network: "172.31.0.0/16" }],
    ["flannel_backend", flannel, { flannel_backend: "udp" }, {}],
    ["flannel_subnet_len", flannel, { flannel_subnet_len: 25 }, { flannel_subnet_len: 26 }],
    ["flannel_prefix", flannel, {}, { flannel_prefix: "/other" }],
    ["overlay_store", overlay, { overlay_store: "etcd" }, { overlay_store: "consul" }],
    ["overlay_name", overlay, { overlay_name: "x" }, {}],
    ["overlay_subnet", overlay, { overlay_subnet: "172.31.0.0/24" }, {}],
    ["probe_image", staticRoute, { probe_image: "alpine" }, {}],
    ["probe_image", macvlan, { probe_image: "alpine" }, {}],
    ["probe_network", verify, { probe_network: "bridge" }, {}],
    ["probe_count", verify, { probe_count: 1 }, { probe_count: 2 }],
  ])("%s", async (name, playbook, a, b) => {
    for (const docker of [
      ["a", "b"],
      ["b", "a"],
    ]) {
      const [fault = "", ...more] = await faults(playbook, { docker, of: { a, b } });
      expect(more).toEqual([]);
      expect(fault).toMatch(
        new RegExp(`^F:\\d+:\\d+: ${name} must have one value for all hosts, and two hosts differ\n`),
      );
      for (const [host, vars] of Object.entries({ a, b }))
        expect(fault).toMatch(
          new RegExp(
            `${host}: ${name} .*\\(${vars[name] === undefined ? "(not set|the playbook's default)" : "F:\\d+:\\d+"}\\)`,
          ),
        );
    }
    const same = Object.keys(a).length > 0 ? a : b;
    expect(await faults(playbook, { docker: ["a", "b"], of: { a: same, b: same } })).toEqual([]);
  });

  test("a gossip key that the servers do not have, without the key", async () => {
    const key = "cg8StVXbQJ0gPvMd9o7yrg==";
    const order = { docker: ["a", "b"], vars: { consul_gossip_key: key }, store: consul(["d"]) };
    const [fault = ""] = await faults(overlay, order);
    expect(fault).toMatch(/a: consul_gossip_key a value \(F:\d+:\d+\)/);
    expect(fault).toContain("d: consul_gossip_key (not set)");
    expect(fault).not.toContain(key);
  });

  test("a host that only keeps the store need not be told what concerns Docker", async () => {
    const vars = { flannel_network: "172.30.0.0/16", probe_image: "alpine" };
    expect(await faults(flannel, { docker: ["a", "b"], vars, store: etcd(["d"]) })).toEqual([]);
    expect(await faults(overlay, { docker: ["a", "b"], vars: inEtcd, store: etcd(["d"]) })).toEqual([]);
  });
});
