import { describe, expect, test } from "vitest";
import { parseRoutes } from "../../src/host/tools/ip.ts";
import { askLeases, parseLeases } from "../../tasks/flannel-peers/leases.ts";
import { flannelPeers } from "../../tasks/flannel-peers.ts";
import { unit } from "./flannel-host.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof flannelPeers.definition.present>[0];
type Wanted = Parameters<typeof flannelPeers.definition.present>[1];

const wanted: Wanted = {
  endpoints: ["http://10.0.0.200:2379"],
  prefix: "/atomic.io/network",
  backend: "vxlan",
  peers: [
    { name: "b", address: "10.0.0.201" },
    { name: "c", address: "10.0.0.202" },
  ],
};

const lease = (subnet: string, address: string, backend = "vxlan", mac?: string) => ({
  subnet,
  address,
  backend,
  mac,
});
const [macB, macC] = ["7e:9c:00:00:00:0b", "7e:9c:00:00:00:0c"];
const vxlan = [
  lease("192.168.11.0/24", "10.0.0.201", "vxlan", macB),
  lease("192.168.12.0/24", "10.0.0.202", "vxlan", macC),
];
const other = (backend: string) => vxlan.map(({ subnet, address }) => lease(subnet, address, backend));

/** A host with a flanneld of vxlan for an hour, which knows both others. */
const knowing = (over: Partial<State> = {}): State => ({
  flanneld: unit("flanneld.service", {}),
  docker: unit("docker.service", {}),
  leases: vxlan,
  routes: parseRoutes(
    "default via 10.0.0.1 dev eth0\n192.168.11.0/24 via 192.168.11.0 dev flannel.1 onlink\n192.168.12.0/24 via 192.168.12.0 dev flannel.1 onlink",
  ),
  tunnels: [`${macB} dst 10.0.0.201 self permanent`, `${macC} dst 10.0.0.202 self permanent`],
  said: [],
  age: 3600,
  ...over,
});

const plan = (state: State, over: Partial<Wanted> = {}) =>
  planWords(flannelPeers.definition.present(state, { ...wanted, ...over }));

const missed = (names: string) => [`owed: restart flanneld (it missed the lease of ${names})`];
const hostGw = parseRoutes(
  "192.168.11.0/24 via 10.0.0.201 dev eth0\n192.168.12.0/24 via 10.0.0.202 dev eth0",
);
const udp = [
  "I1126 11:15:57 1 udp_network_amd64.go:100] Watching for new subnet leases",
  "I1126 11:15:57 1 udp_network_amd64.go:170] Subnet added: 192.168.11.0/24",
  "I1126 11:15:58 1 udp_network_amd64.go:170] Subnet added: 192.168.12.0/24",
];

