import { describe, expect, test } from "vitest";
import { parseIpv6 } from "../../playbooks/checks/ipv6.ts";
import {
  badEndpoints,
  endpointsOf,
  partialRotation,
  skippedGenerations,
  unreachableEndpoints,
  type WireguardVars,
} from "../../playbooks/checks/wireguard.ts";
import { parseRoutes } from "../../src/host/tools/ip.ts";
import { Fleet } from "../../src/playbook/fleet.ts";

const direct = "default via 10.0.0.254 dev eth0\n10.0.0.0/24 dev eth0 proto kernel scope link";

interface Told extends Partial<WireguardVars> {
  address?: string;
  routes?: string;
  /** Lines of what a host says of IPv6. */
  routes6?: string;
  /** Interfaces that causeway made. */
  made?: readonly string[];
}

/** Hosts h0, h1 … at 10.0.0.200 and so on. */
const hosts = (told: readonly Told[]) =>
  told.map(({ address = "", routes = direct, routes6 = "", made = [], ...vars }, i) => ({
    name: `h${i}`,
    address: address || `10.0.0.${200 + i}`,
    groups: ["docker"],
    vars: {
      bip: `192.168.${i}.1/24`,
      wg_port: 51820,
      wg_keepalive: 25,
      wg_mtu: 1420,
      wg_generation: 0,
      ...vars,
    },
    facts: {
      ipv6: parseIpv6(routes6),
      byHand: {
        routes: parseRoutes(routes),
        standing: made.map((key) => ({
          owner: "wireguard",
          task: "wireguard-link",
          key,
          what: "",
          from: "",
          to: "",
        })),
      },
    },
  }));
const fleet = (told: readonly Told[], reached = told.map((_, i) => `h${i}`)) =>
  new Fleet(hosts(told), () => new Set(reached));
const words = (errors: readonly { message: string }[]) => errors.map(({ message }) => message);

describe("endpoints", () => {
  test.each<[string, Told[], string[]]>([
    ["the hosts' own addresses", [{}, {}], []],
    ["names, and one that calls", [{ wg_endpoint: "a.example.org" }, { wg_endpoint: "none" }], []],
    ["loopback", [{ wg_endpoint: "127.0.0.1" }, {}], ["no peer can reach h0 at its wg_endpoint"]],
    [
      "one for two",
      [{ wg_endpoint: "203.0.113.7" }, { wg_endpoint: "203.0.113.7" }],
      ["h0 and h1 have one endpoint: 203.0.113.7:51820"],
    ],
    ["addresses of IPv6", [{ address: "fd00:10::200" }, { wg_endpoint: "2001:db8::1" }], []],
    [
      "a name that only this machine's ssh_config may know",
      [{ address: "web" }, { address: "db", wg_endpoint: "db.example.org" }],
      ["where the other hosts reach h0 is not known"],
    ],
    ["no address", [{ wg_endpoint: "fd00::1::2" }, {}], ["the wg_endpoint of h0 is no IPv6 address"]],
    ["link-local", [{ wg_endpoint: "fe80::1" }, {}], ["no peer can reach h0 at its wg_endpoint"]],
    [
      "one for two, in two spellings",
      [{ wg_endpoint: "fd00:10::1" }, { wg_endpoint: "FD00:10:0::1" }],
      ["h0 and h1 have one endpoint: [fd00:10::1]:51820"],
    ],
    [
      "one among the containers of IPv6",
      [{ wg_endpoint: "fd00:30:1::9" }, { fixed_cidr_v6: "fd00:30:1::/64" }],
      ["the wg_endpoint of h0 is among the containers of h1"],
    ],
    [
      "one for two, on two ports",
      [{ wg_endpoint: "203.0.113.7" }, { wg_endpoint: "203.0.113.7", wg_port: 51830 }],
      [],
    ],
    [
      "one among the containers",
      [{ wg_endpoint: "192.168.1.9" }, {}],
      ["the wg_endpoint of h0 is among the containers of h1"],
    ],
    [
      "none for two",
      [{ wg_endpoint: "none" }, {}, { wg_endpoint: "none" }],
      ["neither h0 nor h2 can call the other"],
    ],
    [
      "none, and nothing that keeps a call open",
      [{ wg_endpoint: "none", wg_keepalive: 0 }, {}],
      ["nobody can call h0, and it would not keep its own calls open"],
    ],
  ])("%s", (_, told, expected) => expect(words(badEndpoints(hosts(told)))).toEqual(expected));

  test.each<[string, Told[], string[]]>([
    ["behind a default route", [{}, { wg_endpoint: "203.0.113.7" }], []],
    [
      "without any",
      [{ routes: "10.0.0.0/24 dev eth0 proto kernel" }, { wg_endpoint: "203.0.113.7" }],
      ["h0 has no route to the endpoint of h1"],
    ],
    ["of IPv6, without any", [{}, { wg_endpoint: "2001:db8::7" }], ["h0 has no route to the endpoint of h1"]],
    [
      "of IPv6, behind a default route",
      [
        { routes6: `route eth0 ${"0".repeat(32)} 00 fe800000000000000000000000000001` },
        { wg_endpoint: "2001:db8::7" },
      ],
      [],
    ],
    [
      "of IPv6, on the link",
      [
        { routes6: `route eth0 fd000010000000000000000000000000 40 ${"0".repeat(32)}` },
        { address: "fd00:10::201" },
      ],
      [],
    ],
    ["by a name, which nobody can judge here", [{ routes: "" }, { wg_endpoint: "a.example.org" }], []],
  ])("the way there: %s", (_, told, expected) =>
    expect(words(unreachableEndpoints(fleet(told))).filter((one) => one.startsWith("h0"))).toEqual(expected),
  );
});

test("the addresses at which hosts are called, without names", () => {
  const told = [{}, { address: "FD00:10::201" }, { wg_endpoint: "a.example.org" }, { wg_endpoint: "none" }];
  expect([...endpointsOf(hosts(told))]).toEqual([
    ["h0", "10.0.0.200"],
    ["h1", "fd00:10::201"],
  ]);
});

describe("new keys", () => {
  const old = { routes: "192.168.1.0/24 dev wg-causeway0 proto 202", made: ["wg-causeway0"] };
  test("on some hosts are refused", () => {
    const both = [
      { ...old, wg_generation: 1 },
      { ...old, wg_generation: 1 },
    ];
    expect(words(partialRotation(fleet(both)))).toEqual([]);
    const [error] = partialRotation(fleet(both, ["h0"]));
    expect(error?.detail.advice).toMatch(/run remove wireguard h1; until then: -e wg_generation=0$/);
    expect(words(partialRotation(fleet([{ ...old }, { ...old }], ["h0"])))).toEqual([]);
  });

  test.each([
    [1, []],
    [2, ["generation 2 of the keys cannot follow generation 0"]],
    [3, []],
  ])("number %i after 0", (wg_generation, expected) =>
    expect(words(skippedGenerations(fleet([{ ...old, wg_generation }])))).toEqual(expected),
  );
});
