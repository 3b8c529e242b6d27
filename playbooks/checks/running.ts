import {
  type Address,
  CausewayError,
  type DockerState,
  defineFact,
  type Fleet,
  type Link,
  type Route,
  type Standing,
  sh,
} from "causeway";
import type { Scheme } from "./proofs.ts";

/** The facts that show which scheme a host runs, whoever built it. */
export interface Running {
  docker: DockerState;
  /** docker0's address in flannel's lease; empty without one. */
  lease: string;
  addresses: readonly Address[];
  links: readonly Link[];
  routes: readonly Route[];
  standing: readonly Standing[];
}

/** Read-only: it does not start a Docker that is stopped. */
export const running = defineFact({
  name: "running",
  read: async (host, { standing }): Promise<Running> => {
    const [docker, lease, addresses, links, routes, stands] = await Promise.all([
      host.docker(),
      host.read(sh`sed -n 's/^FLANNEL_SUBNET=//p' /run/flannel/subnet.env`, {
        looksAt: ["file:/run/flannel"],
      }),
      host.addresses(),
      host.links(),
      host.routes(),
      standing,
    ]);
    return { docker, lease: lease.stdout.trim(), addresses, links, routes, standing: stands };
  },
});

type AnyFleet<V> = Fleet<V, { running: Running }>;
type Host<V> = AnyFleet<V>["hosts"][number];

/** The scheme that all hosts of the fleet run. The error says of each host what it runs, and what to do. */
export function schemeOf<V>(fleet: AnyFleet<V>): Scheme | CausewayError {
  const seen = fleet.reached.map((host) => ({ host, schemes: schemesOn(host, fleet) }));
  const all = new Map(seen.flatMap(({ schemes }) => schemes).map((scheme) => [words(scheme), scheme]));
  // Where flanneld's device is gone, the other hosts tell the backend.
  if (all.size > 1 && [...all.values()].every(({ name }) => name === "flannel")) all.delete("flannel");
  const [one, ...others] = all.values();
  if (one && others.length === 0 && seen.every(({ schemes }) => schemes.length === 1)) {
    const shims = seen.filter(({ host }) => hasShim(host.facts.running)).map(({ host }) => host.name);
    return one.name === "macvlan" ? { ...one, shims } : one;
  }
  return new CausewayError("verify", one ? "the hosts run different schemes" : "no host runs a scheme", {
    found: seen.map(({ host, schemes }) => `${host.name}: ${list(schemes, host.facts.running)}`).join("\n"),
    expected: "the same scheme on all hosts",
    advice: one
      ? "run that scheme's playbook on all of them; or name the network to test: -e probe_network=bridge"
      : "run a scheme's playbook first; or name the network to test: -e probe_network=bridge",
  });
}

/** A scheme's name for messages. */
export function words(scheme: Scheme): string {
  switch (scheme.name) {
    case "static-route":
      return scheme.name;
    case "flannel":
      return scheme.backend === undefined ? "flannel" : `flannel (${scheme.backend})`;
    default:
      return `${scheme.name} (${scheme.network})`;
  }
}

function list(schemes: readonly Scheme[], { docker }: Running): string {
  if (schemes.length > 0) return schemes.map(words).join(" and ");
  return docker.state === "running" ? "none" : `none; Docker is ${docker.state}`;
}

/**
 * What causeway's journal says, where it holds a scheme: what is broken is still that scheme. Without one, what runs says
 * it: a fleet may have been built by hand.
 */
function schemesOn<V>(host: Host<V>, fleet: AnyFleet<V>): Scheme[] {
  const held = heldSchemes(host, fleet);
  return held.length > 0 ? held : shownSchemes(host, fleet);
}

function heldSchemes<V>(host: Host<V>, fleet: AnyFleet<V>): Scheme[] {
  const { running } = host.facts;
  const keys = (task: string) => [
    ...new Set(running.standing.filter((e) => e.task === task).map(({ key }) => key)),
  ];
  const names = (driver: string) => networksOf(running, driver);
  const overlays = keys("overlay-net");
  return [
    ...(keys("static-route").length > 0 ? [{ name: "static-route" } as const] : []),
    ...(keys("flanneld-config").length > 0 ? [flannel(host, fleet)] : []),
    ...keys("macvlan-net").map(macvlan),
    // A host that had Docker's gateway network before holds nothing of the overlay network itself.
    ...(overlays.length > 0 || keys("dockerd-cluster-store").length === 0 ? overlays : names("overlay")).map(
      overlay,
    ),
  ];
}

function shownSchemes<V>(host: Host<V>, fleet: AnyFleet<V>): Scheme[] {
  const { running } = host.facts;
  const docker0 = running.addresses.find(({ dev }) => dev === "docker0")?.cidr;
  const isFlannel = running.lease !== "" && docker0 === running.lease;
  return [
    ...(isFlannel ? [flannel(host, fleet)] : []),
    ...(isRouted(host, fleet) && !isFlannel ? [{ name: "static-route" } as const] : []),
    ...networksOf(running, "macvlan").map(macvlan),
    ...networksOf(running, "overlay").map(overlay),
  ];
}

/** By what flanneld made: its device, or routes through the peers alone. */
function flannel<V>(host: Host<V>, fleet: AnyFleet<V>): Scheme {
  const { links } = host.facts.running;
  const has = (device: string) => links.some(({ name }) => name === device);
  if (has("flannel.1")) return { name: "flannel", backend: "vxlan" };
  if (has("flannel0")) return { name: "flannel", backend: "udp" };
  return { name: "flannel", backend: isRouted(host, fleet) ? "host-gw" : undefined };
}

function isRouted<V>(host: Host<V>, fleet: AnyFleet<V>): boolean {
  const peers = fleet.peersOf(host).map(({ address }) => address);
  return host.facts.running.routes.some(({ via }) => via !== undefined && peers.includes(via));
}

function macvlan(network: string): Scheme {
  return { name: "macvlan", network, shims: [] };
}

function overlay(network: string): Scheme {
  return { name: "overlay", network };
}

/** An overlay network of a swarm's is not one that a store shares. */
function networksOf({ docker }: Running, driver: string): string[] {
  return docker.networks.filter((n) => n.driver === driver && n.scope !== "swarm").map(({ name }) => name);
}

function hasShim({ links }: Running): boolean {
  return links.some(({ name, kind }) => name === "macvlan-shim" && kind === "macvlan");
}
