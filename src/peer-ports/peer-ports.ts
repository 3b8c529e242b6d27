import type { Kept } from "../host/reader.ts";
import { canonicalRule, type Rules } from "../host/tools/iptables.ts";
import { keptRule, type RuleStep } from "../kinds/rule/rule.ts";

/** Ports of this host that only some addresses may reach, and itself. */
export interface PeerPorts {
  tcp?: readonly number[];
  udp?: readonly number[];
  from: readonly string[];
  /** Who owns the rules. */
  comment: string;
}

/** In the order in which they are put first: those that close, then in front of them those that open. */
function rulesFor({ tcp = [], udp = [], from, comment }: PeerPorts): { close: RuleStep[]; open: RuleStep[] } {
  const rule = (spec: string): RuleStep => ({
    table: "filter",
    chain: "INPUT",
    spec,
    comment,
    place: "first",
  });
  const ports = Object.entries({ tcp, udp })
    .filter(([, numbers]) => numbers.length > 0)
    .map(([protocol, numbers]) => `-p ${protocol} -m multiport --dports ${numbers.join(",")}`);
  const sources = ["127.0.0.0/8", ...from.map((address) => `${address}/32`)];
  return {
    close: ports.map((port) => rule(`${port} -j DROP`)),
    open: ports.flatMap((port) => sources.map((source) => rule(`-s ${source} ${port} -j ACCEPT`))),
  };
}

/**
 * The rules that are missing. At boot rules are put back by the order of their names, in which `-p …` comes before
 * `-s …`: closed first here, too.
 */
export function missingPorts({ rules }: Rules, kept: Kept, wanted: PeerPorts): RuleStep[] {
  const inChain = rules
    .filter((r) => r.table === "filter" && r.chain === "INPUT")
    .map((r) => canonicalRule(r.spec));
  const at = ({ spec, comment }: RuleStep) =>
    inChain.indexOf(canonicalRule(spec.replace(" -j", ` -m comment --comment ${comment} -j`)));
  const comesBack = (rule: RuleStep) => kept.enabled && kept.lines.includes(keptRule(rule));
  const { close, open } = rulesFor(wanted);
  if (close.some((rule) => at(rule) < 0 || !comesBack(rule))) return [...close, ...open];
  const closed = Math.min(...close.map(at));
  return open.filter((rule) => at(rule) < 0 || at(rule) > closed || !comesBack(rule));
}
