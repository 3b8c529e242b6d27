import { Cidr, defineFact, definePlaybook, Ipv4, type Static, Type } from "causeway";
import { macvlanNet, readUnderlay, type Underlay } from "../tasks/macvlan-net.ts";
import { macvlanShim } from "../tasks/macvlan-shim.ts";
import { reservedNetworks } from "./checks/addresses.ts";
import { differingVars } from "./checks/alike.ts";
import { dockersOfUsers, rootlessDockers } from "./checks/docker.ts";
import { hostFacts, sameHostNames, stoppedDockers } from "./checks/facts.ts";
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
import { foreignNetworks, type Uses } from "./checks/networks.ts";
import { proofOf } from "./checks/proofs.ts";
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
  macvlan_aux: Type.Record(Type.String(), Ipv4(), {
    default: {},
    description: "addresses in the subnet that no container may get, by name",
  }),
  macvlan_shim: Type.Boolean({
    default: false,
    description: "whether the host gets an interface through which it reaches its own containers",
  }),
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
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
  except: (host, fleet) => [host.vars.macvlan_name, "macvlan-shim", ...parentOf(host, fleet)],
};

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
    ...badParts(fleet),
    ...differingVars(fleet.hosts, ["probe_image"]),
  ],
  preflight: (fleet) => [
    ...sameHostNames(fleet),
    ...withoutDocker(fleet),
    ...rootlessDockers(fleet),
    ...badParts(fleet),
    ...badParents(fleet),
    ...lifelinesInRanges(fleet),
    ...foreignNetworks(fleet, uses),
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
        const { macvlan_name: name, macvlan_subnet: subnet, macvlan_shim } = host.vars;
        const { gateway, ip_range, aux, shim: address } = partOf(host, fleet);
        return [
          macvlanNet({ name, subnet, gateway, ip_range, aux, ...parentParams(host, fleet) }),
          ...(macvlan_shim ? [macvlanShim({ network: name, address, ip_range, name: "macvlan-shim" })] : []),
        ];
      },
    },
  ],
  verify: ({ hosts }) =>
    hosts.slice(0, 1).map(({ vars: { macvlan_name: network, probe_image: image } }) => {
      const shims = hosts.filter(({ vars }) => vars.macvlan_shim).map(({ name }) => name);
      return proofOf(macvlanOf(network, shims), hosts, { image });
    }),
});
