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
import { badAddresses, reservedNetworks } from "./checks/addresses.ts";
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
import { type Claim, conflictingLeftovers, harmlessLeftovers } from "./checks/leftovers.ts";
import { lifelinesTaken } from "./checks/lifelines.ts";
import { foreignNetworks, type Uses } from "./checks/networks.ts";
import { proofOf } from "./checks/proofs.ts";
import { badSubnets, outsideOfNetwork, swappedSubnets } from "./checks/subnets.ts";
import { flannelOptions } from "./schemes/flannel.ts";
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
  const routes = fleet
    .peersOf(host)
    .map(({ address, vars: { bip } }) => ({ to: subnetOf(bip), via: address }));
  // Alone it has nobody to route to: what an earlier run did for its peers is undone.
  if (routes.length === 0) return [];
  const { bip, container_network } = host.vars;
  const peers = container_network === undefined ? routes.map(({ to }) => to) : [container_network];
  return [
    staticRoute({ name: "peers", routes, keep }),
    iptablesForward({ own: subnetOf(bip), peers, comment, keep }),
  ];
}

export default definePlaybook({
  name: "static-route",
  summary: "Every host owns a container subnet, and every peer routes to it",
  owns: "container-network",
  vars,
  facts: hostFacts,
  check: ({ hosts }) => [
    ...badAddresses(hosts),
    ...reservedNetworks(hosts, ["bip", "container_network"]),
    ...badSubnets(hosts),
    ...outsideOfNetwork(hosts),
    ...differingVars(hosts, ["probe_image"]),
  ],
  preflight: (fleet) => [
    ...sameHostNames(fleet),
    ...offLinkPeers(fleet),
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
      indivisible: swappedSubnets,
      tasks: ({ vars: { bip } }) => [dockerBip({ bip, direct_routing: true })],
    },
    {
      title: "Take away what led to subnets that no host has any more",
      hosts: "docker",
      atOnce: "it only takes away what is no longer needed",
      whenComplete: true,
      tasks: (host, fleet) => waysToPeers(host, fleet, false),
    },
  ],
  verify: ({ hosts }) => [proofOf(routedContainers, hosts, { image: hosts[0]?.vars.probe_image })],
});
