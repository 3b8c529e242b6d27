import { describe, expect, test } from "vitest";
import { parseRoutes } from "../../src/host/tools/ip.ts";
import type { Step } from "../../src/task/step.ts";
import { staticRoute } from "../../tasks/static-route.ts";
import { keptLines, keptNothing } from "./firewall.ts";
import { planWords } from "./words.ts";

const wanted = { name: "peers", routes: [{ to: "192.168.200.0/24", via: "10.0.0.201" }] };
const line = "192.168.200.0/24 via 10.0.0.201 proto 202";
const kept = keptLines(line);
const ours = "192.168.200.0/24 via 10.0.0.201 dev eth0 proto 202";
const list = (...lines: readonly string[]) => ({ enabled: true, files: new Map([["peers-123", lines]]) });

test.each([
  ["no route", "default via 10.0.0.1 dev eth0", keptNothing, ["routes peers: — → 1 to 192.168.200.0/24"]],
  ["nothing, when it is there and comes back, as an earlier version kept it", ours, kept, []],
  ["nothing, when it is there and in the list", ours, list(line), []],
  [
    "a route through another host",
    "192.168.200.0/24 via 10.0.0.20 dev eth0 proto 202",
    kept,
    ["routes peers: 192.168.200.0/24 via 10.0.0.20 dev eth0 proto 202 → 192.168.200.0/24 via 10.0.0.201"],
  ],
  [
    "one that is lost",
    "default via 10.0.0.1 dev eth0",
    list(line),
    ["routes peers: 1 missing: 192.168.200.0/24 → 192.168.200.0/24 via 10.0.0.201"],
  ],
  [
    "one typed by hand, which no reboot survives",
    "192.168.200.0/24 via 10.0.0.201 dev eth0",
    kept,
    ["routes peers: 192.168.200.0/24 via 10.0.0.201 dev eth0 → 192.168.200.0/24 via 10.0.0.201"],
  ],
  [
    "a second one beside it",
    `${ours}\n192.168.200.0/24 via 10.0.0.9 dev eth0 metric 50`,
    kept,
    [
      `routes peers: ${ours}, 192.168.200.0/24 via 10.0.0.9 dev eth0 metric 50 → 192.168.200.0/24 via 10.0.0.201`,
    ],
  ],
  [
    "one that would not come back",
    ours,
    keptLines(),
    ["routes peers: 1 gone after a reboot: 192.168.200.0/24 → 192.168.200.0/24 via 10.0.0.201"],
  ],
  [
    "one whose unit is disabled",
    ours,
    { ...kept, enabled: false },
    ["routes peers: 1 gone after a reboot: 192.168.200.0/24 → 192.168.200.0/24 via 10.0.0.201"],
  ],
  [
    "a peer that left",
    ours,
    list(line, "192.168.210.0/24 via 10.0.0.202 proto 202"),
    ["routes peers: 1 of no peer: 192.168.210.0/24 → 1 removed"],
  ],
])("%s", (_name, routes, keptNow, expected) => {
  expect(
    planWords(staticRoute.definition.present({ routes: parseRoutes(routes), kept: keptNow }, wanted)),
  ).toEqual(expected);
});

describe("by an interface", () => {
  const by = (dev: string) => `192.168.200.0/24 dev ${dev} proto 202`;
  const plan = (there: string, lines: readonly string[], keep = false) =>
    planWords(
      staticRoute.definition.present(
        { routes: parseRoutes(there), kept: list(...lines) },
        { name: "peers", routes: [{ to: "192.168.200.0/24", dev: "wg1" }], keep },
      ),
    );
  test.each<[string, ReturnType<typeof plan>, string[]]>([
    ["that is there already", plan(`${by("wg1")} scope link`, [by("wg1")]), []],
    [
      "which is gone with its interface",
      plan("default via 10.0.0.1 dev eth0", [by("wg1")]),
      ["routes peers: 1 missing: 192.168.200.0/24 → 192.168.200.0/24 dev wg1"],
    ],
    [
      "in place of another interface, also where the list is only added to",
      plan(`${by("wg0")} scope link`, [by("wg0")], true),
      ["routes peers: 192.168.200.0/24 dev wg0 proto 202 scope link → 192.168.200.0/24 dev wg1"],
    ],
    [
      "in place of a host's address",
      plan(ours, [line]),
      [`routes peers: ${ours} → 192.168.200.0/24 dev wg1`],
    ],
  ])("%s", (_, found, expected) => expect(found).toEqual(expected));

  test("a route that leads nowhere is no parameter", () => {
    expect(() => staticRoute({ name: "peers", routes: [{ to: "192.168.200.0/24" }] })).toThrow();
  });
});

