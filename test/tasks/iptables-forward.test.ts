import { expect, test } from "vitest";
import { parseRules } from "../../src/host/tools/iptables.ts";
import type { Step } from "../../src/task/step.ts";
import { iptablesForward } from "../../tasks/iptables-forward.ts";
import { keptLines, keptNothing } from "./firewall.ts";
import { planWords } from "./words.ts";

const own = "192.168.100.0/24";
const wanted = { own, peers: ["192.168.200.0/24", "192.168.201.0/24"], comment: "causeway:test" };
const chain = "CAUSEWAY-FORWARD";
const within = `-A ${chain} -s ${own} -d ${own} -j RETURN`;
const into = `-A ${chain} -s 192.168.200.0/23 -d ${own} -j ACCEPT`;
const out = `-A ${chain} -s ${own} -d 192.168.200.0/23 -j ACCEPT`;
const filterChain = [within, into, out];
const natChain = [within, out];
const lines = (table: string, rules: readonly string[]) =>
  [`*${table}`, `:${chain} - [0:0]`, ...rules, "COMMIT"].join("\n");
const chains = keptLines(lines("filter", filterChain), lines("nat", natChain));
const kept = keptLines(
  `filter -I DOCKER-USER -m comment --comment causeway:test -j ${chain}`,
  `nat -I POSTROUTING -m comment --comment causeway:test -j ${chain}`,
);

const way = `-m comment --comment "causeway:test" -j ${chain}`;
const masquerade = "-A POSTROUTING -s 192.168.100.0/24 ! -o docker0 -j MASQUERADE";
const filter = (rules: readonly string[], chains = `:DOCKER-USER - [0:0]\n:${chain} - [0:0]`) =>
  ["*filter", chains, ...rules, "COMMIT"].join("\n");
const nat = (rules: readonly string[], chains = `:${chain} - [0:0]`) =>
  ["*nat", chains, ...rules, "COMMIT"].join("\n");
const all = [
  filter([`-A DOCKER-USER ${way}`, "-A DOCKER-USER -j RETURN", ...filterChain]),
  nat([`-A POSTROUTING ${way}`, masquerade, ...natChain]),
].join("\n");

const newChains = [`chain filter ${chain}: — → 3 rules`, `chain nat ${chain}: — → 2 rules`];
const inFilter = (name = "DOCKER-USER") => `rule filter ${name} -j ${chain}: — → first in its chain`;
const inNat = `rule nat POSTROUTING -j ${chain}: — → first in its chain`;

test.each([
  [
    "a host with Docker's own rules",
    [filter(["-A DOCKER-USER -j RETURN"], ":DOCKER-USER - [0:0]"), nat([masquerade], "")],
    [...newChains, inFilter(), inNat],
  ],
  ["nothing, when all are in place", [all], []],
  [
    "a rule that was deleted from the chain by hand, only that chain",
    [all.replace(`${into}\n`, "")],
    [`chain filter ${chain}: other rules (2) → 3 rules`],
  ],
  [
    "one that slipped behind Docker's masquerading",
    [all.replace(`-A POSTROUTING ${way}\n${masquerade}`, `${masquerade}\n-A POSTROUTING ${way}`)],
    [inNat],
  ],
  [
    "a DROP in front of ours",
    [all.replace("-A DOCKER-USER -m", "-A DOCKER-USER -j DROP\n-A DOCKER-USER -m")],
    [inFilter()],
  ],
  [
    "a Docker without DOCKER-USER",
    [filter([], ":FORWARD DROP [0:0]"), nat([masquerade], "")],
    [...newChains, inFilter("FORWARD"), inNat],
  ],
])("%s", (_name, saved, expected) => {
  const state = { rules: parseRules(saved.join("\n")), chains, kept, forwarding: "1" };
  expect(planWords(iptablesForward.definition.present(state, wanted))).toEqual(expected);
});

test("the rules are as few as the peers' subnets can be written in, and one pair for a network of all", () => {
  const state = { rules: parseRules(""), chains: keptNothing, kept: keptNothing, forwarding: "1" };
  const many = Array.from({ length: 64 }, (_, i) => `10.1.${i}.0/24`);
  const count = (peers: readonly string[]) =>
    planWords(
      iptablesForward.definition.present(state, { own: "10.1.64.0/24", peers: [...peers], comment: "c" }),
    )[0];
  expect(count(many)).toBe(`chain filter ${chain}: — → 3 rules`);
  expect(count(["10.1.0.0/16"])).toBe(`chain filter ${chain}: — → 3 rules`);
  expect(count(many.slice(1))).toBe(`chain filter ${chain}: — → 13 rules`);
});

test("rules for the old subnets stay beside the new ones where they are only added, and then go", () => {
  const moved = { ...wanted, own: "192.168.101.0/24", peers: ["192.168.200.0/24", "192.168.202.0/24"] };
  // A host that has changed calls one that has not, and the other way round.
  const owns = ["192.168.101.0/24", own];
  const nets = ["192.168.200.0/23", "192.168.202.0/24"];
  const both = [
    ...owns.map((one) => `-s ${one} -d ${one} -j RETURN`),
    ...owns.flatMap((one) => nets.map((net) => `-s ${net} -d ${one} -j ACCEPT`)),
    ...owns.flatMap((one) => nets.map((net) => `-s ${one} -d ${net} -j ACCEPT`)),
  ].map((rule) => `-A ${chain} ${rule}`);
  const state = { rules: parseRules(all), chains, kept, forwarding: "1" };
  const [step] = iptablesForward.definition.present(state, { ...moved, keep: true }) as readonly Step[];
  expect(step?.perform.text).toContain(both.join("\n"));

  const inBoth = both.filter((rule) => rule.includes("RETURN") || /-s 192.168.10[01]/.test(rule));
  const then = {
    rules: parseRules(
      [
        filter([`-A DOCKER-USER ${way}`, ...both]),
        nat([`-A POSTROUTING ${way}`, masquerade, ...inBoth]),
      ].join("\n"),
    ),
    chains: keptLines(lines("filter", both), lines("nat", inBoth)),
    kept,
    forwarding: "1",
  };
  expect(iptablesForward.definition.present(then, { ...moved, keep: true })).toEqual([]);
  const words = (given: typeof wanted) => planWords(iptablesForward.definition.present(then, given));
  expect(words(moved)).toEqual([
    `chain filter ${chain}: other rules (10) → 5 rules`,
    `chain nat ${chain}: other rules (6) → 3 rules`,
  ]);
});

test("what would not come back at boot is put in again", () => {
  const state = { rules: parseRules(all), chains: keptLines(), kept: keptLines(), forwarding: "1" };
  expect(planWords(iptablesForward.definition.present(state, wanted))).toEqual([
    `chain filter ${chain}: 3 rules, gone after a reboot → 3 rules`,
    `chain nat ${chain}: 2 rules, gone after a reboot → 2 rules`,
    inFilter(),
    inNat,
  ]);
});

test("forwarding that is off is switched on", () => {
  const state = { rules: parseRules(all), chains, kept, forwarding: "0" };
  expect(planWords(iptablesForward.definition.present(state, wanted))).toEqual([
    "sysctl net.ipv4.ip_forward: 0 → 1",
  ]);
});

test("a host without iptables is an error that says what to install", () => {
  const state = { rules: parseRules("missing"), chains, kept, forwarding: "1" };
  expect(() => iptablesForward.definition.present(state, wanted)).toThrow(/not installed/);
});
