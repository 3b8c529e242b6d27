import {
  type Address,
  CausewayError,
  contains,
  type Fleet,
  given,
  givenAddress,
  type HostView,
  lastAddress,
  meet,
  networkOf,
  overlaps,
  type Route,
  subnetOf,
  together,
} from "causeway";
import { ipv4Of } from "./addresses.ts";
import { handedOver } from "./handed-over.ts";

type Host = HostView<{ bip: string }, unknown>;

/** Errors in a plan of subnets, before the first connection. */
export function badSubnets(hosts: readonly Host[]): CausewayError[] {
  return [...sharedBips(hosts), ...overlappingBips(hosts), ...bipsOverHosts(hosts)];
}

/** One line that gives several hosts their bip is one fault, not one for each pair of them. */
function sharedBips(hosts: readonly Host[]): CausewayError[] {
  return [...byLine(hosts).values()].flatMap((sharing) => {
    const [first, second] = sharing;
    if (!first || !second) return [];
    return [
      new CausewayError("variables", `one bip is given to ${sharing.length} hosts`, {
        ...together(...sharing.slice(0, 4).map((host) => given(host, "bip"))),
        expected: "a different subnet for each host",
        advice: `give each host a bip of its own, below its name in the inventory: bip: ${first.vars.bip}`,
      }),
    ];
  });
}

/** The hosts by the line that gives them their bip. */
function byLine(hosts: readonly Host[]): Map<string, Host[]> {
  const lines = new Map<string, Host[]>();
  for (const host of hosts) {
    const line = lineOf(host);
    lines.set(line, [...(lines.get(line) ?? []), host]);
  }
  return lines;
}

function lineOf(host: Host): string {
  const at = host.whereIs?.("bip");
  return at ? `${at.file}:${at.line}:${at.column}` : host.name;
}

/** For each host the first that it overlaps: of many alike, one error a host. */
function overlappingBips(hosts: readonly Host[]): CausewayError[] {
  const apart = (one: Host, other: Host) => {
    const [a, b] = [networkOf(one.vars.bip), networkOf(other.vars.bip)];
    return !a || !b || !overlaps(a, b) || lineOf(one) === lineOf(other);
  };
  return hosts.flatMap((one, index) => {
    const other = hosts.slice(0, index).find((before) => !apart(one, before));
    if (!other) return [];
    return [
      new CausewayError("variables", `the container subnets of ${other.name} and ${one.name} overlap`, {
        ...together(given(one, "bip"), given(other, "bip")),
        found: `${subnetOf(other.vars.bip)} and ${subnetOf(one.vars.bip)}`,
        expected: "a different subnet for each host",
        advice: `give ${one.name} another bip`,
      }),
    ];
  });
}

function bipsOverHosts(hosts: readonly Host[]): CausewayError[] {
  return hosts.flatMap((one) =>
    hosts
      .filter((peer) => meet(one.vars.bip, ipv4Of(peer)))
      .map(
        (peer) =>
          new CausewayError(
            "variables",
            `the container subnet of ${one.name} contains the management address of ${peer.name}`,
            {
              ...together(given(one, "bip"), givenAddress(peer)),
              found: `${ipv4Of(peer)} is in ${subnetOf(one.vars.bip)}`,
              expected: "a container subnet outside the network on which hosts are reached",
              advice: `give ${one.name} another bip; with this one the host would lose its connection`,
            },
          ),
      ),
  );
}

interface Ways {
  addresses: readonly Address[];
  byHand: { readonly routes: readonly Route[] };
}

/**
 * What changes that cannot be led to on both sides: a subnet that docker0 of another host has until its turn comes. What a
 * host has that is not in this run, the others' routes tell.
 */
export function swappedSubnets<F extends Ways>(fleet: Fleet<{ bip: string }, F>): string | undefined {
  const { reached } = fleet;
  const wanted = reached.map(({ name, vars: { bip } }) => ({ name, network: subnetOf(bip) }));
  const here = reached.flatMap(({ name, facts }) =>
    facts.addresses.flatMap(({ dev, cidr }) =>
      dev === "docker0" ? [{ name, network: subnetOf(cidr) }] : [],
    ),
  );
  const elsewhere = fleet.hosts
    .filter((host) => !reached.includes(host))
    .flatMap((host) =>
      reached
        .flatMap(({ facts }) => facts.byHand.routes.filter(({ via }) => via === ipv4Of(host)))
        .map(({ dst }) => ({ name: host.name, network: dst })),
    );
  return handedOver(wanted, [...here, ...elsewhere]);
}

/** A network for all containers has to hold each host's subnet, or that host's packets would be dropped. */
export function outsideOfNetwork(
  hosts: readonly HostView<{ bip: string; container_network?: string }, unknown>[],
): CausewayError[] {
  const networks = new Map(hosts.map((host) => [host.vars.container_network, host]));
  return [...networks.values()].flatMap((host) => {
    const network = networkOf(host.vars.container_network ?? "");
    if (!network) return [];
    const outside = hosts.filter(({ vars: { bip } }) => {
      const subnet = networkOf(bip);
      return subnet && !(contains(network, subnet.first) && contains(network, lastAddress(subnet)));
    });
    return outside.map(
      (peer) =>
        new CausewayError(
          "variables",
          `the container_network of ${host.name} does not contain the subnet of ${peer.name}`,
          {
            ...together(given(host, "container_network"), given(peer, "bip")),
            host: host.name,
            found: `${subnetOf(peer.vars.bip)} is outside ${host.vars.container_network}`,
            expected: "one network that contains every host's bip",
            advice: `choose a larger container_network, or another bip for ${peer.name}; without container_network the subnets themselves are used`,
          },
        ),
    );
  });
}
