import { expect, test } from "vitest";
import { parseLook } from "../../playbooks/checks/by-hand.ts";
import { foreignNetworks, poolsOverlapping, type Uses } from "../../playbooks/checks/networks.ts";
import { parseAddresses, parseRoutes } from "../../src/host/tools/ip.ts";
import { parseRules } from "../../src/host/tools/iptables.ts";
import { subnetOf } from "../../src/index.ts";
import { Fleet } from "../../src/playbook/fleet.ts";
import { fileWith } from "../tasks/files.ts";

/** As far as a test says it, and otherwise a host with nothing but its own address and docker0. */
interface Host {
  docker?: readonly (readonly [name: string, subnet: string, bridge?: string])[];
  addresses?: string;
  routes?: string;
  standing?: readonly { task: string; what: string }[];
  pools?: readonly string[];
}

const bridge = ["bridge", "172.17.0.0/16", "docker0"] as const;

function fleetOf(first: Host) {
  const views = [first, {} as Host].map((host, i) => ({
    name: `h${i}`,
    address: `10.0.0.20${i}`,
    groups: ["docker"],
    vars: { bip: `192.168.10${i}.1/24` },
    whereIs: () => ({ file: "hosts.yaml", line: 5 + i, column: 7 }),
    facts: {
      networks: [bridge, ...(host.docker ?? [])].map(([name, subnet, device]) => ({
        id: name,
        name,
        driver: device ? "bridge" : "macvlan",
        scope: "local",
        subnets: [subnet],
        ...(device ? { bridge: device } : {}),
      })),
      addresses: parseAddresses(
        `1: lo    inet 127.0.0.1/8 scope host lo
2: eth0    inet 10.0.0.20${i}/24 scope global eth0
3: docker0    inet 172.17.0.1/16 scope global docker0
${host.addresses ?? ""}`,
      ),
      byHand: {
        ...parseLook(""),
        config: fileWith(
          "/etc/docker/daemon.json",
          JSON.stringify({ "default-address-pools": host.pools?.map((base) => ({ base, size: 24 })) }),
        ),
        routes: parseRoutes(`default via 10.0.0.1 dev eth0 proto dhcp
10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.20${i}
172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1
${host.routes ?? ""}`),
        rules: parseRules(""),
        standing: (host.standing ?? []).map((one) => ({
          owner: "x",
          key: "k",
          from: null,
          to: null,
          ...one,
        })),
      },
    },
  }));
  return new Fleet(views, () => new Set(["h0", "h1"]));
}

type View = ReturnType<typeof fleetOf>["hosts"][number];

/** Like static-route: each host uses all subnets. */
const uses: Uses<View["vars"], View["facts"]> = {
  on: (_, { hosts }) =>
    hosts.map((of) => ({
      subnet: subnetOf(of.vars.bip),
      what: `the subnet of ${of.name}`,
      variable: "bip",
      of,
    })),
  except: () => ["docker0"],
};
/** Like macvlan: one for all. */
const shared = (subnet: string): typeof uses => ({
  on: (of) => [{ subnet, what: "the network", variable: "subnet", of }],
});

const words = (host: Host, all = uses) =>
  foreignNetworks(fleetOf(host), all).map(
    ({ message, detail }) => `${detail.host}: ${message} | ${detail.found}`,
  );

