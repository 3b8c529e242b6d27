import {
  aggregate,
  CausewayError,
  Cidr,
  canonicalRule,
  defineTask,
  formatNetwork,
  isKept,
  type Kept,
  keptRule,
  missingChain,
  networkOf,
  type PlanItem,
  type RuleStep,
  type Rules,
  rulesIn,
  ruleWords,
  type Static,
  step,
  Type,
} from "causeway";

const params = Type.Object(
  {
    own: Cidr({ description: "this host's container subnet" }),
    peers: Type.Array(Cidr(), {
      description: "the peers' container subnets, or one network that holds them all",
    }),
    comment: Type.String({
      default: "causeway",
      pattern: "^[\\w:.-]+$",
      description: "the owner of the rules: a comment that iptables-save shows",
    }),
    keep: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          "only add: rules for the subnets as they were stay beside those for the subnets as they are to be",
      }),
    ),
  },
  { additionalProperties: false },
);

interface State {
  rules: Rules;
  chains: Kept;
  kept: Kept;
  /** The kernel's `net.ipv4.ip_forward`. */
  forwarding: string | undefined;
}

const chain = "CAUSEWAY-FORWARD";

/**
 * Lets the peers' containers and this host's talk to each other under their own addresses: accepted in DOCKER-USER, which
 * Docker leaves to the administrator (FORWARD where there is none), and kept out of Docker's masquerading. The rules are in
 * a chain of their own in each table, as few as the peers' subnets can be written in.
 */
export const iptablesForward = defineTask({
  name: "iptables-forward",
  summary: "Forwarding between the hosts' container subnets, without masquerading",
  params,
  key: ({ comment }) => comment,
  // Earlier versions had a task and three rules for each peer. Their rules go; forwarding, which one of them switched on, stays.
  formerly: () => [{ kind: "sysctl" }],
  read: async (host): Promise<State> => {
    const [rules, chains, kept, forwarding] = await Promise.all([
      host.rules(),
      host.kept("chains"),
      host.kept("rules"),
      host.sysctl("net.ipv4.ip_forward"),
    ]);
    return { rules, chains, kept, forwarding };
  },
  present: ({ rules, chains, kept, forwarding }, wanted): readonly PlanItem[] => {
    if (!rules.present)
      throw new CausewayError("host", "iptables is not installed on this host", {
        advice: "install it (Debian: apt-get install iptables); Docker needs it, too",
      });
    const ways = waysTo(rules, wanted.comment).filter((rule) => !isInPlace(rule, rules, kept));
    return [
      ...(forwarding === "1"
        ? []
        : [step.sysctl({ key: "net.ipv4.ip_forward", value: 1, was: forwarding ?? null })]),
      ...chainsFor(wanted)
        .map((one) =>
          wanted.keep ? { ...one, rules: beside(rulesKept(chains, one.table), one.rules) } : one,
        )
        .flatMap((one) => missingChain(rules, chains, one)),
      ...ways.map((rule) => step.rule(rule)),
    ];
  },
});

/** What stays on one host is none of its business: Docker may keep containers apart, and masquerades one that calls itself. */
function chainsFor({ own, peers }: Static<typeof params>) {
  const networks = aggregate(peers.flatMap((peer) => networkOf(peer) ?? [])).map(formatNetwork);
  const within = `-s ${own} -d ${own} -j RETURN`;
  const out = networks.map((network) => `-s ${own} -d ${network} -j ACCEPT`);
  const into = networks.map((network) => `-s ${network} -d ${own} -j ACCEPT`);
  return [
    { table: "filter", name: chain, rules: [within, ...into, ...out] },
    { table: "nat", name: chain, rules: [within, ...out] },
  ] as const;
}

/** The rules of our chain as they come back at boot. */
function rulesKept({ files }: Kept, table: string): string[] {
  const lines = [...files.values()].find(
    ([first, second]) => first === `*${table}` && second?.startsWith(`:${chain} `),
  );
  return (lines ?? []).flatMap((line) =>
    line.startsWith(`-A ${chain} `) ? [line.slice(`-A ${chain} `.length)] : [],
  );
}

/** Both, what stays on one host first, whichever subnet it has. */
function beside(kept: readonly string[], wanted: readonly string[]): string[] {
  const known = new Set(wanted.map(canonicalRule));
  const all = [...wanted, ...kept.filter((rule) => !known.has(canonicalRule(rule)))];
  const staysHere = (rule: string) => rule.endsWith("-j RETURN");
  return [...all.filter(staysHere), ...all.filter((rule) => !staysHere(rule))];
}

/** The rules that lead to the chains. */
function waysTo(rules: Rules, comment: string): RuleStep[] {
  const filter = rules.policies.has("filter DOCKER-USER") ? "DOCKER-USER" : "FORWARD";
  const spec = `-j ${chain}`;
  return [
    { table: "filter", chain: filter, spec, comment, place: "first" },
    { table: "nat", chain: "POSTROUTING", spec, comment, place: "first" },
  ];
}

/** There, in front of what would decide otherwise, and put aside for the next boot. */
function isInPlace(rule: RuleStep, rules: Rules, kept: Kept): boolean {
  const inChain = rulesIn(rules, rule.table, rule.chain);
  const wanted = canonicalRule(ruleWords(rule.spec, rule.comment));
  const at = inChain.findIndex((r) => canonicalRule(r.spec) === wanted);
  const decider = rule.table === "nat" ? /-j (MASQUERADE|SNAT)/ : /-j (DROP|REJECT|RETURN)/;
  const before = inChain.findIndex((r) => decider.test(r.spec));
  return at >= 0 && (before < 0 || at < before) && isKept(kept, keptRule(rule));
}
