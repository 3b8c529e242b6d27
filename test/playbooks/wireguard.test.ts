import { describe, expect, test } from "vitest";
import {
  badEndpoints,
  partialRotation,
  skippedGenerations,
  unreachableEndpoints,
  type WireguardVars,
} from "../../playbooks/checks/wireguard.ts";
import { parseRoutes } from "../../src/host/tools/ip.ts";
import { Fleet } from "../../src/playbook/fleet.ts";

const direct = "default via 10.0.0.254 dev eth0\n10.0.0.0/24 dev eth0 proto kernel scope link";

interface Told extends Partial<WireguardVars> {
  routes?: string;
  /** Interfaces that causeway made. */
  made?: readonly string[];
}

/** Hosts h0, h1 … at 10.0.0.200 and so on. */
const hosts = (told: readonly Told[]) =>
  told.map(({ routes = direct, made = [], ...vars }, i) => ({
    name: `h${i}`,
    address: `10.0.0.${200 + i}`,
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
    ["by a name, which nobody can judge here", [{ routes: "" }, { wg_endpoint: "a.example.org" }], []],
  ])("the way there: %s", (_, told, expected) =>
    expect(words(unreachableEndpoints(fleet(told))).filter((one) => one.startsWith("h0"))).toEqual(expected),
  );
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
