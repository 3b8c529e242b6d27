import {
  CausewayError,
  Cidr,
  canonicalRule,
  defineTask,
  type Kept,
  keptRule,
  type PlanItem,
  type RuleStep,
  type Rules,
  type Static,
  step,
  Type,
} from "causeway";

const params = Type.Object(
  {
    own: Cidr({ description: "this host's container subnet" }),
    peer: Cidr({ description: "the peer's container subnet" }),
    comment: Type.String({
      default: "causeway",
      pattern: "^[\\w:.-]+$",
      description: "who owns the rules; iptables-save shows it",
    }),
  },
  { additionalProperties: false },
);

interface State {
  rules: Rules;
  kept: Kept;
  /** The kernel's `net.ipv4.ip_forward`. */
  forwarding: string | undefined;
}

/**
 * Lets a peer's containers and this host's talk to each other under their own addresses: accepted in DOCKER-USER, which
 * Docker leaves to the administrator (FORWARD where there is none), and kept out of Docker's masquerading.
 */
export const iptablesForward = defineTask({
  name: "iptables-forward",
  summary: "Forwarding between two container subnets, without masquerading",
  params,
  // Both subnets: with another one of its own, this is another task, and the old rules go.
  key: ({ own, peer }) => `${own} ${peer}`,
  read: async (host): Promise<State> => {
    const [rules, kept, forwarding] = await Promise.all([
      host.rules(),
      host.kept(),
      host.sysctl("net.ipv4.ip_forward"),
    ]);
    return { rules, kept, forwarding };
  },
  present: ({ rules, kept, forwarding }, wanted): readonly PlanItem[] => {
    if (!rules.present)
      throw new CausewayError("host", "iptables is not installed on this host", {
        advice: "install it (Debian: apt-get install iptables); Docker needs it, too",
      });
    const missing = rulesFor(rules, wanted).filter((rule) => !isInPlace(rule, rules, kept));
    return [
      ...(forwarding === "1"
        ? []
        : [step.sysctl({ key: "net.ipv4.ip_forward", value: 1, was: forwarding ?? null })]),
      ...missing.map((rule) => step.rule(rule)),
    ];
  },
});

function rulesFor(rules: Rules, { own, peer, comment }: Static<typeof params>): RuleStep[] {
  const chain = rules.policies.has("filter DOCKER-USER") ? "DOCKER-USER" : "FORWARD";
  return [
    { table: "filter", chain, spec: `-s ${peer} -d ${own} -j ACCEPT`, comment, place: "first" },
    { table: "filter", chain, spec: `-s ${own} -d ${peer} -j ACCEPT`, comment, place: "first" },
    { table: "nat", chain: "POSTROUTING", spec: `-s ${own} -d ${peer} -j ACCEPT`, comment, place: "first" },
  ];
}

/** There, in front of what would decide otherwise, and put aside for the next boot. */
function isInPlace(rule: RuleStep, { rules }: Rules, kept: Kept): boolean {
  const inChain = rules.filter((r) => r.table === rule.table && r.chain === rule.chain);
  const wanted = canonicalRule(rule.spec.replace(" -j", ` -m comment --comment ${rule.comment} -j`));
  const at = inChain.findIndex((r) => canonicalRule(r.spec) === wanted);
  const decider = rule.table === "nat" ? /-j (MASQUERADE|SNAT)/ : /-j (DROP|REJECT|RETURN)/;
  const before = inChain.findIndex((r) => decider.test(r.spec));
  return at >= 0 && (before < 0 || at < before) && kept.enabled && kept.lines.includes(keptRule(rule));
}
