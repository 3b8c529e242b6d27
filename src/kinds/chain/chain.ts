import type { Kept } from "../../host/reader.ts";
import { sh } from "../../host/sh.ts";
import { canonicalRule, type Rules, rulesIn, type Table } from "../../host/tools/iptables.ts";
import type { Step } from "../../task/step.ts";

export interface ChainStep {
  table: Table;
  /** Of at most 28 characters: `CAUSEWAY-FORWARD`. */
  name: string;
  /** Its rules in their order, each in the order and spelling in which `iptables-save` prints it. */
  rules: readonly string[];
  /** What is there now, in words; null where there is no such chain. */
  was?: string | null;
}

/** A chain of our own, of iptables or ip6tables, loaded in one go, now and whenever rules come back. A rule has to lead to it. */
export function chain({ table, name, rules, was = null }: ChainStep): Step {
  return {
    kind: "chain",
    what: `chain ${table} ${name}`,
    from: was,
    to: count(rules.length),
    resource: ["chain", table, name],
    perform: sh`cw_chain_put ${table} ${name} ${keptChain({ table, name, rules }).join("\n")}`,
    touches: ["rule", "unit:causeway-network.service"],
    causes: [],
  };
}

/** The lines by which a chain comes back at boot. */
export function keptChain({ table, name, rules }: Pick<ChainStep, "table" | "name" | "rules">): string[] {
  return [`*${table}`, `:${name} - [0:0]`, ...rules.map((spec) => `-A ${name} ${spec}`), "COMMIT"];
}

/** The step that makes a chain what it is to be; none where it is that already, and comes back at boot. `kept` is that of chains. */
export function missingChain(rules: Rules, kept: Kept, wanted: Omit<ChainStep, "was">): Step[] {
  const there = rulesIn(rules, wanted.table, wanted.name).map(({ spec }) => canonicalRule(spec));
  const exists = rules.policies.has(`${wanted.table} ${wanted.name}`);
  const right = exists && there.join("\n") === wanted.rules.map(canonicalRule).join("\n");
  const text = keptChain(wanted).join("\n");
  if (right && kept.enabled && [...kept.files.values()].some((lines) => lines.join("\n") === text)) return [];
  const words = right ? `${count(there.length)}, gone after a reboot` : `other rules (${there.length})`;
  return [chain({ ...wanted, was: exists ? words : null })];
}

function count(rules: number): string {
  return rules === 1 ? "1 rule" : `${rules} rules`;
}
