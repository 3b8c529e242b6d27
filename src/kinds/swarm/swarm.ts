import { type Secret, sh } from "../../host/sh.ts";
import type { Step } from "../../task/step.ts";

export interface StartSwarmStep {
  /** At which the other nodes reach this one. */
  address: string;
  /** UDP: the containers' packets. */
  dataPort: number;
  /** Out of which Docker takes the subnets of networks that have none given. */
  pool: string;
  /** The length of their prefixes. */
  prefix: number;
}

/** Starts a swarm of Docker's with this host as its first manager. */
export function startSwarm({ address, dataPort, pool, prefix }: StartSwarmStep): Step {
  return {
    ...node(`manager of a new swarm at ${address}, networks out of ${pool}, packets on UDP ${dataPort}`),
    perform: sh`cw_swarm_start ${address} ${dataPort} ${pool} ${prefix}`,
  };
}

export interface JoinSwarmStep {
  address: string;
  /** It decides whether the node is a manager or a worker. */
  token: Secret;
  role: "manager" | "worker";
  /** The addresses of managers. */
  managers: readonly string[];
}

/** Makes the host a node of a swarm that exists. */
export function joinSwarm({ address, token, role, managers }: JoinSwarmStep): Step {
  return {
    ...node(`${role} at ${address}, through ${managers.join(", ")}`),
    perform: sh`cw_swarm_join ${address} ${token} ${managers}`,
  };
}

function node(to: string): Omit<Step, "perform"> {
  return {
    kind: "swarm",
    what: "swarm",
    from: null,
    to,
    resource: ["swarm", "node"],
    touches: ["docker", "link", "route", "rule", "shared:docker"],
    causes: [],
  };
}
