import { Cidr, defineTask, leftFile, memberWords, type PlanItem, step, Type } from "causeway";
import { differs, readNetwork, refuseNetwork, type SwarmNetSeen } from "./swarm-net/network.ts";

const params = Type.Object(
  {
    name: Type.String({ pattern: "^\\w[\\w.-]*$", description: "the network's name in Docker" }),
    subnet: Cidr({ description: "the subnet that it is to have" }),
    encrypted: Type.Optional(Type.Boolean({ default: false, description: "whether it is to be encrypted" })),
    part: Type.Union([Type.Literal("leave"), Type.Literal("return")], {
      description:
        "two plays: leave takes the host's containers off a network that differs and is made anew; return puts them back",
    }),
  },
  { additionalProperties: false },
);

interface State extends SwarmNetSeen {
  /** The containers of this host that left while the network is made anew. */
  left: readonly string[];
}

/** A host's containers on a network of a swarm while that is made anew: it cannot be as long as any host's are on it. */
export const swarmMembers = defineTask({
  name: "swarm-members",
  summary: "A host's containers on a swarm's network that is made anew",
  params,
  key: ({ name }) => name,
  read: async (host, { name }): Promise<State> => {
    const [network, left] = await Promise.all([readNetwork(host, name), host.file(leftFile(name))]);
    return { ...network, left: left.content.split("\n").flatMap((line) => line.split(" ")[0] || []) };
  },
  present: (state, { part, ...wanted }): readonly PlanItem[] => {
    const { name } = wanted;
    if (part === "leave") {
      refuseNetwork(state, wanted);
      const who = state.members.map(memberWords).join(", ");
      return differs(state, wanted) && who !== "" ? [step.leaveNetwork({ name, who })] : [];
    }
    const who = state.left.join(", ");
    return who === "" ? [] : [step.returnToNetwork({ name, who })];
  },
});
