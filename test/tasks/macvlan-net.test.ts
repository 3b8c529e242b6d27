import { describe, expect, test } from "vitest";
import { badParts, type MacvlanVars, partOf, unseenSlices } from "../../playbooks/checks/macvlan.ts";
import { slicesOf } from "../../playbooks/checks/slices.ts";
import type { CausewayError } from "../../src/errors.ts";
import { parseLinks, parseRoutes } from "../../src/host/tools/ip.ts";
import { Fleet } from "../../src/playbook/fleet.ts";
import { macvlanNet, type NetworkSeen, parentFor, parseNetworks } from "../../tasks/macvlan-net.ts";
import { macvlanShim } from "../../tasks/macvlan-shim.ts";
import { keptLines, keptNothing } from "./firewall.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof macvlanNet.definition.present>[0];
type Params = Parameters<typeof macvlanNet.definition.present>[1];

const links = parseLinks(
  [
    "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN",
    "2: ens33: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP",
    "3: ens34: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN",
  ].join("\n"),
);
const routes = parseRoutes(
  [
    "default via 10.0.0.1 dev ens33",
    "10.0.0.0/24 dev ens33 proto kernel scope link src 10.0.0.200",
    "10.1.0.0/24 dev ens34 proto kernel scope link src 10.1.0.200",
  ].join("\n"),
);

const stopped = { state: "stopped", version: "", networks: [], containers: [] } as const;

function state(over: Partial<State> = {}): State {
  return {
    routes,
    links,
    vlans: false,
    docker: { state: "running", version: "20.10.5", networks: [], containers: [] },
    unit: undefined,
    docker0: undefined,
    networks: [],
    members: [],
    ...over,
  };
}

const seen: NetworkSeen = {
  name: "macvlan_1",
  driver: "macvlan",
  subnets: ["172.16.10.0/24"],
  gateway: "172.16.10.1",
  ipRange: "172.16.10.0/25",
  aux: { printer: "172.16.10.9", shim: "172.16.10.127" },
  parent: "ens33",
  mode: "bridge",
  internal: false,
};

const wanted: Params = {
  name: "macvlan_1",
  subnet: "172.16.10.0/24",
  gateway: "172.16.10.1",
  ip_range: "172.16.10.0/25",
  aux: { shim: "172.16.10.127", printer: "172.16.10.9" },
  peers: ["10.0.0.201"],
};

const whole =
  "macvlan 172.16.10.0/24 gateway 172.16.10.1 range 172.16.10.0/25 without printer=172.16.10.9 shim=172.16.10.127 on ens33";
const words6 = "fd00:16:10::/64 gateway fd00:16:10::1 range fd00:16:10::/121";
const whole6 = whole.replace(" without", ` ${words6} without`);
const six = { subnet6: "fd00:16:10::/64", gateway6: "fd00:16:10::1", ip_range6: "fd00:16:10::/121" };
const seen6: NetworkSeen = {
  ...seen,
  six: { subnets: ["fd00:16:10::/64"], gateway: "fd00:16:10::1", ipRange: "fd00:16:10::/121" },
};
const plan = (s: State, over: Partial<Params> = {}) =>
  planWords(macvlanNet.definition.present(s, { ...wanted, ...over }));
const member = (name: string, address: string, asked = "") => ({
  name,
  running: address !== "",
  address,
  asked,
});

