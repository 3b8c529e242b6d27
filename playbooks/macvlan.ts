import {
  AnyIp,
  Cidr,
  Cidr6,
  defineFact,
  definePlaybook,
  type HostView,
  Ipv4,
  Ipv6,
  type Static,
  Type,
} from "causeway";
import { macvlanNet, readUnderlay, type Underlay } from "../tasks/macvlan-net.ts";
import { macvlanShim } from "../tasks/macvlan-shim.ts";
import { reservedNetworks } from "./checks/addresses.ts";
import { differingVars } from "./checks/alike.ts";
import { dockersOfUsers, rootlessDockers } from "./checks/docker.ts";
import { hostFacts, sameHostNames, stoppedDockers } from "./checks/facts.ts";
import { asked6, withoutIpv6For } from "./checks/ipv4-only.ts";
import { taken, unusable6 } from "./checks/ipv6.ts";
import { type Claim, harmlessLeftovers } from "./checks/leftovers.ts";
import {
  badParents,
  badParts,
  beforeFirstNetwork,
  lifelinesInRanges,
  parentOf,
  parentParams,
  partOf,
  sharedChange,
  standingParent,
  unseenSlices,
  withoutDocker,
} from "./checks/macvlan.ts";
import { withoutIpv6Kernel } from "./checks/macvlan-ipv6.ts";
import { foreignNetworks, type Uses } from "./checks/networks.ts";
import { proofsOf } from "./checks/proofs.ts";
import { sliceFact } from "./checks/slices.ts";
import { macvlanOf } from "./schemes/macvlan.ts";

const vars = Type.Object({
  macvlan_name: Type.String({ default: "macvlan_1", description: "the network's name in Docker" }),
  macvlan_subnet: Cidr({
    default: "172.16.10.0/24",
    description: "the subnet that the containers of all hosts share",
  }),
  macvlan_gateway: Type.Optional(
    Ipv4({ description: "the router of that subnet; default: its first address" }),
  ),
  macvlan_parent: Type.Optional(
    Type.String({
      description: "the parent interface, such as eth0 or eth0.50; default: the one that leads to the peers",
    }),
  ),
  macvlan_range: Type.Optional(
    Cidr({
      description:
        "a host's own part of the subnet; default: the part that its network already has, or one chosen by its place in the inventory",
    }),
  ),
  macvlan_subnet6: Type.Optional(
    Cidr6({ description: "a subnet of IPv6 that they share, too: fd00:16:10::/64" }),
  ),
  macvlan_gateway6: Type.Optional(
    Ipv6({ description: "the router of that subnet; default: its first address" }),
  ),
  macvlan_aux: Type.Record(Type.String(), AnyIp(), {
    default: {},
    description: "addresses in the subnets that no container may get, by name",
  }),
  macvlan_shim: Type.Boolean({
    default: false,
    description: "whether the host gets an interface through which it reaches its own containers",
  }),
  host_ipv6: Type.Optional(
    Ipv6({
      description:
        "a host's own IPv6 address, which no container may get, where `ansible_host` is none and `macvlan_subnet6` contains it",
    }),
  ),
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
  ...asked6,
});

type Vars = Static<typeof vars>;

/** Its packets pass by the host: nothing on the host is in their way. */
const claim: Claim<Vars> = { breaks: [] };

/** The containers may be in the hosts' own subnet, on the parent interface. */
const uses: Uses<Vars, { underlay: Underlay }> = {
  on: (of) => [
    {
      subnet: of.vars.macvlan_subnet,
      what: "the macvlan network",
      variable: "macvlan_subnet",
      of,
      isOfFleet: true,
    },
  ],
  except: ownNames,
};

type MacvlanFleet<F extends { underlay: Underlay }> = Parameters<typeof parentOf<Vars, F>>[1];

/** Its networks and interfaces, and the parent, on which are the hosts' own addresses. */
function ownNames<F extends { underlay: Underlay }>(host: HostView<Vars, F>, fleet: MacvlanFleet<F>) {
  return [host.vars.macvlan_name, "macvlan-shim", ...parentOf(host, fleet)];
}

