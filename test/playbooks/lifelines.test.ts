import { expect, test } from "vitest";
import { parseIpv6 } from "../../playbooks/checks/ipv6.ts";
import { type Lifeline, lifelinesTaken, routeTo } from "../../playbooks/checks/lifelines.ts";
import { lifelinesInRanges } from "../../playbooks/checks/macvlan.ts";
import { parseRoutes } from "../../src/host/tools/ip.ts";
import { Fleet } from "../../src/playbook/fleet.ts";

const routes = parseRoutes(
  [
    "default via 10.0.0.1 dev eth0",
    "10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.200",
    "192.168.100.0/24 dev docker0 proto kernel scope link src 192.168.100.1",
    "192.168.101.0/24 via 10.0.0.201 dev eth0 proto 202",
    "198.51.100.7 via 10.0.0.2 dev eth0",
  ].join("\n"),
);

test.each([
  ["10.0.0.53", "10.0.0.0/24"],
  ["192.168.101.9", "192.168.101.0/24"],
  ["198.51.100.7", "198.51.100.7"],
  ["198.51.100.8", "default"],
])("the way to %s is by %s", (address, dst) => expect(routeTo(address, routes)?.dst).toBe(dst));

const none6 = parseIpv6("");
const line = (what: string, address: string): Lifeline => ({
  what,
  address,
  route: routeTo(address, routes),
});
const host = (lifelines: Lifeline[]) => ({
  name: "h1",
  address: "10.0.0.200",
  groups: ["docker"],
  vars: {},
  facts: { lifelines },
});

test.each<[string, Lifeline, string, boolean]>([
  ["a DNS server elsewhere", line("the DNS server", "198.51.100.53"), "198.51.100.0/24", true],
  [
    "the same in no network of containers",
    line("the DNS server", "198.51.100.53"),
    "192.168.100.0/24",
    false,
  ],
  ["the default gateway", line("the default gateway", "10.0.0.1"), "10.0.0.0/16", true],
  ["the runner behind a router", line("the address", "10.9.0.5"), "10.9.0.0/16", true],
  ["a DNS server in a container here", line("the DNS server", "192.168.100.2"), "192.168.100.0/24", false],
  ["a DNS server in a peer's container", line("the DNS server", "192.168.101.2"), "192.168.101.0/24", false],
  [
    "a DNS server in a larger network that is new",
    line("the DNS server", "198.51.100.7"),
    "198.51.0.0/16",
    false,
  ],
])("%s", (_, lifeline, network, refused) => {
  const value = { name: "bip", value: network, host: "h2", at: { file: "hosts.yaml", line: 5, column: 7 } };
  const errors = lifelinesTaken([host([lifeline])], [{ network, value }]);
  expect(
    errors.map(({ code, message, detail }) => ({ code, message, at: detail.at, host: detail.host })),
  ).toEqual(
    refused
      ? [
          {
            code: "host",
            message: `bip ${network} contains an address that h1 needs: ${lifeline.what}`,
            at: value.at,
            host: "h1",
          },
        ]
      : [],
  );
});

test.each<[string, { shim?: boolean; aux?: Record<string, string> }, Lifeline, string | undefined]>([
  [
    "a DNS server that a container could get",
    {},
    line("the DNS server", "10.0.0.53"),
    "could get the address",
  ],
  ["reserved, it is safe", { aux: { dns: "10.0.0.53" } }, line("the DNS server", "10.0.0.53"), undefined],
  ["the gateway is macvlan's own", {}, line("the default gateway", "10.0.0.1"), undefined],
  ["also beside a shim", { shim: true }, line("the default gateway", "10.0.0.1"), undefined],
  ["a DNS server outside of the subnet", {}, line("the DNS server", "198.51.100.7"), undefined],
  [
    "reserved, but behind the shim",
    { shim: true, aux: { dns: "10.0.0.53" } },
    line("the DNS server", "10.0.0.53"),
    "shim of h1 would take over the route to the DNS server",
  ],
])("macvlan: %s", (_, { shim = false, aux = {} }, lifeline, words) => {
  const vars = { macvlan_name: "m", macvlan_subnet: "10.0.0.0/24", macvlan_aux: aux, macvlan_shim: shim };
  const one = { ...host([lifeline]), vars, facts: { lifelines: [lifeline], slice: undefined, ipv6: none6 } };
  const errors = lifelinesInRanges(new Fleet([one], () => new Set(["h1"])));
  expect(errors.map(({ message }) => message)).toEqual(
    words === undefined ? [] : [expect.stringContaining(words)],
  );
});

test.each<[string, object, string[]]>([
  ["a DNS server elsewhere", { dns: "fd00:9::53" }, []],
  ["a DNS server", { dns: "fd00:1::53" }, ["a container of h1 could get the address of the DNS server"]],
  ["a router", { via: "fd00:1::9" }, ["a container of h1 could get the address of the default gateway"]],
  [
    "an address of the host's",
    { own: "fd00:1::9" },
    ["a container of h1 could get the address of h1 itself"],
  ],
  ["behind the part", { own: "fd00:1::1:9" }, []],
  ["reserved", { dns: "fd00:1::53", aux: { dns: "fd00:1::53" } }, []],
])("macvlan in IPv6: %s", (_, { dns, via, own, aux = {} }: Given6, expected) => {
  const vars = {
    macvlan_name: "m",
    macvlan_subnet: "172.16.10.0/24",
    macvlan_subnet6: "fd00:1::/64",
    macvlan_aux: aux,
    macvlan_shim: false,
  };
  const ipv6 = {
    ...none6,
    gateways: via === undefined ? [] : [via],
    addresses: own === undefined ? [] : [{ dev: "eth0", cidr: `${own}/64` }],
  };
  const lifelines = dns === undefined ? [] : [line("the DNS server", dns)];
  const one = { ...host(lifelines), vars, facts: { lifelines, slice: undefined, ipv6 } };
  const errors = lifelinesInRanges(new Fleet([one], () => new Set(["h1"])));
  expect(errors.map(({ message }) => message)).toEqual(expected);
});

interface Given6 {
  dns?: string;
  via?: string;
  own?: string;
  aux?: Record<string, string>;
}
