import {
  aggregate,
  CausewayError,
  Cidr,
  canonicalRule,
  chainForContainers,
  type DockerRules,
  defineTask,
  formatNetwork,
  formerWays,
  isKept,
  type Kept,
  keptRule,
  lostDockerRules,
  missingChain,
  missingSysctl,
  networkOf,
  type OtherIptables,
  type PlanItem,
  type RuleStep,
  type Rules,
  readDockerRules,
  readSysctl,
  refuseClosedForward,
  refuseOtherIptables,
  rulesIn,
  ruleWords,
  type Static,
  type SysctlState,
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
        description: "only add: let the subnets as they were and as they are to be all talk to each other",
      }),
    ),
  },
  { additionalProperties: false },
);

interface State extends DockerRules {
  other: OtherIptables | undefined;
  chains: Kept;
  kept: Kept;
  forwarding: SysctlState;
}

const forwardingKey = "net.ipv4.ip_forward";

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
    const [docker, other, chains, kept, forwarding] = await Promise.all([
      readDockerRules(host),
      host.otherRules(),
      host.kept("chains"),
      host.kept("rules"),
      readSysctl(host, forwardingKey),
    ]);
    return { ...docker, other, chains, kept, forwarding };
  },
  present: (state, wanted): readonly PlanItem[] => {
    const { rules, other, chains, kept, forwarding } = state;
    if (!rules.present)
      throw new CausewayError("host", "iptables is not installed on this host", {
        advice: "install it (Debian: apt-get install iptables); Docker needs it, too",
      });
    refuseOtherIptables(other);
    refuseClosedForward(other);
    const ways = waysTo(chainForContainers(state), wanted.comment);
    return [
      ...missingSysctl(forwarding, { key: forwardingKey, value: 1 }),
      ...chainsFor(wanted.keep ? beside(wanted, subnetsKept(chains)) : subnetsOf(wanted)).flatMap((one) =>
        missingChain(rules, chains, one),
      ),
      ...ways.filter((rule) => !isInPlace(rule, rules, kept)).map((rule) => step.rule(rule)),
      // What only adds restarts nothing.
      ...(wanted.keep
        ? []
        : [
            ...ways.flatMap((way) => formerWays(way, filterChains(way), rules, kept)),
            ...lostDockerRules(state),
          ]),
    ];
  },
});

/** What a host's rules are about. */
interface Subnets {
  /** The host's own: the one that it is to have first, and behind it the one that it had. */
  owns: readonly string[];
  peers: readonly string[];
}

const subnetsOf = ({ own, peers }: Static<typeof params>): Subnets => ({ owns: [own], peers });

/** Those as they are to be, and as they were: in a fleet half-way each host of either kind calls each of either kind. */
function beside(wanted: Static<typeof params>, was: Subnets): Subnets {
  const { owns, peers } = subnetsOf(wanted);
  return { owns: [...new Set([...owns, ...was.owns])], peers: [...new Set([...peers, ...was.peers])] };
}

/** The subnets of the rules that come back at boot. */
function subnetsKept({ files }: Kept): Subnets {
  const lines = [...files.values()].find(
    ([table, name]) => table === "*filter" && name?.startsWith(`:${chain} `),
  );
  const rules = (lines ?? []).flatMap((line) => {
    const [, from, to, does] = /^-A \S+ -s (\S+) -d (\S+) -j (\w+)$/.exec(line) ?? [];
    return from !== undefined && to !== undefined ? [{ from, to, does }] : [];
  });
  const owns = rules.filter(({ does }) => does === "RETURN").map(({ from }) => from);
  const peers = rules
    .filter(({ from, does }) => does === "ACCEPT" && owns.includes(from))
    .map(({ to }) => to);
  return { owns, peers };
}

/** What stays on one host is none of its business: Docker may keep containers apart, and masquerades one that calls itself. */
function chainsFor({ owns, peers }: Subnets) {
  const networks = aggregate(peers.flatMap((peer) => networkOf(peer) ?? [])).map(formatNetwork);
  const within = owns.map((own) => `-s ${own} -d ${own} -j RETURN`);
  const out = owns.flatMap((own) => networks.map((network) => `-s ${own} -d ${network} -j ACCEPT`));
  const into = owns.flatMap((own) => networks.map((network) => `-s ${network} -d ${own} -j ACCEPT`));
  return [
    { table: "filter", name: chain, rules: [...within, ...into, ...out] },
    { table: "nat", name: chain, rules: [...within, ...out] },
  ] as const;
}

/** The rules that lead to the chains. */
function waysTo(filter: string, comment: string): RuleStep[] {
  const spec = `-j ${chain}`;
  return [
    { table: "filter", chain: filter, spec, comment, place: "first" },
    { table: "nat", chain: "POSTROUTING", spec, comment, place: "first" },
  ];
}

/** Where the rule may have been before. */
const filterChains = ({ table }: RuleStep) => (table === "filter" ? ["DOCKER-USER", "FORWARD"] : []);

/** There, in front of what would decide otherwise, and put aside for the next boot. */
function isInPlace(rule: RuleStep, rules: Rules, kept: Kept): boolean {
  const inChain = rulesIn(rules, rule.table, rule.chain);
  const wanted = canonicalRule(ruleWords(rule.spec, rule.comment));
  const at = inChain.findIndex((r) => canonicalRule(r.spec) === wanted);
  const decider = rule.table === "nat" ? /-j (MASQUERADE|SNAT)/ : /-j (DROP|REJECT|RETURN)/;
  const before = inChain.findIndex((r) => decider.test(r.spec));
  return at >= 0 && (before < 0 || at < before) && isKept(kept, keptRule(rule));
}
