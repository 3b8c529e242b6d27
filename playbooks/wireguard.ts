import {
  definePlaybook,
  docker0Of,
  type Fleet,
  given,
  type HostView,
  type Route,
  type Standing,
  type Static,
  subnetOf,
  Type,
} from "causeway";
import { wireguardInstall } from "../tasks/wireguard-install.ts";
import { wireguardKey } from "../tasks/wireguard-key.ts";
import { wireguardLink } from "../tasks/wireguard-link.ts";
import { reservedNetworks, sharedAddresses } from "./checks/addresses.ts";
import { differingVars } from "./checks/alike.ts";
import { dockersOfUsers, dockersOnNftables, rootlessDockers } from "./checks/docker.ts";
import {
  dockersWithoutDirectRouting,
  foreignFirewalls,
  hostFacts,
  sameHostNames,
  stoppedDockers,
} from "./checks/facts.ts";
import { badSubnets6, narrowForIpv6, swappedSubnets6, unfitForIpv6 } from "./checks/ipv6.ts";
import { conflictingLeftovers, harmlessLeftovers } from "./checks/leftovers.ts";
import { lifelinesTaken } from "./checks/lifelines.ts";
import { foreignNetworks } from "./checks/networks.ts";
import { proofsOf } from "./checks/proofs.ts";
import { ownDocker0, routedClaim, routedUses, routedVars, waysToPeers } from "./checks/routed.ts";
import { badSubnets, outsideOfNetwork, swappedSubnets } from "./checks/subnets.ts";
import {
  badEndpoints,
  earlierLink,
  endpointOf,
  endpointsOf,
  kernelFact,
  linkName,
  linkPort,
  partialRotation,
  publicKeyFact,
  skippedGenerations,
  unreachableEndpoints,
} from "./checks/wireguard.ts";
import { encryptedContainers } from "./schemes/wireguard.ts";

const vars = Type.Object({
  ...routedVars,
  wg_endpoint: Type.Optional(
    Type.String({
      pattern: "^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)$",
      description:
        "where the other hosts reach this one, an IPv4 or IPv6 address or a name; its address in the inventory unless given; none: it calls, and cannot be called",
    }),
  ),
  wg_port: Type.Integer({
    default: 51820,
    minimum: 1,
    maximum: 65_534,
    description: "the UDP port; the one above it is used, too, while keys are replaced",
  }),
  wg_keepalive: Type.Integer({
    default: 25,
    minimum: 0,
    maximum: 65_535,
    description: "seconds between packets to each peer that keep NATs open; 0: none",
  }),
  wg_mtu: Type.Integer({
    default: 1420,
    minimum: 576,
    maximum: 65_455,
    description:
      "the largest packet of a container, in bytes: what the network between the hosts carries, less 80",
  }),
  wg_implementation: Type.Optional(
    Type.Union([Type.Literal("kernel"), Type.Literal("wireguard-go")], {
      description: "who encrypts; the kernel where it can, unless given",
    }),
  ),
  wg_generation: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 999,
    description: "the number of the keys: one more makes new ones on all hosts",
  }),
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
});

type Vars = Static<typeof vars>;

interface Facts {
  publicKey: string | undefined;
  kernel: boolean;
  byHand: { readonly routes: readonly Route[]; readonly standing: readonly Standing[] };
}
type Host = HostView<Vars, Facts>;
type Hosts = Fleet<Vars, Facts>;

function implementationOf({ vars, facts }: Host): "kernel" | "wireguard-go" {
  return vars.wg_implementation ?? (facts.kernel ? "kernel" : "wireguard-go");
}

/**
 * The interface with the peers that answered; with `keep` beside those that it has. Where routes are about to leave an earlier
 * one for it, it first has to hear from them all.
 */
function linkToPeers(host: Host, fleet: Hosts, keep: boolean) {
  const peers = fleet.peersOf(host).filter((peer) => fleet.reached.includes(peer));
  if (fleet.peersOf(host).length === 0) return [];
  return [
    wireguardLink({
      name: linkName(host.vars),
      implementation: implementationOf(host),
      address: host.vars.bip,
      ...(host.vars.fixed_cidr_v6 === undefined
        ? {}
        : { address6: docker0Of(host.vars.fixed_cidr_v6).replace(/\/.*/, "") }),
      port: linkPort(host.vars),
      mtu: host.vars.wg_mtu,
      keepalive: host.vars.wg_keepalive,
      peers: peers.map((peer) => {
        const { publicKey } = peer.facts;
        const endpoint = endpointOf(peer);
        return {
          name: peer.name,
          ...(publicKey === undefined ? {} : { public_key: publicKey }),
          ...(endpoint === undefined ? {} : { endpoint }),
          subnets: [subnetOf(peer.vars.bip), ...subnets6([peer])],
        };
      }),
      keep,
      met: earlierLink(host) !== undefined && host.vars.wg_keepalive > 0,
    }),
  ];
}

