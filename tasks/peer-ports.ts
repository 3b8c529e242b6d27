import {
  CausewayError,
  defineTask,
  Ipv4,
  missingPortRules,
  type PlanItem,
  readFirewall,
  Type,
} from "causeway";

const Ports = (description: string) =>
  Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), { minItems: 1, description });

const params = Type.Object(
  {
    tcp: Type.Optional(Ports("the ports of TCP")),
    udp: Type.Optional(Ports("the ports of UDP; one of the two lists has to be given")),
    from: Type.Array(Ipv4(), {
      description: "the addresses that may reach them; this host itself always may",
    }),
    comment: Type.String({
      pattern: "^[\\w:.-]+$",
      description: "the owner of the rules: a comment that iptables-save shows",
    }),
  },
  { additionalProperties: false },
);

/**
 * Ports of this host that only some addresses reach. In a play before the one that opens the port: an undo then closes the
 * port first, and the rules go after it.
 */
export const peerPorts = defineTask({
  name: "peer-ports",
  summary: "Ports of the host that only the inventory's hosts reach",
  params,
  key: ({ comment }) => comment,
  read: readFirewall,
  present: (firewall, { tcp = [], udp = [], from, comment }): readonly PlanItem[] => {
    if (!firewall.rules.present)
      throw new CausewayError("host", "iptables is not installed on this host", {
        advice: `install it (Debian: apt-get install iptables): port ${[...tcp, ...udp].join(", ")} would be open to anyone`,
      });
    return missingPortRules(firewall, { tcp, udp, from, comment });
  },
});
