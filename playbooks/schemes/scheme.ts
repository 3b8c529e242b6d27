import type { Address, DockerState, Family, HostView, Link, Route, Script, Standing, Static } from "causeway";
import type { Wire } from "../../tasks/ping-check/wire.ts";
import type { pingCheck } from "../../tasks/ping-check.ts";
import type { ByHand, Said } from "../checks/by-hand.ts";
import type { Trace } from "../checks/traces.ts";

/**
 * All that others have to know of a scheme: how it is recognised where it runs, how it is proved, how its packets cross the
 * wire, and what is found of it where somebody made it by hand. Its playbook, its tasks and its variables are its own.
 */
export interface Scheme {
  /** Its playbook's name. */
  name: string;
  /** What its packets may cross the wire as. */
  wires: readonly Wire[];
  /** What a host runs as causeway's journal holds it there: what is broken is still that scheme. */
  held(on: Place): readonly Ran[];
  /** What a host runs as it shows: a fleet may have been built by hand. */
  shown(on: Place): readonly Ran[];
  /** Looks at a host, through the shell alone: prints lines `@WORD value`, which `said` then has. */
  look?: Script;
  /** The processes that it consists of, by their names. */
  processes?: readonly string[];
  /** What is found of it where it was made by hand. */
  traces?: readonly Trace[];
  /** Whether a network or an interface of this name is there because of a step of its that stands. */
  makes?(stands: Standing, name: string): boolean;
  /** The network for which a daemon that causeway set up makes routes and rules itself. */
  serves?(byHand: ByHand): string | undefined;
}

/** A scheme as hosts run it. */
export interface Ran {
  /** What tells it from another, for a person: `flannel (vxlan)`. */
  words: string;
  /** This host does not tell which one; where other hosts tell, it is theirs. */
  unsure?: true;
  /** By which addresses its containers reach each other; IPv4's alone unless said. */
  families?: readonly Family[];
  /** What its proof is asked, of these hosts. */
  proof(hosts: readonly string[]): ProofParams;
}

export type ProofParams = Pick<
  Static<(typeof pingCheck)["definition"]["params"]>,
  "network" | "wire" | "names" | "pairs" | "family"
>;

/** The facts that show what a host runs, whoever built it. */
export interface Running {
  docker: DockerState;
  addresses: readonly Address[];
  links: readonly Link[];
  routes: readonly Route[];
  /** What the schemes' own looks printed. */
  said: Said;
  standing: readonly Standing[];
}

/** A host, and the others. */
export interface Place {
  on: Running;
  /** The addresses of the others. */
  peers: readonly string[];
  /** All hosts that answered. */
  reached: readonly Pick<HostView<unknown, { running: Running }>, "name" | "facts">[];
}

/** The keys under which steps of a task stand on a host. */
export function keysOf({ standing }: Running, task: string): string[] {
  return [...new Set(standing.filter((entry) => entry.task === task).map(({ key }) => key))];
}

/** Whether causeway routes containers of IPv6 there, too. */
export function isRouted6(on: Running): boolean {
  return keysOf(on, "static-route").includes(peers6);
}

/** What the list of the routes of IPv6 is called. */
export const peers6 = "peers6";

/** Docker's networks of a driver, by name, where one daemon alone or a store has them; those of a swarm are not among them. */
export function networksOf({ docker }: Running, driver: string): string[] {
  return docker.networks.filter((n) => n.driver === driver && n.scope !== "swarm").map(({ name }) => name);
}

/** Whether a route leads through another host. */
export function isRouted({ on, peers }: Place): boolean {
  return on.routes.some(({ via }) => via !== undefined && peers.includes(via));
}
