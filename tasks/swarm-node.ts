import {
  CausewayError,
  Cidr,
  type DockerState,
  defineTask,
  dockerStarts,
  gatewayBridge,
  Ipv4,
  later,
  type PlanItem,
  SecretValue,
  step,
  Type,
  type UnitState,
} from "causeway";
import { readSwarm, type SwarmSeen } from "./swarm-node/state.ts";

export { type NodeSeen, parseSwarm, readSwarm, type Swarm, type SwarmSeen } from "./swarm-node/state.ts";

const params = Type.Object(
  {
    address: Ipv4({ description: "at which the other nodes reach this host" }),
    role: Type.Union([Type.Literal("manager"), Type.Literal("worker")], {
      description: "as what it joins; what a node is by then is changed by swarm-nodes, on a manager",
    }),
    start: Type.Optional(
      Type.Object(
        {
          data_port: Type.Integer({
            minimum: 1024,
            maximum: 49_151,
            description: "UDP: the containers' packets",
          }),
          pool: Cidr({
            description: "out of which Docker takes the subnets of its overlay networks, ingress first",
          }),
          prefix: Type.Integer({ minimum: 16, maximum: 29, description: "the prefix of each of them" }),
        },
        { additionalProperties: false, description: "it starts the swarm; without it, it joins one" },
      ),
    ),
    managers: Type.Optional(
      Type.Array(Ipv4(), { default: [], description: "the addresses of managers through which it joins" }),
    ),
    token: Type.Optional(
      SecretValue({ description: "of the swarm, for this role; absent as long as there is no swarm" }),
    ),
  },
  { additionalProperties: false },
);

interface State {
  seen: SwarmSeen;
  docker: DockerState;
  unit: UnitState;
  /** Its address; undefined without it. */
  docker0: string | undefined;
}

/**
 * A host's place in a swarm of Docker's: it starts one, or joins one with a token that is learnt during the run. Taken back, its
 * containers leave the swarm's networks, a manager becomes a worker first, and the last manager ends the swarm once all others
 * have left it; where services run, or the other managers would lose their quorum, it stays. The bridge by which containers of an
 * overlay network reach the world is made beforehand, so that an undo removes it.
 */
export const swarmNode = defineTask({
  name: "swarm-node",
  summary: "The host as a node of a Docker swarm",
  params,
  key: () => "swarm",
  read: async (host): Promise<State> => {
    const [seen, docker, unit, addresses] = await Promise.all([
      readSwarm(host),
      host.docker(),
      host.unit("docker.service"),
      host.addresses(),
    ]);
    return { seen, docker, unit, docker0: addresses.find(({ dev }) => dev === "docker0")?.cidr };
  },
  present: ({ seen, docker, unit, docker0 }, wanted): readonly PlanItem[] => {
    refuseSwarm(seen);
    if (seen.state === "active") return [];
    if (seen.state === "stopped")
      return [...dockerStarts(unit, docker0, { now: true }), later("Docker is started first")];
    const { address, role, start, token, managers = [] } = wanted;
    const own = gatewayBridge(docker);
    if (start) {
      const { data_port: dataPort, pool, prefix } = start;
      return [...own, step.startSwarm({ address, dataPort, pool, prefix })];
    }
    if (token === undefined || managers.length === 0) return [...own, later("the swarm is started first")];
    return [...own, step.joinSwarm({ address, role, token, managers })];
  },
});

interface WhyNot {
  message: string;
  found: string;
  advice: string;
}

/** A Docker that cannot be a node as it is. */
export function refuseSwarm(seen: SwarmSeen): void {
  const why = whyNot(seen);
  if (!why) return;
  const { message, ...detail } = why;
  throw new CausewayError("host", message, { ...detail, expected: "a Docker that can be a node of a swarm" });
}

function whyNot({ state, error, liveRestore, isManager, swarm, node }: SwarmSeen): WhyNot | undefined {
  if (state === "missing")
    return {
      message: "Docker is not installed on this host",
      found: "no program docker",
      advice: "install it (Debian: apt-get install docker.io)",
    };
  if (state === "stopped" && error !== "")
    return {
      message: "Docker does not run, and the host is a node of a swarm",
      found: error,
      advice: "systemctl start docker, then run again",
    };
  if (state === "locked")
    return {
      message: "the swarm is locked: somebody set autolock, and this Docker was restarted since",
      found: "state locked",
      advice:
        "on this host: docker swarm unlock (its key, on another manager: docker swarm unlock-key); then run again",
    };
  if (state === "pending")
    return {
      message: "this host tries to join a swarm in the background, and reaches no manager",
      found: `state pending${error === "" ? "" : `: ${error}`}`,
      advice: "on this host: docker swarm leave --force; then run again",
    };
  if (state === "error")
    return {
      message: "Docker cannot be what it was in its swarm",
      found: error || "state error",
      advice:
        "see: journalctl -u docker -n 50; if nobody needs that swarm, on this host: docker swarm leave --force",
    };
  if (state === "active" && isManager && swarm === undefined)
    return {
      message: "no quorum: most managers of the swarm do not answer, so nothing can be changed in it",
      found: error || `node ${node} is a manager, and docker node ls does not answer`,
      advice:
        "start the other managers; if they are gone for good, on this host: docker swarm init --force-new-cluster",
    };
  if (state === "inactive" && liveRestore)
    return {
      message: "live-restore and a swarm exclude each other",
      found: "Live Restore Enabled: true in docker info",
      advice:
        "remove live-restore from /etc/docker/daemon.json (or --live-restore from docker.service), and restart Docker: a reload does not switch it off",
    };
  return undefined;
}
