import { describe, expect, test } from "vitest";
import { parseRules } from "../../src/host/tools/iptables.ts";
import { peerPorts } from "../../tasks/peer-ports.ts";
import { closedPorts, keptLines, noFirewall, openFirewall } from "./firewall.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof peerPorts.definition.present>[0];

const wanted = { tcp: [2375], from: ["10.0.0.201"], comment: "causeway:api" };
const plan = (state: State) => planWords(peerPorts.definition.present(state, wanted));
const port = "-p tcp -m multiport --dports 2375";
const closed = closedPorts("CAUSEWAY-PORT-2375", ["10.0.0.201/32"], [port], "causeway:api");

describe("peer-ports: state read → exact steps", () => {
  test("the chain with this host, those who may reach it and the end, then what leads to it", () => {
    expect(plan(openFirewall)).toEqual([
      "chain filter CAUSEWAY-PORT-2375: — → 3 rules",
      `rule filter INPUT ${port} -j CAUSEWAY-PORT-2375: — → first in its chain`,
    ]);
  });

  test("a constant number of steps and rules in INPUT, however many may reach it", () => {
    const from = Array.from({ length: 200 }, (_, i) => `10.0.1.${i}`);
    expect(planWords(peerPorts.definition.present(openFirewall, { ...wanted, from }))).toEqual([
      "chain filter CAUSEWAY-PORT-2375: — → 202 rules",
      `rule filter INPUT ${port} -j CAUSEWAY-PORT-2375: — → first in its chain`,
    ]);
  });

  test("ports of UDP, alone and beside those of TCP: the same chain, a way each", () => {
    const swarm = { tcp: [2377, 7946], udp: [7946, 4789], from: wanted.from, comment: "causeway:swarm" };
    expect(planWords(peerPorts.definition.present(openFirewall, swarm))).toEqual([
      "chain filter CAUSEWAY-PORT-2377: — → 3 rules",
      "rule filter INPUT -p tcp -m multiport --dports 2377,7946 -j CAUSEWAY-PORT-2377: — → first in its chain",
      "rule filter INPUT -p udp -m multiport --dports 7946,4789 -j CAUSEWAY-PORT-2377: — → first in its chain",
    ]);
    const { udp, from, comment } = swarm;
    expect(planWords(peerPorts.definition.present(openFirewall, { udp, from, comment }))).toEqual([
      "chain filter CAUSEWAY-PORT-7946: — → 3 rules",
      "rule filter INPUT -p udp -m multiport --dports 7946,4789 -j CAUSEWAY-PORT-7946: — → first in its chain",
    ]);
  });

  test("in place", () => {
    expect(plan(closed.firewall)).toEqual([]);
  });

  test("behind a rule that ends every packet it is never asked: put in front again", () => {
    const { rules } = closed.firewall;
    const [way, ...others] = rules.rules;
    const blanket = { table: "filter", chain: "INPUT", spec: "-j ACCEPT" };
    const behind = { ...rules, rules: [blanket, ...(way ? [way] : []), ...others] };
    expect(plan({ ...closed.firewall, rules: behind })).toEqual([
      `rule filter INPUT ${port} -j CAUSEWAY-PORT-2375: — → first in its chain`,
    ]);
  });

  test("rules of ours in the other iptables would still decide: refused", () => {
    const other = {
      tool: "iptables-nft" as const,
      rules: parseRules("*filter\n:CAUSEWAY-PORT-2375 - [0:0]\n-A CAUSEWAY-PORT-2375 -j DROP"),
    };
    expect(() => plan({ ...closed.firewall, other })).toThrow(
      /^rules of causeway's are in the other iptables of this host, iptables-nft/,
    );
  });

  test.each([
    ["the port of SSH, for others only", { address: "10.0.0.9", port: 2375 }, true],
    ["and for where this run comes from", { address: "10.0.0.201", port: 2375 }, false],
    ["on the host itself", { address: "127.0.0.1", port: 2375 }, false],
    ["another port than SSH's", { address: "10.0.0.9", port: 22 }, false],
  ])("%s: refused is only what would cut this run off", (_, runner, refused) => {
    const planned = () => plan({ ...openFirewall, runner });
    if (refused)
      expect(planned).toThrow(/^the rules would close the port by which this run reaches the host/);
    else expect(planned()).toHaveLength(2);
  });

  test("in place, whatever order the inventory has its hosts in", () => {
    const from = ["10.0.0.203", "10.0.0.201", "10.0.0.202"];
    const sorted = [...from].sort().map((address) => `${address}/32`);
    const { firewall } = closedPorts("CAUSEWAY-PORT-2375", sorted, [port], "causeway:api");
    expect(planWords(peerPorts.definition.present(firewall, { ...wanted, from }))).toEqual([]);
  });

  test("the rules of an earlier version go once the chain decides, also one that would only come back at boot", () => {
    const comment = "-m comment --comment causeway:api";
    const specs = [
      `-s 10.0.0.9/32 ${port} ${comment} -j ACCEPT`,
      `-s 127.0.0.0/8 ${port} ${comment} -j ACCEPT`,
      `${port} ${comment} -j DROP`,
    ];
    const others = [`-s 10.0.0.9/32 ${port} -j ACCEPT`, `-s 10.0.0.9/32 -p tcp ${comment} -j ACCEPT`];
    const [gone = "", ...standing] = specs;
    const text = [...standing, ...others]
      .map((spec) => `-A INPUT ${spec.replace("causeway:api", '"causeway:api"')}`)
      .join("\n");
    const rules = parseRules(`*filter\n:INPUT ACCEPT [0:0]\n${text}`);
    const kept = keptLines(...[gone, ...standing].map((spec) => `filter -I INPUT ${spec}`));
    expect(plan({ ...openFirewall, rules, kept }).slice(2)).toEqual(
      [...standing, gone].map((spec) => `rule filter INPUT ${spec}: present → —`),
    );
  });

  test("without iptables it is refused", () => {
    expect(() => plan(noFirewall)).toThrow(/iptables is not installed/);
  });
});
