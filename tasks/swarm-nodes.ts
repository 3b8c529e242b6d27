import { CausewayError, defineTask, Ipv4, later, type PlanItem, Type } from "causeway";
import { readSwarm } from "./swarm-node/state.ts";
import { demoteNode, forgetNode, promoteNode } from "./swarm-nodes/steps.ts";

const Names = (description: string) =>
  Type.Array(
    Type.Object(
      {
        name: Type.String({ description: "the host's name, for people" }),
        node: Type.String({ description: "its node's id; empty as long as it has none" }),
      },
      { additionalProperties: false },
    ),
    { description },
  );

const params = Type.Object(
  {
    managers: Names("the hosts that are to be managers"),
    workers: Names("the hosts that are to be workers"),
    part: Type.Union([Type.Literal("promote"), Type.Literal("settle")], {
      description:
        "two plays: promote makes managers; settle makes workers of those that are none any more, forgets nodes that are gone, and waits until all hosts are ready",
    }),
    gone: Type.Optional(
      Type.Array(Ipv4(), {
        default: [],
        description: "the addresses of hosts that leave the fleet: their nodes are forgotten",
      }),
    ),
  },
  { additionalProperties: false },
);

/**
 * What the managers have of the nodes: who is a manager, who a worker, and who is forgotten. It runs on one manager, and is the
 * fleet's. A node of the same host that is down, because the host left and joined again, is forgotten, too; a node of nobody's
 * in the inventory is left alone.
 */
export const swarmNodes = defineTask({
  name: "swarm-nodes",
  summary: "The roles of a swarm's nodes, and which of them are forgotten",
  params,
  key: () => "nodes",
  scope: "fleet",
  settles: "40s",
  read: readSwarm,
  present: ({ swarm, state, error }, { managers, workers, part, gone = [] }): readonly PlanItem[] => {
    // A check of the first run comes before the swarm.
    if (state === "inactive" || state === "stopped") return [later("the swarm is started first")];
    if (swarm === undefined)
      throw new CausewayError("host", "this host cannot change the nodes of the swarm", {
        found: error || `state ${state}`,
        command: "docker node ls",
        expected: "a manager of a swarm whose managers have a quorum",
        advice: "start the other managers of the swarm, then run again",
      });
    const { nodes } = swarm;
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const wrong = (hosts: typeof managers, role: string) =>
      hosts
        .filter(({ node }) => byId.has(node) && byId.get(node)?.role !== role)
        .map(({ name, node: id }) => ({ id, name }));
    if (part === "promote") return wrong(managers, "manager").map(promoteNode);
    const hosts = [...managers, ...workers];
    const ours = new Set(hosts.map(({ node }) => node));
    const addresses = new Set(nodes.filter(({ id }) => ours.has(id)).map(({ address }) => address));
    const forgotten = nodes.filter(
      ({ id, address, state }) =>
        !ours.has(id) && (gone.includes(address) || (state === "down" && addresses.has(address))),
    );
    const waiting = [
      ...hosts
        .filter(({ node }) => byId.get(node)?.state !== "ready")
        .map(({ name }) => `${name} is not ready`),
      // A node that its host has left is down some seconds later, and only then it can be forgotten.
      ...nodes
        .filter(({ id, address, state }) => !ours.has(id) && state !== "down" && addresses.has(address))
        .map(({ hostname }) => `the node that ${hostname} was before is not down`),
    ];
    return [
      ...wrong(workers, "worker").map(demoteNode),
      ...forgotten.map(({ id, hostname: name }) => forgetNode({ id, name })),
      ...(waiting.length > 0 ? [later(`not yet settled: ${waiting.join(", ")}`)] : []),
    ];
  },
});