describe("macvlan-net plans", () => {
  test.each<[string, State, Partial<Params>, string[]]>([
    ["a bare host, on the way to its peers", state(), {}, [`network macvlan_1: — → ${whole}`]],
    [
      "nothing, when the network is equal, whatever the order of its options",
      state({ networks: [seen] }),
      {},
      [],
    ],
    [
      "Docker first, where it does not run",
      state({ docker: stopped, unit: { active: "inactive", enabled: "enabled" }, docker0: "172.17.0.1/16" }),
      {},
      ["unit docker.service: enabled, inactive → active", "later: Docker lists its networks once it runs"],
    ],
    [
      "what takes docker0 away again, too, where it never ran",
      state({ docker: stopped, unit: { active: "inactive", enabled: "disabled" } }),
      {},
      [
        "unit docker.service: disabled, inactive → active",
        "address of docker0: no docker0 → Docker's default, with the restart",
        "later: Docker lists its networks once it runs",
      ],
    ],
    [
      "a network with another gateway, its containers named first, running or stopped",
      state({
        networks: [{ ...seen, gateway: "172.16.10.254" }],
        members: [
          member("web", "172.16.10.2", "172.16.10.2"),
          member("db", "", "172.16.10.3"),
          member("job", ""),
        ],
      }),
      {},
      [
        `network macvlan_1: ${whole.replace("gateway 172.16.10.1 ", "gateway 172.16.10.254 ")} → ${whole}; reconnects web (172.16.10.2), db (172.16.10.3), job`,
      ],
    ],
    [
      "an address that Docker chose and that the new subnet does not have",
      state({
        networks: [{ ...seen, subnets: ["172.16.0.0/24"] }],
        members: [member("web", "172.16.0.5")],
      }),
      {},
      [
        `network macvlan_1: ${whole.replace("172.16.10.0/24", "172.16.0.0/24")} → ${whole}; reconnects web (a new address for 172.16.0.5)`,
      ],
    ],
    [
      "a bridge of that name",
      state({ networks: [{ ...seen, driver: "bridge", parent: "", ipRange: "", aux: {} }] }),
      {},
      [`network macvlan_1: bridge 172.16.10.0/24 gateway 172.16.10.1 → ${whole}`],
    ],
    [
      "a sub-interface, which Docker makes by itself",
      state({ vlans: true }),
      { parent: "ens33.50" },
      [`network macvlan_1: — → ${whole}.50`],
    ],
    [
      "a sub-interface that is there already",
      state({ links: [...links, { name: "ens33.50", index: 9, mtu: 1500, up: true, kind: "vlan" }] }),
      { parent: "ens33.50" },
      [`network macvlan_1: — → ${whole}.50`],
    ],
    ["IPv6 beside IPv4", state(), six, [`network macvlan_1: — → ${whole6}`]],
    ["nothing, when it has both", state({ networks: [seen6] }), six, []],
    [
      "IPv6 for one that had none: who is on it stays where it is",
      state({ networks: [seen], members: [member("web", "172.16.10.2")] }),
      six,
      [`network macvlan_1: ${whole} → ${whole6}; reconnects web (172.16.10.2)`],
    ],
    [
      "another subnet of IPv6: who chose an address in it has it again, where Docker had chosen it does anew",
      state({
        networks: [{ ...seen6, six: { subnets: ["fd00:9::/64"], gateway: "fd00:9::1", ipRange: "" } }],
        members: [
          { ...member("web", "172.16.10.2"), six: { address: "fd00:9::5", asked: "" } },
          { ...member("db", "172.16.10.3"), six: { address: "fd00:16:10::3", asked: "fd00:16:10::3" } },
        ],
      }),
      six,
      [
        `network macvlan_1: ${whole6.replace(words6, "fd00:9::/64 gateway fd00:9::1")} → ${whole6}; reconnects web (172.16.10.2, a new address for fd00:9::5), db (172.16.10.3, fd00:16:10::3)`,
      ],
    ],
    [
      "no IPv6 any more",
      state({
        networks: [seen6],
        members: [{ ...member("web", "172.16.10.2"), six: { address: "fd00:16:10::2", asked: "" } }],
      }),
      {},
      [`network macvlan_1: ${whole6} → ${whole}; reconnects web (172.16.10.2)`],
    ],
  ])("%s", (_, s, over, expected) => expect(plan(s, over)).toEqual(expected));

  test("every option goes to Docker as the article types it", () => {
    const [create] = macvlanNet.definition.present(state(), wanted);
    expect(create).toMatchObject({ kind: "network", resource: ["network", "macvlan_1"] });
    const words = "perform" in (create ?? {}) ? (create as { perform: { text: string } }).perform.text : "";
    for (const word of ["macvlan", "172.16.10.0/24", "172.16.10.0/25", "printer=172.16.10.9", "parent=ens33"])
      expect(words).toContain(word);
  });
});