describe("a list that is only added to", () => {
  const via = (to: string, hop: string) => `${to} via ${hop} proto 202`;
  const plan = (to: string, hop: string, there: string, ...lines: readonly string[]) => {
    const state = { routes: parseRoutes(there), kept: list(...lines) };
    const steps = staticRoute.definition.present(state, {
      name: "peers",
      routes: [{ to, via: hop }],
      keep: true,
    }) as readonly Step[];
    return steps.flatMap(({ perform }) =>
      [...perform.text.matchAll(/(\S+ via \S+) proto 202/g)].map(([, r]) => r),
    );
  };
  const docker0 = "192.168.200.0/24 dev docker0 proto kernel scope link src 192.168.200.1";

  test.each<[string, ReturnType<typeof plan>, string[]]>([
    [
      "has the peer's new subnet beside its old one",
      plan("192.168.210.0/24", "10.0.0.201", ours, line),
      ["'192.168.210.0/24 via 10.0.0.201", "192.168.200.0/24 via 10.0.0.201"],
    ],
    [
      "needs nothing more once it has both",
      plan(
        "192.168.210.0/24",
        "10.0.0.201",
        `${ours}\n192.168.210.0/24 via 10.0.0.201 dev eth0 proto 202`,
        via("192.168.210.0/24", "10.0.0.201"),
        line,
      ),
      [],
    ],
    [
      "is left alone where a peer is to get another peer's subnet",
      plan("192.168.200.0/24", "10.0.0.9", ours, line),
      [],
    ],
    ["nor part of it", plan("192.168.200.128/25", "10.0.0.9", ours, line), []],
    ["nor the host's own", plan("192.168.200.0/25", "10.0.0.9", docker0), []],
    [
      "is mended where somebody led its route elsewhere",
      plan("192.168.200.0/24", "10.0.0.201", ours.replace("10.0.0.201", "10.0.0.7"), line),
      ["'192.168.200.0/24 via 10.0.0.201"],
    ],
  ])("%s", (_, found, expected) => {
    expect(found.map((r) => r?.replace(/^'/, ""))).toEqual(expected.map((r) => r.replace(/^'/, "")));
  });
});

test("a route whose link is down is still that route", () => {
  const routes = parseRoutes(`${ours} linkdown `);
  expect(staticRoute.definition.present({ routes, kept }, wanted)).toEqual([]);
});

test("of many, four are named", () => {
  const routes = Array.from({ length: 199 }, (_, i) => ({ to: `10.1.${i}.0/24`, via: `10.0.0.${i}` }));
  const [words] = planWords(
    staticRoute.definition.present({ routes: [], kept: keptNothing }, { name: "peers", routes }),
  );
  expect(words).toBe(
    "routes peers: — → 199 to 10.1.0.0/24, 10.1.1.0/24, 10.1.2.0/24, 10.1.3.0/24, and 195 more",
  );
});

describe("IPv6", () => {
  const six = { name: "peers6", routes: [{ to: "fd00:30:200::/64", via: "fd00:10::201" }] };
  const line6 = "fd00:30:200::/64 via fd00:10::201 proto 202";
  const kept6 = { enabled: true, files: new Map([["peers6-123", [line6]]]) };
  const plan6 = (routes: string, over = {}) =>
    planWords(
      staticRoute.definition.present({ routes: parseRoutes(routes), kept: kept6 }, { ...six, ...over }),
    );

  test.each([
    ["there", "fd00:30:200::/64 via fd00:10::201 dev eth0 proto 202 metric 1024 pref medium", []],
    [
      "lost",
      "fd00:10::/64 dev eth0 proto kernel metric 256 pref medium",
      ["routes peers6: 1 missing: fd00:30:200::/64 → fd00:30:200::/64 via fd00:10::201"],
    ],
    [
      "left by a Docker that had the subnet",
      "fd00:30:200::/64 dev docker0 metric 1024 linkdown pref medium",
      ["routes peers6: fd00:30:200::/64 dev docker0 → fd00:30:200::/64 via fd00:10::201"],
    ],
    [
      "with a metric of somebody's",
      "fd00:30:200::/64 via fd00:10::201 dev eth0 proto 202 metric 50 pref medium",
      [
        "routes peers6: fd00:30:200::/64 via fd00:10::201 dev eth0 proto 202 metric 50 → fd00:30:200::/64 via fd00:10::201",
      ],
    ],
  ])("a route that is %s", (_, routes, steps) => expect(plan6(routes)).toEqual(steps));

  test("one of a routing daemon is not replaced", () => {
    expect(() => plan6("fd00:30:200::/64 via fd00:10::9 dev eth0 proto bird metric 32 pref medium")).toThrow(
      /is not replaced: it is of bird/,
    );
  });

  test("a single address is shown without its length", () => {
    const routes = [{ to: "fd00:30:200::7/128", via: "fd00:10::201" }];
    expect(
      planWords(
        staticRoute.definition.present(
          {
            routes: parseRoutes("fd00:30:200::7 via fd00:10::201 dev eth0 proto 202 metric 1024 pref medium"),
            kept: keptLines("fd00:30:200::7/128 via fd00:10::201 proto 202"),
          },
          { name: "peers6", routes },
        ),
      ),
    ).toEqual([]);
  });
});
