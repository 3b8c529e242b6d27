import { isKept, type Kept } from "../../host/reader.ts";
import { sh } from "../../host/sh.ts";
import { canonicalRule, type Rules, rulesIn, type Table } from "../../host/tools/iptables.ts";
import type { Step } from "../../task/step.ts";

export interface RuleStep {
  table: Table;
  chain: string;
  /** The specification in the order and spelling in which `iptables-save` prints it, without the comment. */
  spec: string;
  /** Who owns the rule; it is how it is found again. */
  comment: string;
  /** First in its chain, or last. */
  place: "first" | "last";
}

/** A rule of iptables or ip6tables that comes back at boot and whenever Docker restarts. */
export function rule({ table, chain, spec, comment, place }: RuleStep): Step {
  const whole = ruleWords(spec, comment);
  return {
    kind: "rule",
    what: `rule ${table} ${chain} ${spec}`,
    from: null,
    to: place === "first" ? "first in its chain" : "last in its chain",
    resource: ["rule", table, chain, whole],
    perform: sh`cw_rule_put ${place === "first" ? "-I" : "-A"} ${table} ${chain} ${whole}`,
    touches: ["rule", "unit:causeway-network.service"],
    causes: [],
  };
}

/** The line by which a rule comes back at boot. */
export function keptRule({ table, chain, spec, comment, place }: RuleStep): string {
  return `${table} ${place === "first" ? "-I" : "-A"} ${chain} ${ruleWords(spec, comment)}`;
}

/** Takes one rule away, found by its exact specification. */
export function noRule({ table, chain, spec }: { table: string; chain: string; spec: string }): Step {
  return {
    kind: "rule",
    what: `rule ${table} ${chain} ${spec}`,
    from: "present",
    to: null,
    resource: ["rule", table, chain, spec],
    perform: sh`cw_rule_drop ${table} ${chain} ${spec}`,
    touches: ["rule", "unit:causeway-network.service"],
    causes: [],
  };
}

/**
 * The steps that take a rule away where it was before it moved to another chain: what comes back at boot would name a chain
 * that may be gone by then.
 */
export function formerWays(way: RuleStep, chains: readonly string[], rules: Rules, kept: Kept): Step[] {
  const spec = ruleWords(way.spec, way.comment);
  return chains
    .filter((chain) => chain !== way.chain)
    .filter(
      (chain) =>
        isKept(kept, keptRule({ ...way, chain })) ||
        rulesIn(rules, way.table, chain).some((r) => canonicalRule(r.spec) === canonicalRule(spec)),
    )
    .map((chain) => noRule({ table: way.table, chain, spec }));
}

/** The specification with its owner's comment before the target, as it goes to the shell. */
export function ruleWords(spec: string, comment: string): string {
  const quoted = sh`-m comment --comment ${comment}`.text;
  const target = spec.indexOf("-j ");
  return target < 0 ? `${spec} ${quoted}` : `${spec.slice(0, target)}${quoted} ${spec.slice(target)}`;
}
