import { expect, test } from "vitest";
import { parseRules } from "../../src/host/tools/iptables.ts";
import { iptablesForward } from "../../tasks/iptables-forward.ts";
import { planWords } from "./words.ts";

const wanted = { own: "192.168.100.0/24", peer: "192.168.200.0/24", comment: "causeway:test" };
const into = "-s 192.168.200.0/24 -d 192.168.100.0/24";
const out = "-s 192.168.100.0/24 -d 192.168.200.0/24";
const mine = '-m comment --comment "causeway:test" -j ACCEPT';
const kept = {
  enabled: true,
  lines: [
    `filter -I DOCKER-USER ${into} -m comment --comment causeway:test -j ACCEPT`,
    `filter -I DOCKER-USER ${out} -m comment --comment causeway:test -j ACCEPT`,
    `nat -I POSTROUTING ${out} -m comment --comment causeway:test -j ACCEPT`,
  ],
};

const filter = (rules: string[], chain = ":DOCKER-USER - [0:0]") =>
  ["*filter", chain, ...rules, "COMMIT"].join("\n");
const nat = (rules: string[]) => ["*nat", ...rules, "COMMIT"].join("\n");
const masquerade = "-A POSTROUTING -s 192.168.100.0/24 ! -o docker0 -j MASQUERADE";
const all = [
  filter([`-A DOCKER-USER ${into} ${mine}`, `-A DOCKER-USER ${out} ${mine}`, "-A DOCKER-USER -j RETURN"]),
  nat([`-A POSTROUTING ${out} ${mine}`, masquerade]),
].join("\n");

const inFilter = (spec: string, chain = "DOCKER-USER") =>
  `rule filter ${chain} ${spec} -j ACCEPT: — → first in its chain`;
const inNat = `rule nat POSTROUTING ${out} -j ACCEPT: — → first in its chain`;

test.each([
  [
    "a host with Docker's own rules",
    [filter(["-A DOCKER-USER -j RETURN"]), nat([masquerade])],
    [inFilter(into), inFilter(out), inNat],
  ],
  ["nothing, when all are in place", [all], []],
  [
    "a rule that was deleted by hand, only that",
    [all.replace(`-A DOCKER-USER ${into} ${mine}\n`, "")],
    [inFilter(into)],
  ],
  [
    "a rule that slipped behind Docker's masquerading",
    [
      all.replace(
        `-A POSTROUTING ${out} ${mine}\n${masquerade}`,
        `${masquerade}\n-A POSTROUTING ${out} ${mine}`,
      ),
    ],
    [inNat],
  ],
  [
    "a DROP in front of ours",
    [all.replace("-A DOCKER-USER -s", "-A DOCKER-USER -j DROP\n-A DOCKER-USER -s")],
    [inFilter(into), inFilter(out)],
  ],
  [
    "somebody else's rule without our comment",
    [all.replaceAll(mine, "-j ACCEPT")],
    [inFilter(into), inFilter(out), inNat],
  ],
  [
    "a Docker without DOCKER-USER",
    [filter([], ":FORWARD DROP [0:0]"), nat([masquerade])],
    [inFilter(into, "FORWARD"), inFilter(out, "FORWARD"), inNat],
  ],
])("%s", (_name, saved, expected) => {
  const rules = parseRules(saved.join("\n"));
  expect(planWords(iptablesForward.definition.present({ rules, kept, forwarding: "1" }, wanted))).toEqual(
    expected,
  );
});

test("rules that would not come back at boot are put in again", () => {
  const rules = parseRules(all);
  const plan = iptablesForward.definition.present(
    { rules, kept: { enabled: true, lines: [] }, forwarding: "1" },
    wanted,
  );
  expect(plan).toHaveLength(3);
});

test("forwarding that is off is switched on", () => {
  const plan = iptablesForward.definition.present({ rules: parseRules(all), kept, forwarding: "0" }, wanted);
  expect(planWords(plan)).toEqual(["sysctl net.ipv4.ip_forward: 0 → 1"]);
});

test("a host without iptables is an error that says what to install", () => {
  expect(() =>
    iptablesForward.definition.present({ rules: parseRules("missing"), kept, forwarding: "1" }, wanted),
  ).toThrow(/not installed/);
});
