import { expect, test } from "vitest";
import {
  badAddresses6,
  badSubnets6,
  offLinkPeers6,
  parseIpv6,
  swappedSubnets6,
  unfitForIpv6,
} from "../../playbooks/checks/ipv6.ts";
import { Fleet } from "../../src/playbook/fleet.ts";

/** As a host with an address of its own, one of docker0's, and a default route from a router says it. */
const said = `off 0
address lo 00000000000000000000000000000001 80
address eth0 fd000010000000000000000000000200 40
address docker0 fd000030010000000000000000000001 40
address eth0 fe800000000000000000000000000001 40
route eth0 fd000010000000000000000000000000 40 00000000000000000000000000000000
route eth0 00000000000000000000000000000000 00 fe8000000000000000000000000000aa
default eth0 fe8000000000000000000000000000aa 00450003 1 0`;

test("the kernel's tables are read", () => {
  expect(parseIpv6(said)).toEqual({
    inKernel: true,
    enabled: true,
    addresses: [
      { dev: "lo", cidr: "::1/128" },
      { dev: "eth0", cidr: "fd00:10::200/64" },
      { dev: "docker0", cidr: "fd00:30:100::1/64" },
      { dev: "eth0", cidr: "fe80::1/64" },
    ],
    gateways: ["fe80::aa"],
    routes: [
      { dst: "fd00:10::/64", dev: "eth0", via: "::" },
      { dst: "::/0", dev: "eth0", via: "fe80::aa" },
    ],
    advertised: ["eth0"],
  });
});

test.each([
  ["", { inKernel: false, enabled: false, addresses: [], gateways: [], advertised: [] }],
  ["off 1", { inKernel: true, enabled: false }],
  // accept_ra is 2, the host forwards already, a daemon made the route, an administrator did.
  [said.replace("00450003 1 0", "00450003 2 0"), { advertised: [] }],
  [said.replace("00450003 1 0", "00450003 1 1"), { advertised: [] }],
  [said.replace("00450003 1 0", "00000003 1 0"), { advertised: [] }],
])("%#: what a host lacks", (text, expected) => {
  expect(parseIpv6(text)).toMatchObject(expected);
});

interface Given {
  fixed_cidr_v6?: string;
  container_network_v6?: string;
  host_ipv6?: string;
  address?: string;
}

function hostsOf(...given: Given[]) {
  return given.map(({ address, ...vars }, i) => ({
    name: `h${i}`,
    address: address ?? `10.0.0.20${i}`,
    groups: ["docker"],
    vars,
    facts: {},
  }));
}
const a = { fixed_cidr_v6: "fd00:30:100::/64", host_ipv6: "fd00:10::200" };
const b = { fixed_cidr_v6: "fd00:30:200::/64", host_ipv6: "fd00:10::201" };

test.each<[string, Given[], string[]]>([
  ["none at all", [{}, {}], []],
  ["one each", [a, b], []],
  ["one that only some have", [a, {}], ["some hosts have a fixed_cidr_v6, and others have none"]],
  [
    "one in another",
    [a, { ...b, fixed_cidr_v6: "fd00:30::/32" }],
    ["the IPv6 container subnets of h0 and h1 overlap"],
  ],
  [
    "link-local",
    [{ ...a, fixed_cidr_v6: "fe80:1::/64" }, b],
    ["fixed_cidr_v6 is not a network for containers"],
  ],
  [
    "too small",
    [{ ...a, fixed_cidr_v6: "fd00:30::/124" }, b],
    ["fixed_cidr_v6 is not a network for containers"],
  ],
  [
    "all in one network",
    [
      { ...a, container_network_v6: "fd00:30::/32" },
      { ...b, container_network_v6: "fd00:30::/32" },
    ],
    [],
  ],
  [
    "one outside of the network of all",
    [{ ...a, container_network_v6: "fd00:30:100::/48" }, b],
    ["the container_network_v6 of h0 does not contain the IPv6 subnet of h1"],
  ],
  [
    "a network of all, and no subnet",
    [{ container_network_v6: "fd00:30::/32" }, {}],
    ["there is a container_network_v6, and no fixed_cidr_v6"],
  ],
  [
    "one over a host",
    [a, { ...b, host_ipv6: "fd00:30:100::9" }],
    ["the IPv6 container subnet of h0 contains the address of h1"],
  ],
])("subnets: %s", (_, given, expected) => {
  expect(badSubnets6(hostsOf(...given)).map(({ message }) => message)).toEqual(expected);
});