describe("macvlan-net refuses", () => {
  test.each<[string, State, Partial<Params>, RegExp]>([
    [
      "a host without Docker",
      state({ docker: { state: "missing", version: "", networks: [], containers: [] } }),
      {},
      /not installed/,
    ],
    ["a parent that is not there", state(), { parent: "eth7" }, /eth7 does not exist/],
    ["a parent that is down", state(), { parent: "ens34" }, /ens34 is down/],
    [
      "a sub-interface, where the kernel has no 802.1q",
      state(),
      { parent: "ens33.50" },
      /cannot make .*ens33\.50/,
    ],
    [
      "a sub-interface of a link that is down",
      state({ vlans: true }),
      { parent: "ens34.5" },
      /ens34 is down/,
    ],
    ["peers behind a router", state(), { peers: ["192.168.7.7"] }, /no single interface/],
    ["peers on two segments", state(), { peers: ["10.0.0.201", "10.1.0.201"] }, /no single interface/],
    ["no peers and no parent", state(), { peers: [] }, /no single interface/],
    [
      "a parent that carries another macvlan",
      state({ networks: [{ ...seen, name: "old", subnets: ["10.9.0.0/24"] }] }),
      {},
      /old is on ens33 already/,
    ],
    [
      "a subnet of another network",
      state({ networks: [{ ...seen, name: "bridge", driver: "bridge", subnets: ["172.16.0.0/12"] }] }),
      {},
      /bridge overlaps/,
    ],
    [
      "to take an address that somebody asked for",
      state({
        networks: [{ ...seen, subnets: ["172.16.0.0/24"] }],
        members: [member("web", "", "172.16.0.5")],
      }),
      {},
      /lose the addresses/,
    ],
    [
      "to take an IPv6 address that somebody asked for, with IPv6 at all",
      state({
        networks: [seen6],
        members: [{ ...member("web", ""), six: { address: "", asked: "fd00:16:10::5" } }],
      }),
      {},
      /lose the addresses/,
    ],
    [
      "an IPv6 subnet of another network",
      state({
        networks: [{ ...seen6, name: "shop", driver: "bridge", subnets: ["10.7.0.0/16"], parent: "" }],
      }),
      six,
      /shop overlaps/,
    ],
    [
      "to reserve an address that somebody asked for",
      state({ networks: [{ ...seen, aux: {} }], members: [member("web", "", "172.16.10.9")] }),
      {},
      /lose the addresses/,
    ],
  ])("%s", (_, s, over, message) => expect(() => plan(s, over)).toThrow(message));
});

test("what docker network inspect prints is taken apart (captured on 20.10.5)", () => {
  const printed = `[{"Name":"t1","Driver":"macvlan","EnableIPv6":false,"IPAM":{"Driver":"default","Options":{},"Config":[{"Subnet":"172.16.10.0/24","IPRange":"172.16.10.128/26","Gateway":"172.16.10.1","AuxiliaryAddresses":{"a":"172.16.10.5"}}]},"Internal":false,"Options":{"parent":"host0"},"Labels":{}},
    {"Name":"host","Driver":"host","IPAM":{"Driver":"default","Options":null,"Config":[]},"Internal":false,"Options":{}},
    {"Name":"none","Driver":"null","IPAM":{"Driver":"default","Options":null,"Config":null},"Internal":false,"Options":null}]`;
  expect(
    parseNetworks(printed).map((n) => [n.name, n.subnets, n.gateway, n.ipRange, n.aux, n.parent]),
  ).toEqual([
    ["t1", ["172.16.10.0/24"], "172.16.10.1", "172.16.10.128/26", { a: "172.16.10.5" }, "host0"],
    ["host", [], "", "", {}, ""],
    ["none", [], "", "", {}, ""],
  ]);
});

test("a network of two families, as Docker 26.1.5 and 28.5.2 print it", () => {
  const printed = `[{"Name":"m1","Driver":"macvlan","EnableIPv6":true,"IPAM":{"Driver":"default","Options":{},"Config":[{"Subnet":"172.16.10.0/24","IPRange":"172.16.10.128/25","Gateway":"172.16.10.1","AuxiliaryAddresses":{"shim":"172.16.10.254"}},{"Subnet":"fd00:16:10::/64","IPRange":"fd00:16:10::80/121","Gateway":"fd00:16:10::1","AuxiliaryAddresses":{"shim6":"fd00:16:10::ff"}}]},"Internal":false,"Options":{"parent":"host0"},"Labels":{}}]`;
  expect(parseNetworks(printed)).toEqual([
    {
      name: "m1",
      driver: "macvlan",
      subnets: ["172.16.10.0/24"],
      gateway: "172.16.10.1",
      ipRange: "172.16.10.128/25",
      six: { subnets: ["fd00:16:10::/64"], gateway: "fd00:16:10::1", ipRange: "fd00:16:10::80/121" },
      aux: { shim: "172.16.10.254", shim6: "fd00:16:10::ff" },
      parent: "host0",
      mode: "bridge",
      internal: false,
    },
  ]);
  expect(parseNetworks(printed.replace('"EnableIPv6":true', '"EnableIPv6":false'))[0]?.six).toBeUndefined();
});

