import { describe, expect, test } from "vitest";
import { parseRules } from "../../src/host/tools/iptables.ts";
import type { Step } from "../../src/task/step.ts";
import { iptablesForward } from "../../tasks/iptables-forward.ts";
import { fileWith, noFile } from "./files.ts";
import { keptLines, keptNothing } from "./firewall.ts";
import { unit } from "./flannel-host.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof iptablesForward.definition.present>[0];

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
/** What leads to Docker's own chain, whose place its restart keeps. */
const led = "-A FORWARD -j DOCKER-USER";
const daemon = "/etc/docker/daemon.json";
const host = (saved: string, over: Partial<State> = {}): State => ({
  rules: parseRules(saved),
  other: undefined,
  docker: { state: "running", version: "20.10.5", networks: [], containers: [] },
  unit: unit("docker.service", { commandLine: "/usr/sbin/dockerd -H fd://" }),
  config: noFile(daemon),
  chains,
  kept,
  forwarding: { running: "1", files: [] },
  ...over,
});
const plan = (state: State, over: Partial<typeof wanted & { keep: boolean }> = {}) =>
  planWords(iptablesForward.definition.present(state, { ...wanted, ...over }));
const filter = (rules: readonly string[], chains = `:DOCKER-USER - [0:0]\n:${chain} - [0:0]`) =>
  ["*filter", chains, ...rules, "COMMIT"].join("\n");
const nat = (rules: readonly string[], chains = `:${chain} - [0:0]`) =>
  ["*nat", chains, ...rules, "COMMIT"].join("\n");
const all = [
  filter([led, `-A DOCKER-USER ${way}`, "-A DOCKER-USER -j RETURN", ...filterChain]),
  nat([`-A POSTROUTING ${way}`, masquerade, ...natChain]),
].join("\n");

const newChains = [`chain filter ${chain}: — → 3 rules`, `chain nat ${chain}: — → 2 rules`];
const inFilter = (name = "DOCKER-USER") => `rule filter ${name} -j ${chain}: — → first in its chain`;
const inNat = `rule nat POSTROUTING -j ${chain}: — → first in its chain`;

