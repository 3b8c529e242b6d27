import { expect, test } from "vitest";
import { parseRoutes } from "../../src/host/tools/ip.ts";
import { staticRoute } from "../../tasks/static-route.ts";
import { planWords } from "./words.ts";

const kept = { enabled: true, lines: ["192.168.200.0/24 via 10.0.0.201 proto 202"] };
const wanted = { to: "192.168.200.0/24", via: "10.0.0.201" };
const ours = "192.168.200.0/24 via 10.0.0.201 dev eth0 proto 202";

test.each([
  ["no route", "default via 10.0.0.1 dev eth0", kept, ["route 192.168.200.0/24: — → via 10.0.0.201"]],
  ["nothing, when it is there and comes back", ours, kept, []],
  [
    "a route through another host",
    "192.168.200.0/24 via 10.0.0.20 dev eth0 proto 202",
    kept,
    ["route 192.168.200.0/24: via 10.0.0.20 dev eth0 proto 202 → via 10.0.0.201"],
  ],
  [
    "one typed by hand, which no reboot survives",
    "192.168.200.0/24 via 10.0.0.201 dev eth0",
    kept,
    ["route 192.168.200.0/24: via 10.0.0.201 dev eth0 → via 10.0.0.201"],
  ],
  [
    "a second one beside it",
    `${ours}\n192.168.200.0/24 via 10.0.0.9 dev eth0 metric 50`,
    kept,
    [
      "route 192.168.200.0/24: via 10.0.0.201 dev eth0 proto 202; via 10.0.0.9 dev eth0 metric 50 → via 10.0.0.201",
    ],
  ],
  [
    "one that would not come back",
    ours,
    { enabled: true, lines: [] },
    ["route 192.168.200.0/24: via 10.0.0.201 dev eth0 proto 202, gone after a reboot → via 10.0.0.201"],
  ],
  [
    "one whose unit is disabled",
    ours,
    { ...kept, enabled: false },
    ["route 192.168.200.0/24: via 10.0.0.201 dev eth0 proto 202, gone after a reboot → via 10.0.0.201"],
  ],
])("%s", (_name, routes, keptNow, expected) => {
  expect(
    planWords(staticRoute.definition.present({ routes: parseRoutes(routes), kept: keptNow }, wanted)),
  ).toEqual(expected);
});

test("a route whose link is down is still that route", () => {
  const routes = parseRoutes(`${ours} linkdown `);
  expect(staticRoute.definition.present({ routes, kept }, wanted)).toEqual([]);
});
