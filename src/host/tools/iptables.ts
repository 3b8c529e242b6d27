import type { Family } from "../../net/ipv6.ts";

type Ipv4Table = "filter" | "nat" | "mangle" | "raw";

/** A table of iptables, or of ip6tables. */
export type Table = Ipv4Table | `ip6:${Ipv4Table}`;

/** The table of that name for packets of a family. */
export function tableOf(family: Family, name: Ipv4Table): Table {
  return family === 6 ? `ip6:${name}` : name;
}

/** One rule as `iptables-save` prints it. */
export interface Rule {
  /** A `Table`, or one that is no business of ours. */
  table: string;
  chain: string;
  /** The specification behind `-A CHAIN`, as printed. */
  spec: string;
  comment?: string;
}

/** Everything that `iptables-save` knows. */
export interface Rules {
  /** False where iptables is not installed. */
  present: boolean;
  rules: readonly Rule[];
  /** `filter FORWARD` → `DROP`; `-` for a chain of one's own. */
  policies: ReadonlyMap<string, string>;
}

/** Parses `iptables-save`, or `ip6tables-save` for the family 6; the single word `missing` stands for none. */
export function parseRules(text: string, family: Family = 4): Rules {
  const rules: Rule[] = [];
  const policies = new Map<string, string>();
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = tableOf(family, line.slice(1).trim() as Ipv4Table);
    else if (line.startsWith(":")) {
      const [chain, policy = "-"] = line.slice(1).split(" ");
      policies.set(`${table} ${chain}`, policy);
    } else if (line.startsWith("-A ")) {
      const [, chain = "", spec = ""] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
      const comment = /--comment (?:"((?:[^"\\]|\\.)*)"|(\S+))/.exec(spec);
      const rule: Rule = { table, chain, spec };
      if (comment) rule.comment = (comment[1] ?? comment[2] ?? "").replace(/\\(.)/g, "$1");
      rules.push(rule);
    }
  }
  return { present: text.trim() !== "missing", rules, policies };
}

/** The backend of iptables that the host's `iptables` is not: rules of both apply to every packet. */
export interface OtherIptables {
  /** Its command. */
  tool: "iptables-legacy" | "iptables-nft";
  rules: Rules;
}

/** Parses the command's name and what its `-save` prints; empty where there is none. */
export function parseOther(text: string): OtherIptables | undefined {
  const [, tool, saved = ""] = /^(iptables-legacy|iptables-nft)\n(.*)$/s.exec(text) ?? [];
  return tool === undefined ? undefined : { tool: tool as OtherIptables["tool"], rules: parseRules(saved) };
}

const byChain = new WeakMap<Rules, ReadonlyMap<string, readonly Rule[]>>();

/** The rules of one chain in their order; none where it is not there. */
export function rulesIn(rules: Rules, table: string, chain: string): readonly Rule[] {
  let index = byChain.get(rules);
  if (!index) {
    const chains = new Map<string, Rule[]>();
    for (const rule of rules.rules) {
      const name = `${rule.table} ${rule.chain}`;
      const among = chains.get(name);
      if (among) among.push(rule);
      else chains.set(name, [rule]);
    }
    index = chains;
    byChain.set(rules, index);
  }
  return index.get(`${table} ${chain}`) ?? [];
}

/** The words of a rule in the order that `iptables-save` prints them, so that two spellings can be compared. */
export function canonicalRule(spec: string): string {
  return spec.replaceAll('"', "").replaceAll(/\s+/g, " ").trim();
}

/** How many packets a rule, or a chain's policy, has met. */
export interface Counter {
  table: string;
  chain: string;
  /** The rule behind `-A CHAIN`; `policy DROP` for a chain's policy. */
  spec: string;
  packets: number;
}

/** Parses `iptables-save -c`, rules in their order. */
export function parseCounters(text: string): Counter[] {
  let table = "";
  return text.split("\n").flatMap((line) => {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const [, chain = "", policy = "", met] = /^:(\S+) (\S+) \[(\d+):\d+\]/.exec(line) ?? [];
    if (met !== undefined)
      return policy === "-" ? [] : [{ table, chain, spec: `policy ${policy}`, packets: Number(met) }];
    const [, packets, of = "", spec = ""] = /^\[(\d+):\d+\] -A (\S+) ?(.*)$/.exec(line) ?? [];
    return packets === undefined ? [] : [{ table, chain: of, spec, packets: Number(packets) }];
  });
}

/** What moved between two looks, each with how many packets it met. A rule that stands twice counts as its places do. */
export function countersMoved(before: readonly Counter[], after: readonly Counter[]): Counter[] {
  const seen = new Map<string, number[]>();
  const key = ({ table, chain, spec }: Counter) => `${table} ${chain} ${spec}`;
  for (const counter of before) seen.set(key(counter), [...(seen.get(key(counter)) ?? []), counter.packets]);
  return after.flatMap((counter) => {
    const packets = counter.packets - (seen.get(key(counter))?.shift() ?? 0);
    return packets > 0 ? [{ ...counter, packets }] : [];
  });
}
