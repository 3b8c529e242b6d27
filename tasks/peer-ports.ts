import {
  CausewayError,
  defineTask,
  Ipv4,
  type Kept,
  missingPorts,
  type PlanItem,
  type Rules,
  step,
  Type,
} from "causeway";

const params = Type.Object(
  {
    tcp: Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), { minItems: 1, description: "the ports" }),
    from: Type.Array(Ipv4(), {
      description: "the addresses that may reach them; this host itself always may",
    }),
    comment: Type.String({
      pattern: "^[\\w:.-]+$",
      description: "who owns the rules; iptables-save shows it",
    }),
  },
  { additionalProperties: false },
);

interface State {
  rules: Rules;
  kept: Kept;
}

/**
 * Ports of this host that only some addresses reach. In a play before the one that opens the port: an undo then closes the
 * port first, and the rules go after it.
 */
export const peerPorts = defineTask({
  name: "peer-ports",
  summary: "Ports of the host that only the inventory's hosts reach",
  params,
  key: ({ comment }) => comment,
  read: async (host): Promise<State> => {
    const [rules, kept] = await Promise.all([host.rules(), host.kept()]);
    return { rules, kept };
  },
  present: ({ rules, kept }, { tcp, from, comment }): readonly PlanItem[] => {
    if (!rules.present)
      throw new CausewayError("host", "iptables is not installed on this host", {
        advice: `install it (Debian: apt-get install iptables): port ${tcp.join(", ")} would be open to anybody`,
      });
    return missingPorts(rules, kept, { tcp, from, comment }).map((rule) => step.rule(rule));
  },
});