test.each<[string, Host, string[]]>([
  ["nothing but its own", {}, []],
  [
    "a Docker network, told once and not again as its interface and its route",
    {
      docker: [["shop_default", "192.168.101.0/24", "br-1"]],
      addresses: "4: br-1    inet 192.168.101.1/24 scope global br-1",
      routes: "192.168.101.0/24 dev br-1 proto kernel scope link src 192.168.101.1 linkdown",
    },
    [
      "h0: the subnet of h1 overlaps the Docker network shop_default | shop_default (bridge, interface br-1): 192.168.101.0/24; the subnet of h1: 192.168.101.0/24",
    ],
  ],
  [
    "one out of Docker's own pools that holds both subnets, and has no interface now",
    { docker: [["lan", "192.168.96.0/20"]] },
    [
      "h0: the subnet of h0 overlaps the Docker network lan | lan (macvlan): 192.168.96.0/20; the subnet of h0: 192.168.100.0/24",
    ],
  ],
  [
    "libvirt's bridge and a VPN, each with its route",
    {
      addresses: `4: virbr0    inet 192.168.100.1/24 scope global virbr0
5: wg0    inet 192.168.101.9/16 scope global wg0`,
      routes: `192.168.100.0/24 dev virbr0 proto kernel scope link src 192.168.100.1
192.168.0.0/16 dev wg0 proto kernel scope link src 192.168.101.9`,
    },
    [
      "h0: the subnet of h0 overlaps the interface virbr0 | virbr0: 192.168.100.1/24; the subnet of h0: 192.168.100.0/24",
      "h0: the subnet of h0 overlaps the interface wg0 | wg0: 192.168.101.9/16; the subnet of h0: 192.168.100.0/24",
    ],
  ],
  [
    "routes of a daemon, of the configuration and of a device, in it or the same; a wider one and a typed one are none",
    {
      routes: `192.168.100.128/25 via 10.0.0.9 dev eth0 proto bird metric 32
192.168.101.0/24 via 10.0.0.9 dev eth0 proto static
192.168.100.7 dev tun0 scope link
192.168.0.0/16 via 10.0.0.9 dev eth0 proto static
192.168.101.0/24 via 10.0.0.201 dev eth0
192.168.101.0/24 via 10.0.0.201 dev eth0 proto 202`,
    },
    [
      "h0: the subnet of h0 overlaps the route to 192.168.100.128/25 (proto bird) | 192.168.100.128/25 via 10.0.0.9 dev eth0 proto bird metric 32; the subnet of h0: 192.168.100.0/24",
      "h0: the subnet of h1 overlaps the route to 192.168.101.0/24 (proto static) | 192.168.101.0/24 via 10.0.0.9 dev eth0 proto static; the subnet of h1: 192.168.101.0/24",
      "h0: the subnet of h0 overlaps the route to 192.168.100.7 | 192.168.100.7 dev tun0 scope link; the subnet of h0: 192.168.100.0/24",
    ],
  ],
  [
    "what causeway made, by the journal",
    {
      docker: [["macvlan_1", "192.168.100.0/24"]],
      addresses: `4: macvlan-shim    inet 192.168.100.254/32 scope global macvlan-shim
5: flannel.1    inet 192.168.101.0/32 scope global flannel.1`,
      routes: `192.168.100.0/26 dev macvlan-shim scope link src 192.168.100.254
192.168.101.0/24 via 192.168.101.0 dev flannel.1 onlink`,
      standing: [
        { task: "macvlan-net", what: "network macvlan_1" },
        { task: "macvlan-shim", what: "link macvlan-shim" },
        { task: "flanneld-config", what: "unit flanneld.service" },
      ],
    },
    [],
  ],
  [
    "a flannel that somebody else runs",
    { addresses: "5: flannel.1    inet 192.168.101.0/32 scope global flannel.1" },
    [
      "h0: the subnet of h1 overlaps the interface flannel.1 | flannel.1: 192.168.101.0/32; the subnet of h1: 192.168.101.0/24",
    ],
  ],
])("%s", (_, host, expected) => {
  expect(words(host)).toEqual(expected);
});

test("docker0 is somebody's where the scheme leaves it alone", () => {
  expect(words({}, shared("172.17.5.0/24"))).toHaveLength(2);
  expect(
    words({ standing: [{ task: "docker-bip", what: "address of docker0" }] }, shared("172.17.5.0/24")),
  ).toHaveLength(1);
});

test("the place of the value, and another one that is free on every host, differs for each", () => {
  const errors = foreignNetworks(
    fleetOf({
      docker: [
        ["a", "192.168.100.0/24"],
        ["b", "192.168.101.0/24"],
        ["c", "10.200.0.0/24"],
      ],
    }),
    uses,
  );
  expect(errors.map(({ detail }) => [detail.at?.line, detail.advice])).toEqual([
    [
      5,
      "set another bip for h0, such as 10.200.1.1/24; or, if nobody needs the Docker network a: docker network rm a, after its containers left it",
    ],
    [
      6,
      "set another bip for h1, such as 10.200.2.1/24; or, if nobody needs the Docker network b: docker network rm b, after its containers left it",
    ],
  ]);
});

test("pools out of which Docker may take the network later", () => {
  expect(
    poolsOverlapping(fleetOf({ pools: ["10.0.0.0/8", "172.30.0.0/16"] }), shared("10.0.2.0/24")),
  ).toEqual([
    {
      host: "h0",
      text: "Docker may give its own networks subnets of 10.0.0.0/8 (default-address-pools in /etc/docker/daemon.json), which overlaps the network 10.0.2.0/24: set another subnet, or other pools",
    },
  ]);
});
