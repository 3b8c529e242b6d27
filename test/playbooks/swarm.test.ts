import { expect, test } from "vitest";
import {
  badSwarmVars,
  doorsOf,
  keeperOf,
  managersOf,
  networksOverDns,
  poolOf,
  refusedSwarms,
  type SwarmSeenFacts,
  type SwarmVars,
  starterOf,
  swarmRemarks,
} from "../../playbooks/checks/swarm.ts";
import { Secret } from "../../src/host/sh.ts";
import { Fleet, type LeavingHost } from "../../src/playbook/fleet.ts";
import type { NodeSeen, Swarm, SwarmSeen } from "../../tasks/swarm-node.ts";

const none: SwarmSeen = {
  state: "inactive",
  error: "",
  node: "",
  address: "",
  isManager: false,
  swarm: undefined,
  liveRestore: false,
};
const node = (id: string, role: NodeSeen["role"] = "worker"): NodeSeen => ({
  id,
  role,
  state: "ready",
  address: `10.0.0.${id}`,
  hostname: `h${id}`,
  reachability: "-",
});
const swarm = (...ids: string[]): Swarm => ({
  id: "s",
  pools: ["10.200.0.0/16"],
  dataPort: 4789,
  isAutolocked: false,
  nodes: ids.map((id) => node(id)),
  tokens: { manager: new Secret("m"), worker: new Secret("w") },
});
const manager = (id: string, ...ids: string[]): SwarmSeen => ({
  ...none,
  state: "active",
  node: id,
  address: `10.0.0.${id}`,
  isManager: true,
  swarm: swarm(...ids),
});
const worker = (id: string): SwarmSeen => ({ ...manager(id), isManager: false, swarm: undefined });

interface Host {
  swarm?: SwarmSeen;
  groups?: string[];
  docker?: string;
  address?: string;
  esp?: boolean;
  networks?: string[];
  dns?: string;
}

/** Hosts 1, 2, …; with `vars` for all of them. */
function fleet(hosts: Host[], vars: Partial<SwarmVars> = {}, leaving: string[] = []) {
  const views = hosts.map(
    ({ swarm = none, groups = [], docker = "28.5.2", address, esp = true, networks = [], dns }, i) => ({
      name: `h${i + 1}`,
      address: address ?? `10.0.0.${i + 1}`,
      groups: ["docker", ...groups],
      vars: {
        swarm_name: "net",
        swarm_subnet: "10.199.0.0/24",
        swarm_data_port: 4789,
        swarm_encrypted: false,
        ...vars,
      },
      facts: {
        swarm,
        docker,
        esp,
        network: { isNode: false, seen: undefined, isHalfMade: false, members: [] },
        networks: networks.map((subnet) => ({
          id: "1",
          name: "n",
          driver: "bridge",
          scope: "local",
          subnets: [subnet],
        })),
        addresses: [],
        lifelines: dns === undefined ? [] : [{ what: "the DNS server", address: dns }],
        byHand: { routes: [], standing: [] },
      },
    }),
  );
  const gone = leaving.map((name) => ({
    ...views[0],
    name,
    groups: ["docker", "swarm_manager"],
    dead: false,
  }));
  return new Fleet<SwarmVars, SwarmSeenFacts>(
    views,
    () => new Set(views.map(({ name }) => name)),
    gone as unknown as LeavingHost<SwarmVars>[],
  );
}

const named = (host: { name: string } | undefined) => host?.name;
const m = { groups: ["swarm_manager"] };

test.each<[string, ReturnType<typeof fleet>, object]>([
  ["a new fleet", fleet([{}, {}]), { managers: ["h1"], starter: "h1", keeper: "h1", doors: [] }],
  [
    "a new one with a group",
    fleet([{}, m, m, m]),
    { managers: ["h2", "h3", "h4"], starter: "h2", keeper: "h2", doors: [] },
  ],
  [
    "another order of the inventory: whoever is manager stays it",
    fleet([{ swarm: worker("1") }, { swarm: manager("2", "1", "2") }]),
    { managers: ["h2"], starter: undefined, keeper: "h2", doors: ["10.0.0.2"] },
  ],
  [
    "another manager is wanted: the present one makes it one",
    fleet([{ swarm: manager("1", "1", "2") }, { swarm: worker("2"), ...m }]),
    { managers: ["h2"], starter: undefined, keeper: "h1", doors: ["10.0.0.1"] },
  ],
  [
    "both are managers by now: the one that stays does the rest",
    fleet([{ swarm: manager("1", "1", "2") }, { swarm: manager("2", "1", "2"), ...m }]),
    { managers: ["h2"], starter: undefined, keeper: "h2", doors: ["10.0.0.1", "10.0.0.2"] },
  ],
])("who does what: %s", (_, hosts, expected) => {
  expect({
    managers: managersOf(hosts).map(({ name }) => name),
    starter: named(starterOf(hosts)),
    keeper: named(keeperOf(hosts)),
    doors: doorsOf(hosts),
  }).toEqual(expected);
});