/** Each peer's containers are reached by the link; with `keep` beside what the host knows of the subnets that they had before. */
function ways(host: Host, fleet: Hosts, keep: boolean) {
  const by = () => ({ dev: linkName(host.vars) });
  return waysToPeers(host, fleet, { by, comment: "causeway:wireguard", keep });
}

const subnets6 = (hosts: readonly Pick<HostView<Vars>, "vars">[]) =>
  hosts.flatMap(({ vars }) => vars.fixed_cidr_v6 ?? []);

export default definePlaybook({
  name: "wireguard",
  summary: "Every host owns a container subnet, and reaches every peer's through an encrypted link",
  owns: "container-network",
  vars,
  facts: { ...hostFacts, publicKey: publicKeyFact, kernel: kernelFact },
  check: ({ hosts }) => [
    ...sharedAddresses(hosts),
    ...reservedNetworks(hosts, ["bip", "container_network"]),
    ...badSubnets(hosts),
    ...badSubnets6(hosts),
    ...narrowForIpv6(hosts),
    ...outsideOfNetwork(hosts),
    ...badEndpoints(hosts),
    ...differingVars(hosts, ["wg_generation", "wg_mtu", "probe_image"]),
  ],
  preflight: (fleet) => [
    ...sameHostNames(fleet),
    ...unreachableEndpoints(fleet),
    ...skippedGenerations(fleet),
    ...partialRotation(fleet),
    ...lifelinesTaken(
      fleet.reached,
      fleet.hosts.map((host) => ({ network: host.vars.bip, value: given(host, "bip") })),
    ),
    ...unfitForIpv6(fleet),
    ...foreignFirewalls(fleet),
    ...rootlessDockers(fleet),
    ...dockersOnNftables(fleet),
    ...dockersWithoutDirectRouting(fleet),
    ...foreignNetworks(fleet, routedUses),
    ...conflictingLeftovers(fleet, routedClaim),
  ],
  remarks: (fleet) => [
    ...stoppedDockers(fleet),
    ...dockersOfUsers(fleet),
    ...harmlessLeftovers(fleet, routedClaim),
  ],
  topology: ({ hosts }) => ({
    by: "tunnel",
    words: `WireGuard, UDP ${[...new Set(hosts.map(({ vars }) => linkPort(vars)))].join(", ")}`,
    hosts: hosts.map(({ name, vars: { bip } }) => ({ name, subnet: subnetOf(bip) })),
  }),
  // Make before break, as static-route does. A new generation of keys is a second link beside the first, which goes last: it is
  // no longer planned.
  plays: [
    {
      title: "Make each host's key",
      hosts: "docker",
      atOnce: "it only adds",
      tasks: (host) => [
        wireguardInstall({ implementation: implementationOf(host) }),
        wireguardKey({ name: linkName(host.vars) }),
      ],
    },
    {
      title: "Bring up an encrypted link to every peer",
      hosts: "docker",
      learns: ["publicKey"],
      atOnce: "it only adds",
      tasks: (host, fleet) => linkToPeers(host, fleet, true),
    },
    {
      title: "Route to every peer, and let its containers through",
      hosts: "docker",
      atOnce: "what the routes led over before stays until the end of the run",
      tasks: (host, fleet) => ways(host, fleet, true),
    },
    {
      title: "Give each docker0 its own subnet",
      hosts: "docker",
      indivisible: (fleet) => swappedSubnets(fleet) ?? swappedSubnets6(fleet),
      tasks: ({ vars }) => [ownDocker0(vars, vars.wg_mtu)],
    },
    {
      title: "Take away what led to subnets that no host has any more",
      hosts: "docker",
      atOnce: "it only takes away what is no longer needed",
      whenComplete: true,
      learns: ["publicKey"],
      tasks: (host, fleet) => [...linkToPeers(host, fleet, false), ...ways(host, fleet, false)],
    },
  ],
  verify: ({ hosts }) =>
    hosts.slice(0, 1).flatMap(({ vars }) => {
      const withIpv6 = vars.fixed_cidr_v6 !== undefined;
      const endpoints = endpointsOf(hosts);
      const ran = encryptedContainers(linkName(vars), linkPort(vars), { withIpv6, endpoints });
      return proofsOf(ran, hosts, { image: vars.probe_image });
    }),
});
