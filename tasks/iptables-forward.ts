import {
  AnyCidr,
  aggregate,
  CausewayError,
  canonicalRule,
  chainForContainers,
  type DockerRules,
  defineTask,
  type Family,
  familyOf,
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
  tableOf,
} from "causeway";

const params = Type.Object(
  {
    own: AnyCidr({ description: "this host's container subnet; of IPv6 another task than of IPv4" }),
    peers: Type.Array(AnyCidr(), {
      description: "the peers' container subnets of the same family, or one network that holds them all",
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

/** With the second one the kernel stops to listen to routers that advertise themselves (ip-sysctl, accept_ra). */
const forwardingKeys = { 4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding" } as const;

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
  key: ({ own, comment }) => (familyOf(own) === 6 ? `${comment} IPv6` : comment),
  // Earlier versions had a task and three rules for each peer. Their rules go; forwarding, which one of them switched on, stays.
  formerly: () => [{ kind: "sysctl" }],
  read: async (host, { own }): Promise<State> => {
    const family = familyOf(own);
    const [docker, other, chains, kept, forwarding] = await Promise.all([
      readDockerRules(host, family),
      // Of ip6tables' other backend nothing is known.
      family === 4 ? host.otherRules() : undefined,
      host.kept("chains"),
      host.kept("rules"),
      readSysctl(host, forwardingKeys[family]),
    ]);
    return { ...docker, other, chains, kept, forwarding };
  },
  present: (state, wanted): readonly PlanItem[] => {
    const { rules, other, chains, kept, forwarding } = state;
    const family = familyOf(wanted.own);
    const program = family === 6 ? "ip6tables" : "iptables";
    if (!rules.present)
      throw new CausewayError("host", `${program} is not installed on this host`, {
        advice: "install it (Debian: apt-get install iptables); Docker needs it, too",
      });
    refuseOtherIptables(other);
    refuseClosedForward(other);
    const ways = waysTo(family, chainForContainers(state, family), wanted.comment);
    return [
      ...missingSysctl(forwarding, { key: forwardingKeys[family], value: 1 }),
      ...chainsFor(
        family,
        wanted.keep ? beside(wanted, subnetsKept(family, chains)) : subnetsOf(wanted),
      ).flatMap((one) => missingChain(rules, chains, one)),
      ...ways.filter((rule) => !isInPlace(rule, rules, kept)).map((rule) => step.rule(rule)),
      // What only adds restarts nothing.
      ...(wanted.keep
        ? []
        : [
            ...ways.flatMap((way) => formerWays(way, filterChains(way), rules, kept)),
            ...lostDockerRules(state, family),
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
function subnetsKept(family: Family, { files }: Kept): Subnets {
  const lines = [...files.values()].find(
    ([table, name]) => table === `*${tableOf(family, "filter")}` && name?.startsWith(`:${chain} `),
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
function chainsFor(family: Family, { owns, peers }: Subnets) {
  const networks =
    family === 6
      ? [...peers].sort()
      : aggregate(peers.flatMap((peer) => networkOf(peer) ?? [])).map(formatNetwork);
  const within = owns.map((own) => `-s ${own} -d ${own} -j RETURN`);
  const out = owns.flatMap((own) => networks.map((network) => `-s ${own} -d ${network} -j ACCEPT`));
  const into = owns.flatMap((own) => networks.map((network) => `-s ${network} -d ${own} -j ACCEPT`));
  return [
    { table: tableOf(family, "filter"), name: chain, rules: [...within, ...into, ...out] },
    { table: tableOf(family, "nat"), name: chain, rules: [...within, ...out] },
  ];
}

/** The rules that lead to the chains. */
function waysTo(family: Family, filter: string, comment: string): RuleStep[] {
  const spec = `-j ${chain}`;
  return [
    { table: tableOf(family, "filter"), chain: filter, spec, comment, place: "first" },
    { table: tableOf(family, "nat"), chain: "POSTROUTING", spec, comment, place: "first" },
  ];
}

/** Where the rule may have been before. */
const filterChains = ({ table }: RuleStep) => (table.endsWith("filter") ? ["DOCKER-USER", "FORWARD"] : []);

/** There, in front of what would decide otherwise, and put aside for the next boot. */
function isInPlace(rule: RuleStep, rules: Rules, kept: Kept): boolean {
  const inChain = rulesIn(rules, rule.table, rule.chain);
  const wanted = canonicalRule(ruleWords(rule.spec, rule.comment));
  const at = inChain.findIndex((r) => canonicalRule(r.spec) === wanted);
  const decider = rule.table.endsWith("nat") ? /-j (MASQUERADE|SNAT)/ : /-j (DROP|REJECT|RETURN)/;
  const before = inChain.findIndex((r) => decider.test(r.spec));
  return at >= 0 && (before < 0 || at < before) && isKept(kept, keptRule(rule));
}