describe("the plan of addresses", () => {
  const vars: MacvlanVars = {
    macvlan_name: "macvlan_1",
    macvlan_subnet: "172.16.10.0/24",
    macvlan_aux: {},
    macvlan_shim: false,
  };
  const fleetOf = (count: number, of: (i: number) => Partial<MacvlanVars> = () => ({})) =>
    new Fleet(
      Array.from({ length: count }, (_, i) => ({
        name: `h${i}`,
        address: `10.0.0.${200 + i}`,
        groups: [],
        vars: { ...vars, ...of(i) },
        facts: { slice: undefined },
      })),
    );
  const ranges = (count: number) => {
    return [...slicesOf(fleetOf(count)).values()];
  };
  const faults = (...args: Parameters<typeof fleetOf>) =>
    badParts(fleetOf(...args)).map((e: CausewayError) => e.message);

  test("slices are disjoint, and a fleet that grows moves no host's first address", () => {
    expect(ranges(1)).toEqual(["172.16.10.0/24"]);
    expect(ranges(2)).toEqual(["172.16.10.0/25", "172.16.10.128/25"]);
    expect(ranges(3)).toEqual(["172.16.10.0/26", "172.16.10.128/26", "172.16.10.64/26"]);
    for (const count of [1, 2, 3, 5, 17, 64]) expect(faults(count)).toEqual([]);
  });

  /** `h0` or `h0=0/25`, in the inventory's order: hosts of 172.16.10.0/24, and what their networks have already. */
  const standing = (words: string, reached = words) => {
    const hosts = words.split(" ").map((word) => {
      const [name = "", range] = word.split("=");
      const slice =
        range === undefined ? undefined : { subnet: "172.16.10.0/24", range: `172.16.10.${range}` };
      return { name, address: "10.0.0.1", groups: [], vars, facts: { slice } };
    });
    const seen = new Set(reached.split(" ").map((word) => word.split("=")[0] ?? ""));
    return new Fleet(hosts, () => seen);
  };
  const shown = (fleet: ReturnType<typeof standing>) => {
    const slices = slicesOf(fleet);
    return fleet.hosts.map(({ name }) => `${name}=${slices.get(name)?.replace("172.16.10.", "")}`).join(" ");
  };

  test.each<[string, string, string]>([
    ["two of a fresh fleet, by their place", "a b", "a=0/25 b=128/25"],
    ["two that changed places stay", "b=128/25 a=0/25", "b=128/25 a=0/25"],
    ["three of which another is first", "c=64/26 a=0/26 b=128/26", "c=64/26 a=0/26 b=128/26"],
    [
      "a newcomer in front takes what is free",
      "d a=0/26 b=128/26 c=64/26",
      "d=192/26 a=0/26 b=128/26 c=64/26",
    ],
    ["one that needs a half of an older one's", "c a=0/25 b=128/25", "c=64/26 a=0/26 b=128/25"],
    ["one alone that gets company", "a=0/24 b", "a=0/25 b=128/25"],
    ["one that left makes room, and nobody moves into it unasked", "a=0/26 c=64/26", "a=0/26 c=64/26"],
    ["two networks that overlap: one stays, whoever is first", "b=0/25 a=0/25", "b=128/25 a=0/25"],
    ["the whole subnet on two hosts", "b=0/24 a=0/24", "b=128/25 a=0/25"],
    ["a range that is too small for a shim", "a=0/31 b=128/25", "a=0/25 b=128/25"],
  ])("%s", (_, before, after) => {
    expect(shown(standing(before))).toBe(after);
    expect(badParts(standing(before))).toEqual([]);
  });

  test("whatever the order, and with any of them new, no two overlap and who has a part keeps its beginning", () => {
    const parts = ["a=0/26", "b=128/26", "c=64/26", "d=192/26"];
    for (let mask = 0; mask < 16; mask += 1)
      for (const turn of [0, 1, 2, 3]) {
        const order = [...parts.slice(turn), ...parts.slice(0, turn)];
        const words = order.map((part, i) => (mask & (1 << i) ? part : part.slice(0, 1)));
        const fleet = standing(words.join(" "));
        expect(badParts(fleet), words.join(" ")).toEqual([]);
        for (const word of words.filter((w) => w.includes("="))) expect(shown(fleet)).toContain(word);
      }
  });

  test("a network of another subnet gives no part; one that the inventory names goes before it", () => {
    const elsewhere = fleetOf(2);
    const moved = new Fleet(
      elsewhere.hosts.map((h) => ({
        ...h,
        facts: { slice: { subnet: "172.16.0.0/16", range: "172.16.10.64/26" } },
      })),
      () => new Set(["h0", "h1"]),
    );
    expect([...slicesOf(moved).values()]).toEqual(["172.16.10.0/25", "172.16.10.128/25"]);
    const named = new Fleet(
      standing("a=0/25 b=128/25").hosts.map((h) =>
        h.name === "b" ? { ...h, vars: { ...vars, macvlan_range: "172.16.10.192/26" } } : h,
      ),
      () => new Set(["a", "b"]),
    );
    expect(slicesOf(named).get("b")).toBe("172.16.10.192/26");
    expect(slicesOf(named).get("a")).toBe("172.16.10.0/25");
  });

  test("a newcomer beside hosts that are not in the run is told", () => {
    expect(unseenSlices(standing("c a=0/25 b=128/25"))).toEqual([]);
    expect(unseenSlices(standing("c=64/26 a=0/26 b=128/26", "c"))).toEqual([]);
    expect(unseenSlices(standing("c a=0/25 b=128/25", "c a")).map(({ text }) => text)).toEqual([
      expect.stringMatching(/^the part of c is chosen without a look at b, /),
    ]);
  });

  test("the shim's address is the highest that is free; hosts in the subnet are kept out", () => {
    const fleet = fleetOf(2, () => ({
      macvlan_subnet: "10.0.0.0/24",
      macvlan_gateway: "10.0.0.254",
      macvlan_aux: { nas: "10.0.0.253" },
    }));
    const [a, b] = fleet.hosts;
    expect(a && partOf(a, fleet).shim).toBe("10.0.0.127");
    expect(b && partOf(b, fleet)).toEqual({
      gateway: "10.0.0.254",
      ip_range: "10.0.0.128/25",
      aux: { "host-h0": "10.0.0.200", "host-h1": "10.0.0.201", nas: "10.0.0.253", shim: "10.0.0.252" },
      shim: "10.0.0.252",
    });
  });

  test("the part of IPv6 is where that of IPv4 is; what hosts have there is kept out", () => {
    const [a, b] = ["10.0.0.128/25", "10.0.0.0/25"];
    const fleet = fleetOf(2, (i) => ({
      macvlan_subnet: "10.0.0.0/24",
      macvlan_range: i === 0 ? a : b,
      macvlan_subnet6: "fd00:16:10::/64",
      macvlan_aux: { nas: "fd00:16:10::ff", dns: "10.0.0.53" },
      host_ipv6: `fd00:16:10::${i + 7}`,
    }));
    expect(fleet.hosts.map((host) => partOf(host, fleet))).toMatchObject([
      {
        six: {
          subnet: "fd00:16:10::/64",
          gateway: "fd00:16:10::1",
          ip_range: "fd00:16:10::80/121",
          shim: "fd00:16:10::fe",
        },
        aux: {
          "host6-h0": "fd00:16:10::7",
          "host6-h1": "fd00:16:10::8",
          nas: "fd00:16:10::ff",
          shim6: "fd00:16:10::fe",
        },
      },
      { six: { ip_range: "fd00:16:10::/121", shim: "fd00:16:10::7f" } },
    ]);
    expect(badParts(fleet)).toEqual([]);
  });

  test("in a subnet of IPv6 that is no larger the last address stays nobody's", () => {
    const fleet = fleetOf(1, () => ({ macvlan_subnet6: "fd00:16:10::/120" }));
    expect(fleet.hosts.map((host) => partOf(host, fleet).six?.shim)).toEqual(["fd00:16:10::fe"]);
  });

  test.each<[string, Parameters<typeof fleetOf>, RegExp]>([
    [
      "IPv6 for one host alone",
      [2, (i) => (i === 0 ? { macvlan_subnet6: "fd00:16:10::/64" } : {})],
      /h0 and h1 are set to different networks/,
    ],
    [
      "a subnet of IPv6 with less room",
      [2, () => ({ macvlan_subnet6: "fd00:16:10::/121" })],
      /macvlan_subnet6 is smaller than macvlan_subnet/,
    ],
    [
      "a router of IPv6 elsewhere",
      [1, () => ({ macvlan_subnet6: "fd00:16:10::/64", macvlan_gateway6: "fe80::1" })],
      /the gateway of IPv6 is not in macvlan_subnet6/,
    ],
    [
      "a router of IPv6 without a subnet",
      [1, () => ({ macvlan_gateway6: "fd00::1" })],
      /there is no macvlan_subnet6/,
    ],
    [
      "an address reserved in no subnet of IPv6",
      [1, () => ({ macvlan_aux: { nas: "fd00::9" } })],
      /macvlan_aux nas is one of IPv6, and there is no macvlan_subnet6/,
    ],
    [
      "the router of IPv6 reserved twice",
      [1, () => ({ macvlan_subnet6: "fd00:1::/64", macvlan_aux: { nas: "fd00:1::1" } })],
      /the gateway of IPv6 and macvlan_aux nas have one address/,
    ],
    [
      "a part of IPv6 that is all reserved",
      [
        1,
        () => ({
          macvlan_subnet: "10.0.0.0/30",
          macvlan_subnet6: "fd00:1::/126",
          macvlan_gateway6: "fd00:1::2",
        }),
      ],
      /no IPv6 address is left/,
    ],
    [
      "a shim over a host's own address of IPv6",
      [2, (i) => ({ macvlan_subnet6: "fd00:1::/64", host_ipv6: `fd00:1::${i + 8}`, macvlan_shim: i === 0 })],
      /shim of h0 would take over the route to h1/,
    ],
    ["ranges that overlap", [2, () => ({ macvlan_range: "172.16.10.0/25" })], /ranges of h0 and h1 overlap/],
    [
      "a given range over a computed one",
      [2, (i) => (i === 0 ? { macvlan_range: "172.16.10.192/26" } : {})],
      /ranges of h0 and h1 overlap/,
    ],
    ["a range elsewhere", [1, () => ({ macvlan_range: "172.16.11.0/25" })], /not in macvlan_subnet/],
    ["a gateway elsewhere", [1, () => ({ macvlan_gateway: "172.16.11.1" })], /gateway is not in/],
    ["a reserved address elsewhere", [1, () => ({ macvlan_aux: { a: "1.2.3.4" } })], /a is not in/],
    [
      "the gateway reserved twice",
      [1, () => ({ macvlan_aux: { a: "172.16.10.1" } })],
      /the gateway and macvlan_aux a have one address/,
    ],
    ["more hosts than the subnet has room for", [65, () => ({})], /too small/],
    [
      "hosts that plan different networks",
      [2, (i) => ({ macvlan_subnet: `172.16.${i}.0/24` })],
      /h0 and h1 are set to different networks/,
    ],
    [
      "a shim over a host's own address",
      [2, () => ({ macvlan_subnet: "10.0.0.0/24", macvlan_shim: true })],
      /shim of h1 would take over the route to h0/,
    ],
  ])("%s is refused", (_, args, message) => expect(faults(...args).join("\n")).toMatch(message));
});