describe("flannel-peers plans", () => {
  test.each<[string, State, Partial<Wanted>, string[]]>([
    ["nothing, when every lease has arrived", knowing(), {}, []],
    [
      "nothing with the one route for all that 0.7 has",
      knowing({ routes: parseRoutes("192.168.0.0/16 dev flannel.1") }),
      {},
      [],
    ],
    ["a restart, for a far end that is not known", knowing({ tunnels: [] }), {}, missed("b, c")],
    [
      "a restart, for a far end that was made anew",
      knowing({
        tunnels: [`${macB} dst 10.0.0.201 self permanent`, `${macB} dst 10.0.0.202 self permanent`],
      }),
      {},
      missed("c"),
    ],
    [
      "a restart, for a route that is gone",
      knowing({ routes: knowing().routes.slice(0, 2) }),
      {},
      missed("c"),
    ],
    [
      "patience with a flanneld that has just begun",
      knowing({ tunnels: [], age: 3 }),
      {},
      ["later: flanneld has not received the lease of b, c yet"],
    ],
    ["nothing for hosts without a lease", knowing({ leases: [], routes: [], tunnels: [] }), {}, []],
    ["nothing for hosts that are in no inventory", knowing({ routes: [], tunnels: [] }), { peers: [] }, []],
    [
      "nothing for hosts that still have another backend",
      knowing({ leases: other("host-gw"), routes: [], tunnels: [] }),
      {},
      [],
    ],
    [
      "a lease that arrived is enough, whatever an earlier one was",
      knowing({ leases: [lease("172.30.5.0/24", "10.0.0.201", "vxlan", macC), ...vxlan] }),
      {},
      [],
    ],
    [
      "nothing over host-gw",
      knowing({ leases: other("host-gw"), routes: hostGw }),
      { backend: "host-gw" },
      [],
    ],
    [
      "a restart over host-gw, for a route by another way",
      knowing({ leases: other("host-gw"), routes: knowing().routes }),
      { backend: "host-gw" },
      missed("b, c"),
    ],
    ["nothing over udp", knowing({ leases: other("udp"), said: udp }), { backend: "udp" }, []],
    [
      "a restart over udp, for a host that its log does not name",
      knowing({ leases: other("udp"), said: udp.slice(0, 2) }),
      { backend: "udp" },
      missed("c"),
    ],
    [
      "a restart over udp, for a host that its log took back",
      knowing({ leases: other("udp"), said: [...udp, "1] Subnet removed: 192.168.12.0/24"] }),
      { backend: "udp" },
      missed("c"),
    ],
    [
      "nothing over udp, where the log has lost its beginning",
      knowing({ leases: other("udp"), said: [] }),
      { backend: "udp" },
      [],
    ],
    [
      "patience before there is a lease of one's own",
      knowing({ flanneld: unit("flanneld.service", { active: "activating" }) }),
      {},
      ["later: no lease yet"],
    ],
    [
      "patience with the Docker that a restart of flanneld restarts",
      knowing({ docker: unit("docker.service", { active: "activating" }) }),
      {},
      ["later: Docker has not restarted yet"],
    ],
  ])("%s", (_, state, over, words) => expect(plan(state, over)).toEqual(words));
});

describe("the leases in etcd", () => {
  const value = `{"PublicIP":"10.0.0.201","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"7E:9C:00:00:00:0B"}}`;
  const base64 = (text: string) => Buffer.from(text).toString("base64");

  test("of API v2, and of v3 through its gateway; that of udp says no type", () => {
    const v2 = {
      action: "get",
      node: {
        key: "/atomic.io/network/subnets",
        dir: true,
        nodes: [
          { key: "/atomic.io/network/subnets/192.168.11.0-24", value, expiration: "2026-11-27", ttl: 86000 },
        ],
      },
    };
    const v3 = {
      header: { revision: "7" },
      kvs: [
        { key: base64("/atomic.io/network/subnets/192.168.12.0-24"), value: base64(value) },
        {
          key: base64("/atomic.io/network/subnets/192.168.13.0-24"),
          value: base64(`{"PublicIP":"10.0.0.203"}`),
        },
        { key: base64("/atomic.io/network/subnets/192.168.14.0-24"), value: base64("not flannel's") },
      ],
      count: "2",
    };
    expect(parseLeases(`${JSON.stringify(v2)}\n\n404 page not found\n${JSON.stringify(v3)}\n`)).toEqual([
      { subnet: "192.168.11.0/24", address: "10.0.0.201", backend: "vxlan", mac: macB },
      { subnet: "192.168.12.0/24", address: "10.0.0.201", backend: "vxlan", mac: macB },
      { subnet: "192.168.13.0/24", address: "10.0.0.203", backend: "udp", mac: undefined },
    ]);
  });

  test.each([
    ["none", ""],
    ["words", "404 page not found\n"],
    ["a key that is not there", `{"errorCode":100,"message":"Key not found","cause":"/x","index":4}`],
    ["no keys", `{"header":{"revision":"7"}}`],
    ["an answer that was cut off", `{"node":{"nodes":[{"key":"/x/subnets/192.168.1`],
    ["null", "null"],
  ])("an answer without a lease: %s", (_, text) => expect(parseLeases(text)).toEqual([]));

  test("v3 is asked for all keys below subnets", () => {
    const { text } = askLeases(wanted);
    const { key, range_end } = JSON.parse(/{"key".*?}/.exec(text)?.[0] ?? "{}");
    const plain = (s: string) => Buffer.from(s, "base64").toString();
    expect([plain(key), plain(range_end)]).toEqual([
      "/atomic.io/network/subnets/",
      "/atomic.io/network/subnets0",
    ]);
  });
});
