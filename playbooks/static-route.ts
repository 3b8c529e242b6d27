import { definePlaybook, type Fleet, given, type HostView, type Static, subnetOf, Type } from "causeway";
import { badAddresses, ipv4Of, reservedNetworks } from "./checks/addresses.ts";
import { differingVars } from "./checks/alike.ts";
import { dockersOfUsers, dockersOnNftables, rootlessDockers } from "./checks/docker.ts";
import {
  dockersWithoutDirectRouting,
  foreignFirewalls,
  hostFacts,
  offLinkPeers,
  sameHostNames,
  stoppedDockers,
} from "./checks/facts.ts";
import {
  badAddresses6,
  badSubnets6,
  ipv6Of,
  offLinkPeers6,
  ownAddresses,
  swappedSubnets6,
  unfitForIpv6,
} from "./checks/ipv6.ts";
import { conflictingLeftovers, harmlessLeftovers } from "./checks/leftovers.ts";
import { lifelinesTaken } from "./checks/lifelines.ts";
import { foreignNetworks } from "./checks/networks.ts";
import { proofsOf } from "./checks/proofs.ts";
import { ownDocker0, routedClaim, routedUses, routedVars, waysToPeers } from "./checks/routed.ts";
import { badSubnets, outsideOfNetwork, swappedSubnets } from "./checks/subnets.ts";
import { routedContainers } from "./schemes/static-route.ts";

const vars = Type.Object({
  ...routedVars,
  ...ownAddresses,
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
});

type Vars = Static<typeof vars>;

/** Each peer's containers are reached by the peer itself; with `keep` beside what the host knows of the subnets that they had before. */
function ways<F>(host: HostView<Vars, F>, fleet: Fleet<Vars, F>, keep: boolean) {
  const by = (peer: HostView<Vars, F>, family: 4 | 6) => {
    const via = family === 4 ? ipv4Of(peer) : ipv6Of(peer);
    return via === undefined ? undefined : { via };
  };
  return waysToPeers(host, fleet, { by, comment: "causeway:static-route", keep });
}

export default definePlaybook({
  name: "static-route",
  summary: "Every host owns a container subnet, and every peer routes to it",
  owns: "container-network",
  vars,
  facts: hostFacts,
  check: ({ hosts }) => [
    ...badAddresses(hosts, { by: "host_ipv4" }),
    ...badAddresses6(hosts),
    ...badSubnets6(hosts),
    ...reservedNetworks(hosts, ["bip", "container_network"]),
    ...badSubnets(hosts),
    ...outsideOfNetwork(hosts),
    ...differingVars(hosts, ["probe_image"]),
  ],
  preflight: (fleet) => [
    ...sameHostNames(fleet),
    ...offLinkPeers(fleet),
    ...unfitForIpv6(fleet),
    ...offLinkPeers6(fleet),
    ...lifelinesTaken(
      fleet.reached,
      fleet.hosts.map((host) => ({ network: host.vars.bip, value: given(host, "bip") })),
    ),
    ...foreignFirewalls(fleet),
    ...dockersWithoutDirectRouting(fleet),
    ...dockersOnNftables(fleet),
    ...rootlessDockers(fleet),
    ...foreignNetworks(fleet, routedUses),
    ...conflictingLeftovers(fleet, routedClaim),
  ],
  remarks: (fleet) => [
    ...stoppedDockers(fleet),
    ...dockersOfUsers(fleet),
    ...harmlessLeftovers(fleet, routedClaim),
  ],
  topology: ({ hosts }) => ({
    by: "routes",
    words: "a route of each host to each peer's subnet",
    hosts: hosts.map(({ name, vars: { bip } }) => ({ name, subnet: subnetOf(bip) })),
  }),
  // Make before break: whoever is asked for a new subnet has it in every peer's routes and rules before, and none loses its
  // route meanwhile.
  plays: [
    {
      title: "Route to every peer, and let its containers through",
      hosts: "docker",
      atOnce: "it only adds",
      tasks: (host, fleet) => ways(host, fleet, true),
    },
    {
      title: "Give each docker0 its own subnet",
      hosts: "docker",
      indivisible: (fleet) => swappedSubnets(fleet) ?? swappedSubnets6(fleet),
      tasks: ({ vars }) => [ownDocker0(vars)],
    },
    {
      title: "Take away what led to subnets that no host has any more",
      hosts: "docker",
      atOnce: "it only takes away what is no longer needed",
      whenComplete: true,
      tasks: (host, fleet) => ways(host, fleet, false),
    },
  ],
  verify: ({ hosts }) => {
    const withIpv6 = hosts.some(({ vars }) => vars.fixed_cidr_v6 !== undefined);
    return proofsOf(routedContainers(withIpv6), hosts, { image: hosts[0]?.vars.probe_image });
  },
});