test.each<[string, Given[], string[]]>([
  ["not asked for", [{}, {}], []],
  ["of each host", [a, b], []],
  ["by which a host is reached", [a, { fixed_cidr_v6: "fd00:30:200::/64", address: "fd00:10::201" }], []],
  [
    "none",
    [a, { fixed_cidr_v6: "fd00:30:200::/64" }],
    ["h1 has no IPv6 address to which its peers could route"],
  ],
  ["twice", [a, { ...b, host_ipv6: "fd00:10::200" }], ["h0 and h1 have one IPv6 address: fd00:10::200"]],
  ["link-local", [a, { ...b, host_ipv6: "fe80::1" }], ["the IPv6 address of h1 is none for a route"]],
])("addresses: %s", (_, given, expected) => {
  expect(badAddresses6(hostsOf(...given)).map(({ message }) => message)).toEqual(expected);
});

const network = (name: string, ...subnets: string[]) => ({
  id: name,
  name,
  driver: "bridge",
  scope: "local",
  subnets,
});
const facts = (text: string) => ({
  ipv6: parseIpv6(text),
  networks: [network("bridge", "172.17.0.0/16", "fd00:30:100::/64")],
  lifelines: [{ what: "the DNS server", address: "10.0.0.53" }],
});
const quiet = said.replace("00450003 1 0", "00000003 1 0");

/** Two hosts; the first one has these facts. */
function fleetOf(first: Partial<ReturnType<typeof facts>> = {}) {
  const others = facts(quiet.replaceAll("000200 40", "000201 40").replace(/^address docker0.*\n/m, ""));
  const hosts = hostsOf(a, b).map((host, i) => ({
    ...host,
    facts: i === 0 ? { ...facts(quiet), ...first } : others,
  }));
  return new Fleet(hosts, () => new Set(["h0", "h1"]));
}

test.each<[string, Partial<ReturnType<typeof facts>>, string[]]>([
  ["nothing in the way", {}, []],
  ["IPv6 switched off", { ipv6: parseIpv6("off 1") }, ["h0 has no IPv6"]],
  [
    "a default route from a router",
    { ipv6: parseIpv6(said) },
    ["h0 would lose its IPv6 default route: eth0 has it from a router"],
  ],
  [
    "a Docker network in a peer's subnet",
    { networks: [network("shop", "fd00:30:200::/80")] },
    ["the IPv6 container subnet of h1 overlaps the Docker network shop"],
  ],
  [
    "an interface in its own",
    { ipv6: parseIpv6(quiet.replace("address docker0", "address br-lan")) },
    ["the IPv6 container subnet of h0 overlaps the interface br-lan"],
  ],
  [
    "a DNS server",
    { lifelines: [{ what: "the DNS server", address: "fd00:30:200::53" }] },
    ["the IPv6 container subnet of h1 overlaps the DNS server"],
  ],
  [
    "the machine from which the run connects",
    { lifelines: [{ what: "the machine from which this run connects", address: "fd00:30:100::9" }] },
    ["the IPv6 container subnet of h0 overlaps the machine from which this run connects"],
  ],
  [
    "a DNS server in a container of its own and in one of a peer",
    {
      ipv6: parseIpv6(`${quiet}
route docker0 fd000030010000000000000000000000 40 00000000000000000000000000000000
route eth0 fd000030020000000000000000000000 40 fd000010000000000000000000000201`),
      lifelines: [
        { what: "the DNS server", address: "fd00:30:100::53" },
        { what: "the DNS server", address: "fd00:30:200::53" },
      ],
    },
    [],
  ],
  [
    "a DNS server by a route of its own that leads elsewhere",
    {
      ipv6: parseIpv6(`${quiet}
route eth0 fd000030000000000000000000000000 20 fd000010000000000000000000000001`),
      lifelines: [{ what: "the DNS server", address: "fd00:30:200::53" }],
    },
    ["the IPv6 container subnet of h1 overlaps the DNS server"],
  ],
])("on a host: %s", (_, first, expected) => {
  expect(unfitForIpv6(fleetOf(first)).map(({ message }) => message)).toEqual(expected);
});

test("a next hop has to be on a link", () => {
  expect(offLinkPeers6(fleetOf())).toEqual([]);
  const elsewhere = quiet.replace("fd000010000000000000000000000200", "fd000011000000000000000000000200");
  expect(offLinkPeers6(fleetOf({ ipv6: parseIpv6(elsewhere) })).map(({ message }) => message)).toEqual([
    "h0 (fd00:10::200) is not on an IPv6 link of h0",
    "h1 (fd00:10::201) is not on an IPv6 link of h0",
  ]);
});

test("a subnet that another host still has is not led to on both sides", () => {
  expect(swappedSubnets6(fleetOf())).toBeUndefined();
  const swapped = quiet.replace("fd000030010000000000000000000001", "fd000030020000000000000000000001");
  expect(swappedSubnets6(fleetOf({ ipv6: parseIpv6(swapped) }))).toBe(
    "h1 gets fd00:30:200::/64, and h0 still has fd00:30:200::1/64",
  );
});