test.each([
  [
    "a host with Docker's own rules",
    [filter([led, "-A DOCKER-USER -j RETURN"], ":DOCKER-USER - [0:0]"), nat([masquerade], "")],
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
])("%s", (_name, saved, expected) => {
  expect(plan(host(saved.join("\n")))).toEqual(expected);
});

test("the rules are as few as the peers' subnets can be written in, and one pair for a network of all", () => {
  const state = host("", { chains: keptNothing, kept: keptNothing });
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
  const state = host(all);
  const [step] = iptablesForward.definition.present(state, { ...moved, keep: true }) as readonly Step[];
  expect(step?.perform.text).toContain(both.join("\n"));

  const inBoth = both.filter((rule) => rule.includes("RETURN") || /-s 192.168.10[01]/.test(rule));
  const then = host(
    [
      filter([led, `-A DOCKER-USER ${way}`, ...both]),
      nat([`-A POSTROUTING ${way}`, masquerade, ...inBoth]),
    ].join("\n"),
    { chains: keptLines(lines("filter", both), lines("nat", inBoth)) },
  );
  expect(iptablesForward.definition.present(then, { ...moved, keep: true })).toEqual([]);
  const words = (given: typeof wanted) => planWords(iptablesForward.definition.present(then, given));
  expect(words(moved)).toEqual([
    `chain filter ${chain}: other rules (10) → 5 rules`,
    `chain nat ${chain}: other rules (6) → 3 rules`,
  ]);
});

test("what would not come back at boot is put in again", () => {
  expect(plan(host(all, { chains: keptLines(), kept: keptLines() }))).toEqual([
    `chain filter ${chain}: 3 rules, gone after a reboot → 3 rules`,
    `chain nat ${chain}: 2 rules, gone after a reboot → 2 rules`,
    inFilter(),
    inNat,
  ]);
});

describe("the switch for forwarding", () => {
  const set = (...lines: [path: string, value: string][]) => lines.map(([path, value]) => ({ path, value }));

  test("is switched on", () => {
    expect(plan(host(all, { forwarding: { running: "0", files: [] } }))).toEqual([
      "sysctl net.ipv4.ip_forward: 0 → 1",
    ]);
  });

  test("stays on where an earlier file would switch it off at the next boot", () => {
    const files = set(["/etc/sysctl.d/10-net.conf", "0"]);
    expect(plan(host(all, { forwarding: { running: "1", files } }))).toEqual([
      "sysctl net.ipv4.ip_forward: 1, and 0 by /etc/sysctl.d/10-net.conf → 1",
    ]);
  });

  test("is somebody's where a file behind ours switches it off, whatever runs now", () => {
    for (const path of ["/etc/sysctl.d/99-cis.conf", "/usr/lib/sysctl.d/95-x.conf", "/etc/sysctl.conf"])
      for (const running of ["0", "1"])
        expect(() =>
          plan(
            host(all, {
              forwarding: { running, files: set(["/etc/sysctl.d/10-net.conf", "1"], [path, "0"]) },
            }),
          ),
        ).toThrow(`${path} would overrule net.ipv4.ip_forward = 1`);
  });

  test("is on by a file behind ours: nothing is missing", () => {
    const files = set(["/etc/sysctl.d/10-net.conf", "0"], ["/etc/sysctl.d/99-cis.conf", "1"]);
    expect(plan(host(all, { forwarding: { running: "1", files } }))).toEqual([]);
  });
});

describe("Docker's own rules", () => {
  const flushed = all.replace(`${led}\n`, "");
  const lost = "Docker's rules, which were flushed";
  const why = "nothing leads to DOCKER-USER";
  const inForward = [
    inFilter("FORWARD"),
    `rule filter DOCKER-USER -m comment --comment causeway:test -j ${chain}: present → —`,
  ];
  const off = { config: fileWith(daemon, '{"iptables": false}') };

  test.each<[string, State, string[]]>([
    [
      "flushed: a restart is owed, which brings them back",
      host(flushed),
      [`owed: restart docker (${lost}: ${why})`],
    ],
    [
      "behind a rule that ends every packet",
      host(all.replace(led, `-A FORWARD -j DROP\n${led}`)),
      [`owed: restart docker (${lost}: ${why})`],
    ],
    [
      "gone with their chains: ours is asked at once, and the restart is owed",
      host(flushed.replace(":DOCKER-USER - [0:0]\n", "").replaceAll(/-A DOCKER-USER.*\n/g, "")),
      [...inForward, `owed: restart docker (${lost}: DOCKER-USER is gone)`],
    ],
    [
      "flushed, with a Docker that is stopped: it makes them when it starts",
      host(flushed, { docker: { ...host(all).docker, state: "stopped", version: "" } }),
      [],
    ],
    [
      "flushed, and Docker is to make none: ours is in FORWARD, and nothing names a chain that goes",
      host(flushed, off),
      inForward,
    ],
    [
      "the same by a flag",
      host(flushed, { unit: unit("docker.service", { commandLine: "dockerd --iptables=false" }) }),
      inForward,
    ],
    ["not made any more, and still there", host(all, off), []],
  ])("%s", (_name, state, expected) => {
    expect(plan(state)).toEqual(expected);
  });

  test("what only adds restarts nothing, and takes nothing away", () => {
    expect(plan(host(flushed), { keep: true })).toEqual([]);
    expect(plan(host(flushed, off), { keep: true })).toEqual([inFilter("FORWARD")]);
  });
});

describe("the other iptables", () => {
  const other = (...rules: string[]): State["other"] => ({
    tool: "iptables-legacy",
    rules: parseRules(["*filter", ...rules].join("\n")),
  });

  test.each<[string, State["other"], RegExp | undefined]>([
    [
      "with rules of ours",
      other(`-A DOCKER-USER ${way}`),
      /^rules of causeway's are in the other iptables of this host, iptables-legacy/,
    ],
    [
      "closed by Docker of before",
      other(":FORWARD DROP [0:0]", ":DOCKER-USER - [0:0]", "-A FORWARD -i docker0 -j ACCEPT"),
      /^the other iptables of this host, iptables-legacy, drops what is forwarded/,
    ],
    ["closed, with no way through", other(":FORWARD DROP [0:0]"), /drops what is forwarded/],
    [
      "closed by a rule",
      other(":FORWARD ACCEPT [0:0]", "-A FORWARD -j REJECT --reject-with icmp-host-prohibited"),
      /drops what is forwarded/,
    ],
    [
      "closed, with rules of somebody's: the proof tells",
      other(":FORWARD DROP [0:0]", "-A FORWARD -s 192.168.0.0/16 -j ACCEPT"),
      undefined,
    ],
    ["there, and open", other(":FORWARD ACCEPT [0:0]", "-A INPUT -s 10.9.9.9/32 -j DROP"), undefined],
  ])("%s", (_name, tables, refusal) => {
    const planned = () => plan(host(all, { other: tables }));
    if (refusal) expect(planned).toThrow(refusal);
    else expect(planned()).toEqual([]);
  });
});

test("a host without iptables is an error that says what to install", () => {
  expect(() => plan(host("missing"))).toThrow(/not installed/);
});

describe("IPv6", () => {
  const own6 = "fd00:30:100::/64";
  const peer6 = "fd00:30:200::/64";
  const filter6 = [
    `-A ${chain} -s ${own6} -d ${own6} -j RETURN`,
    `-A ${chain} -s ${peer6} -d ${own6} -j ACCEPT`,
    `-A ${chain} -s ${own6} -d ${peer6} -j ACCEPT`,
  ];
  const nat6 = [filter6[0] ?? "", filter6[2] ?? ""];
  const keptIn = (where: string) =>
    keptLines(
      `ip6:filter -I ${where} -m comment --comment causeway:test -j ${chain}`,
      `ip6:nat -I POSTROUTING -m comment --comment causeway:test -j ${chain}`,
    );
  const host6 = (saved: string, over: Partial<State> = {}) =>
    host("", {
      rules: parseRules(saved, 6),
      kept: keptIn("DOCKER-USER"),
      chains: keptLines(lines("ip6:filter", filter6), lines("ip6:nat", nat6)),
      docker: { state: "running", version: "28.5.2", networks: [], containers: [] },
      ...over,
    });
  const plan6 = (state: State) => plan(state, { own: own6, peers: [peer6] });
  const inPlace = [
    filter([led, `-A DOCKER-USER ${way}`, ...filter6]),
    nat([`-A POSTROUTING ${way}`, ...nat6]),
  ].join("\n");
  const chains6 = [`chain ip6:filter ${chain}: — → 3 rules`, `chain ip6:nat ${chain}: — → 2 rules`];
  const inNat6 = `rule ip6:nat POSTROUTING -j ${chain}: — → first in its chain`;
  const docker26 = { state: "running", version: "26.1.5", networks: [], containers: [] } as const;

  test.each<[string, State, string[]]>([
    ["nothing, when all are in place", host6(inPlace), []],
    [
      "a host with Docker's own rules",
      host6(filter([led], ":DOCKER-USER - [0:0]")),
      [...chains6, `rule ip6:filter DOCKER-USER -j ${chain}: — → first in its chain`, inNat6],
    ],
    [
      "a Docker that has none of its own in ip6tables",
      host6("", { docker: docker26, kept: keptNothing }),
      [...chains6, `rule ip6:filter FORWARD -j ${chain}: — → first in its chain`, inNat6],
    ],
    [
      "a host that does not forward",
      host6(inPlace, { forwarding: { running: "0", files: [] } }),
      ["sysctl net.ipv6.conf.all.forwarding: 0 → 1"],
    ],
    [
      "flushed, by the Docker that made them",
      host6(inPlace.replace(`${led}\n`, "")),
      [
        "owed: restart docker (Docker's rules of ip6tables, which were flushed: nothing leads to DOCKER-USER)",
      ],
    ],
  ])("%s", (_, state, steps) => expect(plan6(state)).toEqual(steps));

  test("it is another task than that of IPv4", () => {
    const keys = [own, own6].map((one) => iptablesForward.definition.key({ ...wanted, own: one }));
    expect(new Set(keys).size).toBe(2);
  });

  test("a host without ip6tables is an error that says so", () => {
    expect(() => plan6(host("", { rules: parseRules("missing", 6) }))).toThrow(/^ip6tables is not installed/);
  });
});
