import { type Step, sh, step } from "causeway";

/** A node as a manager knows it. */
export interface SwarmNode {
  id: string;
  /** Its host's name, for people. */
  name: string;
}

const touches = ["docker", "shared:docker"];
const roleOf = (id: string) => sh`docker node inspect -f '{{.Spec.Role}}' ${id}`;

/** Makes a worker a manager; performed on a manager. */
export function promoteNode({ id, name }: SwarmNode): Step {
  return step.run({
    what: `swarm node ${name}`,
    from: "worker",
    to: "manager",
    do: sh`cw_swarm_role promote ${id}`,
    done: sh`[ "$(${roleOf(id)})" = manager ]`,
    // One that has left since has no role.
    undo: sh`! docker node inspect ${id} >/dev/null 2>&1 || cw_swarm_role demote ${id}`,
    touches,
  });
}

/** Makes a manager a worker; performed on another manager. */
export function demoteNode({ id, name }: SwarmNode): Step {
  return step.run({
    what: `swarm node ${name}`,
    from: "manager",
    to: "worker",
    do: sh`cw_swarm_role demote ${id}`,
    done: sh`[ "$(${roleOf(id)})" = worker ]`,
    undo: sh`! docker node inspect ${id} >/dev/null 2>&1 || cw_swarm_role promote ${id}`,
    touches,
  });
}

/** Has the managers forget a node that has left, or is dead; performed on a manager. One that is up is left alone. */
export function forgetNode({ id, name }: SwarmNode): Step {
  return step.run({
    what: `swarm node ${name}`,
    from: "left, or about to leave",
    to: "forgotten",
    do: sh`cw_swarm_forget ${id}`,
    done: sh`! docker node inspect ${id} >/dev/null 2>&1`,
    // There is nothing that could be brought back: what joins again is a new node.
    undo: sh`:`,
    touches,
    timeoutMs: 120_000,
  });
}