describe("macvlan-shim plans", () => {
  type Shim = Parameters<typeof macvlanShim.definition.present>[0];
  const params = {
    network: "macvlan_1",
    address: "172.16.10.127",
    ip_range: "172.16.10.0/25",
    name: "macvlan-shim",
  };
  const line =
    "ip link add link ens33 name macvlan-shim type macvlan mode bridge && ip addr add 172.16.10.127/32 dev macvlan-shim && ip link set macvlan-shim up && ip route replace 172.16.10.0/25 dev macvlan-shim src 172.16.10.127";
  const right: Shim = {
    parent: "ens33",
    links: [{ name: "macvlan-shim", index: 9, mtu: 1500, up: true, kind: "macvlan", parent: "ens33" }],
    addresses: [{ dev: "macvlan-shim", cidr: "172.16.10.127/32", address: "172.16.10.127", prefix: 32 }],
    routes: parseRoutes("172.16.10.0/25 dev macvlan-shim scope link src 172.16.10.127"),
    kept: keptLines(line),
  };
  const none: Shim = { ...right, links: [], addresses: [], routes: [], kept: keptNothing };
  const to = "macvlan on ens33, 172.16.10.127, the way to 172.16.10.0/25";

  test.each<[string, Shim, string[]]>([
    ["a bare host", none, [`link macvlan-shim: — → ${to}`]],
    ["nothing, when it stands and comes back", right, []],
    [
      "later, without the network",
      { ...none, parent: "" },
      ["later: the network macvlan_1 does not exist yet"],
    ],
    [
      "one that would be gone after a reboot",
      { ...right, kept: keptLines() },
      [`link macvlan-shim: macvlan 172.16.10.127/32 → ${to}`],
    ],
    ["a lost route", { ...right, routes: [] }, [`link macvlan-shim: macvlan 172.16.10.127/32 → ${to}`]],
    [
      "another parent",
      { ...right, parent: "ens34" },
      [`link macvlan-shim: macvlan 172.16.10.127/32 → ${to.replace("ens33", "ens34")}`],
    ],
  ])("%s", (_, s, expected) =>
    expect(planWords(macvlanShim.definition.present(s, params))).toEqual(expected),
  );

  const params6 = { ...params, address6: "fd00:16:10::7f", ip_range6: "fd00:16:10::/121" };
  const line6 =
    "ip link add link ens33 name macvlan-shim type macvlan mode bridge && ip addr add 172.16.10.127/32 dev macvlan-shim && ip -6 addr add fd00:16:10::7f/128 dev macvlan-shim nodad && ip link set macvlan-shim up && ip route replace 172.16.10.0/25 dev macvlan-shim src 172.16.10.127 && ip -6 route replace fd00:16:10::/121 dev macvlan-shim src fd00:16:10::7f";
  const address = (address: string, prefix: number) => ({
    dev: "macvlan-shim",
    cidr: `${address}/${prefix}`,
    address,
    prefix,
  });
  const right6: Shim = {
    ...right,
    addresses: [...right.addresses, address("fd00:16:10::7f", 128), address("fe80::1", 64)],
    routes: [...right.routes, ...parseRoutes("fd00:16:10::/121 dev macvlan-shim src fd00:16:10::7f")],
    kept: keptLines(line6),
  };
  const to6 = `${to}, fd00:16:10::7f, the way to fd00:16:10::/121`;

  test.each<[string, Shim, string[]]>([
    ["a bare host", none, [`link macvlan-shim: — → ${to6}`]],
    ["nothing, when it stands and comes back", right6, []],
    ["one without IPv6", right, [`link macvlan-shim: macvlan 172.16.10.127/32 → ${to6}`]],
    [
      "a lost route",
      { ...right6, routes: right.routes },
      [`link macvlan-shim: macvlan 172.16.10.127/32 fd00:16:10::7f/128 → ${to6}`],
    ],
  ])("of both families: %s", (_, s, expected) =>
    expect(planWords(macvlanShim.definition.present(s, params6))).toEqual(expected),
  );

  test("not in place of an interface that somebody made", () => {
    const theirs: Shim = { ...right, addresses: [], kept: keptNothing };
    expect(() => macvlanShim.definition.present(theirs, params)).toThrow(
      "causeway did not make the interface macvlan-shim of this host",
    );
  });
});

test.each<[string, Partial<State["links"][number]>[]]>([
  ["ens33 is a port of br0", [{ name: "ens33", master: "br0" }]],
  ["ens33 carries ipvlan: v0", [{ name: "ens33" }, { name: "v0", kind: "ipvlan", parent: "ens33" }]],
])("macvlan-net refuses a parent that can carry none: %s", (found, given) => {
  const all = given.map((one) => ({ name: "", index: 1, mtu: 1500, up: true, ...one }));
  expect(() => parentFor({ ...state(), links: all }, { parent: "ens33" })).toThrow(
    expect.objectContaining({ detail: expect.objectContaining({ found }) }),
  );
});