test("the pool: the given one, the swarm's, or one in which nothing is", () => {
  expect(poolOf(fleet([{}, {}], { swarm_pool: "10.50.0.0/16" }))).toBe("10.50.0.0/16");
  expect(poolOf(fleet([{ swarm: manager("1", "1") }]))).toBe("10.200.0.0/16");
  expect(poolOf(fleet([{ networks: ["10.200.7.0/24"] }, { address: "10.201.0.9" }]))).toBe("10.202.0.0/16");
  expect(poolOf(fleet([{ networks: ["10.0.0.0/8"] }]))).toBeUndefined();
  expect(poolOf(fleet([{}, { dns: "10.200.0.53" }]))).toBe("10.201.0.0/16");
});

test.each<[string, Partial<SwarmVars>, string[]]>([
  ["elsewhere", {}, []],
  ["in the network", { swarm_subnet: "10.9.0.0/24" }, ["swarm_subnet 10.9.0.0/24"]],
  ["in the pool", { swarm_pool: "10.0.0.0/12" }, ["swarm_pool 10.0.0.0/12"]],
])("a DNS server %s", (_, vars, expected) => {
  const found = networksOverDns(fleet([{}, { dns: "10.9.0.53" }], vars)).map(({ message }) => message);
  expect(found).toEqual(
    expected.map((words) => `${words} contains an address that h2 needs: the DNS server`),
  );
});

test.each<[string, Host[], Partial<SwarmVars>, RegExp[]]>([
  ["nothing", [{}, {}], {}, []],
  ["a swarm of theirs", [{ swarm: manager("1", "1", "2") }, { swarm: worker("2") }], {}, []],
  ["two major versions", [{}, { docker: "26.1.5" }], {}, [/different major versions/]],
  ["workers alone", [{ swarm: worker("1") }, {}], {}, [/^no manager of the swarm/]],
  [
    "a node of another swarm",
    [{ swarm: manager("1", "1") }, { swarm: worker("9") }],
    {},
    [/^h2 is a node of another swarm/, /at another address/],
  ],
  [
    "a host that has another address by now",
    [{ swarm: manager("1", "1", "2") }, { swarm: worker("2"), address: "10.0.0.77" }],
    {},
    [/^h2 is a node of the swarm at another address/],
  ],
  [
    "another pool, another port",
    [{ swarm: manager("1", "1") }],
    { swarm_pool: "10.50.0.0/16", swarm_data_port: 4790 },
    [/^swarm_pool cannot change/, /^swarm_data_port cannot change/],
  ],
  ["a kernel that cannot encrypt", [{}, { esp: false }], { swarm_encrypted: true }, [/^the kernel of h2/]],
  ["no free pool", [{ networks: ["10.192.0.0/10"] }], {}, [/^there is no free pool/]],
])("on the hosts: %s", (_, hosts, vars, expected) => {
  const found = refusedSwarms(fleet(hosts, vars)).map(({ message }) => message);
  expect(found).toEqual(expected.map((words) => expect.stringMatching(words)));
});

test.each<[string, Host[], Partial<SwarmVars>, string[], RegExp[]]>([
  ["nothing", [{}, {}], {}, [], []],
  ["two managers", [m, m, {}], {}, [], [/two managers/]],
  ["two that are left of three", [m, m], {}, ["h3"], []],
  [
    "ingress over the hosts",
    [{}, {}],
    { swarm_pool: "10.0.0.0/16" },
    [],
    [/contains the address of h1/, /of h2/],
  ],
  ["a pool of one network", [{}], { swarm_pool: "10.50.0.0/24" }, [], [/no room for two networks/]],
  ["the pool over the network", [{}], { swarm_pool: "10.199.0.0/16" }, [], [/overlap/]],
  ["a small subnet", [{}, {}, {}], { swarm_subnet: "10.199.0.0/29" }, [], [/too small/]],
])("in the variables: %s", (_, hosts, vars, leaving, expected) => {
  const found = badSwarmVars(fleet(hosts, vars, leaving) as never).map(({ message }) => message);
  expect(found).toEqual(expected.map((words) => expect.stringMatching(words)));
});

test("nodes that the inventory does not name are told, and an even number of managers", () => {
  const texts = swarmRemarks(fleet([{ swarm: manager("1", "1", "8"), ...m }, m, m, m])).map(
    ({ text }) => text,
  );
  expect(texts).toEqual([
    expect.stringMatching(/^the swarm has nodes that the inventory does not name: h8 \(10\.0\.0\.8, ready\)/),
    expect.stringMatching(/^the swarm has 4 managers: it goes on when 1 of them is lost/),
  ]);
});
