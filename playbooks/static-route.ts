import {
  Cidr,
  definePlaybook,
  type Fleet,
  given,
  type HostView,
  InterfaceCidr,
  type Static,
  subnetOf,
  Type,
} from "causeway";
import { dockerBip } from "../tasks/docker-bip.ts";
import { iptablesForward } from "../tasks/iptables-forward.ts";
import { staticRoute } from "../tasks/static-route.ts";
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
  subnet6,
  swappedSubnets6,
  unfitForIpv6,
} from "./checks/ipv6.ts";
import { type Claim, conflictingLeftovers, harmlessLeftovers } from "./checks/leftovers.ts";
import { lifelinesTaken } from "./checks/lifelines.ts";
import { foreignNetworks, type Uses } from "./checks/networks.ts";
import { proofsOf } from "./checks/proofs.ts";
import { badSubnets, outsideOfNetwork, swappedSubnets } from "./checks/subnets.ts";
import { flannelOptions } from "./schemes/flannel.ts";
import { peers6 } from "./schemes/scheme.ts";
import { bipFlag, routedContainers } from "./schemes/static-route.ts";

const vars = Type.Object({
  bip: InterfaceCidr({
    description: "the address of docker0 and the prefix of its subnet, a host: 192.168.100.1/24",
  }),
  container_network: Type.Optional(
    Cidr({
      description:
        "one network that holds the container subnets of all hosts; then two rules let them all through, whatever hosts there are",
    }),
  ),
  ...subnet6,
  ...ownAddresses,
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
});

const comment = "causeway:static-route";

type Vars = Static<typeof vars>;

/** A bip in daemon.json is this scheme's own key: docker-bip takes it over. */
const claim: Claim<Vars> = {
  breaks: [bipFlag, flannelOptions],
  networks: (_, { hosts }) => hosts.map(({ vars: { bip } }) => subnetOf(bip)),
  replaces: (host, fleet) => fleet.peersOf(host).map(({ vars: { bip } }) => subnetOf(bip)),
};

/** Each host has routes to all peers' subnets, and in its own is docker0. */
const uses: Uses<Vars, object> = {
  on: (_, { hosts }) =>
    hosts.map((of) => ({
      subnet: subnetOf(of.vars.bip),
      what: `the container subnet of ${of.name}`,
      variable: "bip",
      of,
    })),
  except: () => ["docker0"],
};

/** What a host needs to know of its peers' subnets; with `keep` beside what it knows of those that they had before. */
function waysToPeers<F>(host: HostView<Vars, F>, fleet: Fleet<Vars, F>, keep: boolean) {
  const routes = fleet.peersOf(host).map((peer) => ({ to: subnetOf(peer.vars.bip), via: ipv4Of(peer) }));
  // Alone it has nobody to route to: what an earlier run did for its peers is undone.
  if (routes.length === 0) return [];
  const { bip, container_network } = host.vars;
  const peers = container_network === undefined ? routes.map(({ to }) => to) : [container_network];
  return [
    staticRoute({ name: "peers", routes, keep }),
    iptablesForward({ own: subnetOf(bip), peers, comment, keep }),
    ...waysToPeers6(host, fleet, keep),
  ];
}

/** The same for their subnets of IPv6; nothing where they have none. */
function waysToPeers6<F>(host: HostView<Vars, F>, fleet: Fleet<Vars, F>, keep: boolean) {
  const { fixed_cidr_v6: own } = host.vars;
  if (own === undefined) return [];
  const routes = fleet.peersOf(host).flatMap((peer) => {
    const [to, via] = [peer.vars.fixed_cidr_v6, ipv6Of(peer)];
    return to === undefined || via === undefined ? [] : [{ to, via }];
  });
  return [
    staticRoute({ name: peers6, routes, keep }),
    iptablesForward({ own, peers: routes.map(({ to }) => to), comment, keep }),
  ];
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
    ...foreignNetworks(fleet, uses),
    ...conflictingLeftovers(fleet, claim),
  ],
  remarks: (fleet) => [
    ...stoppedDockers(fleet),
    ...dockersOfUsers(fleet),
    ...harmlessLeftovers(fleet, claim),
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
      tasks: (host, fleet) => waysToPeers(host, fleet, true),
    },
    {
      title: "Give each docker0 its own subnet",
      hosts: "docker",
      indivisible: (fleet) => swappedSubnets(fleet) ?? swappedSubnets6(fleet),
      tasks: ({ vars: { bip, fixed_cidr_v6 } }) => [
        dockerBip({ bip, direct_routing: true, ...(fixed_cidr_v6 === undefined ? {} : { fixed_cidr_v6 }) }),
      ],
    },
    {
      title: "Take away what led to subnets that no host has any more",
      hosts: "docker",
      atOnce: "it only takes away what is no longer needed",
      whenComplete: true,
      tasks: (host, fleet) => waysToPeers(host, fleet, false),
    },
  ],
  verify: ({ hosts }) => {
    const withIpv6 = hosts.some(({ vars }) => vars.fixed_cidr_v6 !== undefined);
    return proofsOf(routedContainers(withIpv6), hosts, { image: hosts[0]?.vars.probe_image });
  },
});
