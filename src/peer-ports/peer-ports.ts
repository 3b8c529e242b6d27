import { CausewayError } from "../errors.ts";
import { isKept, type Kept, type Reader } from "../host/reader.ts";
import { canonicalRule, type OtherIptables, type Rule, type Rules, rulesIn } from "../host/tools/iptables.ts";
import { type Runner, readRunner } from "../host/tools/runner.ts";
import { missingChain } from "../kinds/chain/chain.ts";
import { keptRule, noRule, type RuleStep, rule, ruleWords } from "../kinds/rule/rule.ts";
import { refuseOtherIptables } from "../other-iptables/other-iptables.ts";
import type { Step } from "../task/step.ts";

/** Ports of this host that only some addresses may reach, and itself. */
export interface PeerPorts {
  tcp?: readonly number[];
  udp?: readonly number[];
  from: readonly string[];
  /** Who owns the rules. */
  comment: string;
}

/** What there is of iptables, and what of it comes back at boot. */
export interface Firewall {
  rules: Rules;
  /** Those of the other backend of iptables. */
  other?: OtherIptables | undefined;
  kept: Kept;
  chains: Kept;
  runner?: Runner | undefined;
}

export async function readFirewall(host: Reader): Promise<Firewall> {
  const [rules, other, kept, chains, runner] = await Promise.all([
    host.rules(),
    host.otherRules(),
    host.kept("rules"),
    host.kept("chains"),
    readRunner(host),
  ]);
  return { rules, other, kept, chains, runner };
}

/**
 * The steps that are missing: a chain with a rule for each address and a last one that closes, then the rules that lead to
 * it, one a protocol. The ports are closed to all others before they are open to anyone. What earlier versions had in
 * INPUT itself, a rule for each address, goes after that.
 */
export function missingPortRules(
  { rules, other, kept, chains, runner }: Firewall,
  wanted: PeerPorts,
): Step[] {
  refuseOtherIptables(other);
  refuseOwnWay(runner, wanted);
  const { tcp = [], udp = [], from, comment } = wanted;
  const name = `CAUSEWAY-PORT-${[...tcp, ...udp][0]}`;
  const ports = Object.entries({ tcp, udp })
    .filter(([, numbers]) => numbers.length > 0)
    .map(([protocol, numbers]) => `-p ${protocol} -m multiport --dports ${numbers.join(",")}`);
  // Sorted: another order of the inventory changes nothing.
  const sources = ["127.0.0.0/8", ...[...from].sort().map((address) => `${address}/32`)];
  const inside = [...sources.map((source) => `-s ${source} -j ACCEPT`), "-j DROP"];
  const ways = ports.map(
    (port): RuleStep => ({
      table: "filter",
      chain: "INPUT",
      spec: `${port} -j ${name}`,
      comment,
      place: "first",
    }),
  );
  const there = rulesIn(rules, "filter", "INPUT");
  // One behind a rule that ends every packet is never asked.
  const end = there.findIndex(({ spec }) => /^-j (ACCEPT|DROP|REJECT|RETURN)\b/.test(spec));
  const asked = end < 0 ? there : there.slice(0, end);
  const stands = (way: RuleStep) =>
    asked.some(({ spec }) => canonicalRule(spec) === canonicalRule(ruleWords(way.spec, comment)));
  return [
    ...missingChain(rules, chains, { table: "filter", name, rules: inside }),
    ...ways.filter((way) => !stands(way) || !isKept(kept, keptRule(way))).map(rule),
    ...former(there, kept, comment, ports),
  ];
}

/** The port by which this run reaches the host would be closed to it. */
function refuseOwnWay(runner: Runner | undefined, { tcp = [], from }: PeerPorts): void {
  if (!runner || !tcp.includes(runner.port)) return;
  if (from.includes(runner.address) || runner.address.startsWith("127.")) return;
  throw new CausewayError("host", "the rules would close the port by which this run reaches the host", {
    found: `this run comes from ${runner.address} to port ${runner.port}, and the rules let only these in: ${from.join(", ")}`,
    expected: `another port than ${runner.port} for SSH, or ${runner.address} among the addresses that may reach it`,
    advice: `let sshd listen on another port (Port in /etc/ssh/sshd_config), and give it as ansible_port`,
  });
}

/** As earlier versions put them; one that has left the chain may still come back at boot. */
function former(there: readonly Rule[], kept: Kept, comment: string, ports: readonly string[]): Step[] {
  const words = ` -m comment --comment ${comment} `;
  const specs = [
    ...there.map(({ spec }) => spec),
    ...[...kept.files.values()].flatMap(([line = ""]) => /^filter -I INPUT (.*)$/.exec(line)?.[1] ?? []),
  ].map(canonicalRule);
  const ours = new Set(specs.filter((spec) => spec.includes(words)).map((spec) => spec.replace(words, " ")));
  const wanted = new Set(ports.flatMap((port) => [`${port} -j DROP`, `${port} -j ACCEPT`]));
  return [...ours]
    .filter((spec) => wanted.has(spec.replace(/^-s \S+ /, "")))
    .map((spec) => noRule({ table: "filter", chain: "INPUT", spec: ruleWords(spec, comment) }));
}
