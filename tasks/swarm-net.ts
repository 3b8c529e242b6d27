import { CausewayError, Cidr, defineTask, later, type PlanItem, type Static, step, Type } from "causeway";
import { readNetwork, refuseNetwork, type SwarmNetSeen, wordsOf } from "./swarm-net/network.ts";

export { differs, readNetwork, type SwarmNetSeen, wordsOf } from "./swarm-net/network.ts";

const params = Type.Object(
  {
    name: Type.String({
      pattern: "^\\w[\\w.-]*$",
      description: "the network's name in Docker, on all hosts",
    }),
    subnet: Cidr({ description: "the subnet that the containers of all hosts share" }),
    encrypted: Type.Optional(
      Type.Boolean({
        default: false,
        description: "whether the containers' packets are encrypted between the hosts; the kernels need ESP",
      }),
    ),
  },
  { additionalProperties: false },
);

export type SwarmNetParams = Static<typeof params>;

/**
 * An overlay network of a swarm, to which any container can be attached: made on one manager, and the fleet's. Docker takes a
 * subnet that overlaps another overlay network's, says that it made the network, and gives it no driver: so it is looked at.
 */
export const swarmNet = defineTask({
  name: "swarm-net",
  summary: "An overlay network of a swarm that all its hosts have",
  params,
  key: ({ name }) => name,
  scope: "fleet",
  settles: "15s",
  read: (host, { name }) => readNetwork(host, name),
  present: (state, wanted): readonly PlanItem[] => {
    if (!state.isNode) return [later("the swarm is started first")];
    refuseNetwork(state, wanted);
    refuseHalfMade(state, wanted);
    if (state.seen === wordsOf(wanted)) return [];
    const { name, subnet, encrypted } = wanted;
    return [
      step.dockerNetwork({
        name,
        driver: "overlay",
        subnet,
        attachable: true,
        // Whether the key stands there is what counts; with a value Docker keeps the value.
        ...(encrypted ? { options: { encrypted: "" } } : {}),
        was: state.seen ?? null,
      }),
    ];
  },
});

function refuseHalfMade({ isHalfMade }: SwarmNetSeen, { name, subnet }: SwarmNetParams): void {
  if (!isHalfMade) return;
  throw new CausewayError("host", `Docker made the network ${name}, and gave it neither driver nor subnet`, {
    command: `docker network inspect ${name}`,
    expected: `overlay in ${subnet}`,
    advice: `${subnet} overlaps another overlay network of the swarm: docker network rm ${name}, and choose another subnet: -e swarm_subnet=…`,
  });
}