export default definePlaybook({
  name: "macvlan",
  summary: "All containers in one subnet on the hosts' own network segment, each with its own MAC address",
  owns: "container-network",
  vars,
  facts: {
    ...hostFacts,
    underlay: defineFact({ name: "underlay", read: readUnderlay }),
    slice: sliceFact,
    parent: standingParent,
  },
  check: (fleet) => [
    ...reservedNetworks(fleet.hosts, ["macvlan_subnet"]),
    ...unusable6(fleet.hosts.slice(0, 1), "macvlan_subnet6"),
    ...badParts(fleet),
    ...differingVars(fleet.hosts, ["probe_image"]),
    ...withoutIpv6For(
      fleet.hosts.filter(({ vars }) => vars.macvlan_subnet6 === undefined),
      ["fixed_cidr_v6"],
      {
        scheme: "macvlan",
        why: "macvlan gives containers IPv6 by macvlan_subnet6, and there is none",
        advice:
          "set macvlan_subnet6 as well, such as fd00:16:10::/64, or take fixed_cidr_v6 out of the inventory",
      },
    ),
  ],
  preflight: (fleet) => [
    ...sameHostNames(fleet),
    ...withoutDocker(fleet),
    ...rootlessDockers(fleet),
    ...badParts(fleet),
    ...badParents(fleet),
    ...withoutIpv6Kernel(fleet),
    ...lifelinesInRanges(fleet),
    ...foreignNetworks(fleet, uses),
    ...fleet.reached.flatMap((host) =>
      taken(host, {
        hosts: fleet.hosts.slice(0, 1),
        variable: "macvlan_subnet6",
        what: () => "the macvlan network's IPv6 subnet",
        isOurs: (name) => ownNames(host, fleet).includes(name),
        isOfFleet: true,
        besideLifelines: true,
      }),
    ),
  ],
  remarks: (fleet) => [
    ...stoppedDockers(fleet),
    ...dockersOfUsers(fleet),
    ...harmlessLeftovers(fleet, claim),
    ...unseenSlices(fleet),
  ],
  topology: ({ hosts }) => {
    const [first] = hosts;
    if (!first) return undefined;
    return {
      by: "segment",
      words: "macvlan, on the hosts' own segment",
      network: first.vars.macvlan_subnet,
      hosts: hosts.map(({ name, vars: { macvlan_range: subnet } }) => ({
        name,
        ...(subnet === undefined ? {} : { subnet }),
      })),
    };
  },
  plays: [
    {
      title: "Put a macvlan network on the interface that leads to the peers",
      hosts: "docker",
      atOnce: beforeFirstNetwork,
      indivisible: sharedChange,
      tasks: (host, fleet) => {
        const { macvlan_name: network, macvlan_subnet: subnet, macvlan_shim } = host.vars;
        const { gateway, ip_range, aux, shim: address, six } = partOf(host, fleet);
        const net6 = six && { subnet6: six.subnet, gateway6: six.gateway, ip_range6: six.ip_range };
        const shim6 = six && { address6: six.shim, ip_range6: six.ip_range };
        return [
          macvlanNet({
            name: network,
            subnet,
            gateway,
            ip_range,
            ...net6,
            aux,
            ...parentParams(host, fleet),
          }),
          ...(macvlan_shim
            ? [macvlanShim({ network, address, ip_range, ...shim6, name: "macvlan-shim" })]
            : []),
        ];
      },
    },
  ],
  verify: ({ hosts }) =>
    hosts.slice(0, 1).flatMap(({ vars: { macvlan_name: network, macvlan_subnet6, probe_image: image } }) => {
      const shims = hosts.filter(({ vars }) => vars.macvlan_shim).map(({ name }) => name);
      const withIpv6 = macvlan_subnet6 !== undefined;
      return proofsOf(macvlanOf(network, { shims, withIpv6 }), hosts, { image });
    }),
});
