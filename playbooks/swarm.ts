import { Cidr, Cidr6, definePlaybook, type Fleet, type HostView, type Static, Type } from "causeway";
import { peerPorts } from "../tasks/peer-ports.ts";
import { swarmMembers } from "../tasks/swarm-members.ts";
import { swarmNet } from "../tasks/swarm-net.ts";
import { swarmNode } from "../tasks/swarm-node.ts";
import { swarmNodes } from "../tasks/swarm-nodes.ts";
import { badAddresses, reservedNetworks } from "./checks/addresses.ts";
import { differingVars } from "./checks/alike.ts";
import { dockersOfUsers, dockersOnNftables, rootlessDockers } from "./checks/docker.ts";
import { foreignFirewalls, hostFacts, sameHostNames, stoppedDockers } from "./checks/facts.ts";
import { asked6, withoutIpv6For } from "./checks/ipv4-only.ts";
import { type Claim, conflictingLeftovers, harmlessLeftovers } from "./checks/leftovers.ts";
import { foreignNetworks, poolsOverlapping, type Uses } from "./checks/networks.ts";
import { proofOf } from "./checks/proofs.ts";
import {
  badSwarmVars,
  changedNetwork,
  doorsOf,
  keeperOf,
  managersOf,
  networksOverDns,
  pooledPrefix,
  poolOf,
  refusedSwarms,
  starterOf,
  swarmFacts,
  swarmIn,
  swarmRemarks,
  wantedNetwork,
} from "./checks/swarm.ts";
import { clusterStore } from "./schemes/overlay.ts";
import { swarmOf, swarmOfOthers } from "./schemes/swarm.ts";

const vars = Type.Object({
  swarm_name: Type.String({ default: "swarm_1", description: "the network's name in Docker" }),
  swarm_subnet: Cidr({
    default: "10.199.0.0/24",
    description: "the subnet that the containers of all hosts share",
  }),
  swarm_pool: Type.Optional(
    Cidr({
      description:
        "out of which Docker takes the subnets of its own networks in the swarm, ingress first; default: the pool that the swarm has, or a /16 from 10.200.0.0 on in which nothing is",
    }),
  ),
  swarm_data_port: Type.Integer({
    default: 4789,
    minimum: 1024,
    maximum: 49_151,
    description: "the UDP port of the containers' packets between the hosts",
  }),
  swarm_encrypted: Type.Boolean({
    default: false,
    description: "whether these packets are encrypted; the kernels need ESP",
  }),
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
  swarm_subnet6: Type.Optional(
    Cidr6({ description: "refused: Docker's overlay networks carry no IPv6 between hosts" }),
  ),
  ...asked6,
});

type Vars = Static<typeof vars>;

const comment = "causeway:swarm";

const claim: Claim<Vars> = { breaks: [swarmOfOthers, clusterStore] };

const uses: Uses<Vars, { swarm: unknown }> = {
  on: (of, fleet) => {
    const one = { of, isOfFleet: true } as const;
    const pool = poolOf(fleet as never);
    return [
      { ...one, subnet: of.vars.swarm_subnet, what: "the swarm's network", variable: "swarm_subnet" },
      ...(pool === undefined
        ? []
        : [{ ...one, subnet: pool, what: "the pool of the swarm's other networks", variable: "swarm_pool" }]),
    ];
  },
  except: ({ vars: { swarm_name } }) => [swarm_name, "ingress", "docker_gwbridge"],
};

export default definePlaybook({
  name: "swarm",
  summary: "Docker's own overlay network across the hosts of a swarm, without a store beside it",
  owns: "container-network",
  vars,
  facts: { ...hostFacts, ...swarmFacts },
  check: (fleet) => [
    ...differingVars(fleet.hosts, [
      "swarm_name",
      "swarm_subnet",
      "swarm_pool",
      "swarm_data_port",
      "swarm_encrypted",
      "probe_image",
    ]),
    ...badAddresses(fleet.hosts),
    ...reservedNetworks(fleet.group("docker").slice(0, 1), ["swarm_subnet", "swarm_pool"]),
    ...badSwarmVars(fleet),
    ...withoutIpv6For(fleet.group("docker"), ["swarm_subnet6", "fixed_cidr_v6"], {
      scheme: "swarm",
      why: "Docker's overlay networks carry no IPv6 between hosts: of a network with a subnet of it Docker 28 makes nothing but the name, and Docker 26 gives two containers one address, and nothing crosses",
    }),
  ],
  preflight: (fleet) => [
    ...sameHostNames(fleet),
    ...foreignFirewalls(fleet),
    ...rootlessDockers(fleet),
    ...dockersOnNftables(fleet, "a swarm does not work with nftables (Docker's documentation)"),
    ...conflictingLeftovers(fleet, claim),
    ...refusedSwarms(fleet),
    ...foreignNetworks(fleet, uses),
    ...networksOverDns(fleet),
  ],
  remarks: (fleet) => [
    ...stoppedDockers(fleet),
    ...dockersOfUsers(fleet),
    ...harmlessLeftovers(fleet, claim),
    ...swarmRemarks(fleet),
    ...poolsOverlapping(fleet, uses),
  ],
  topology: (fleet) => {
    const hosts = fleet.group("docker");
    const [first] = hosts;
    if (!first) return undefined;
    const { swarm_data_port: port, swarm_subnet: network } = first.vars;
    return {
      by: "tunnel",
      words: `vxlan of swarm, UDP ${port}`,
      network,
      hosts: hosts.map(({ name }) => ({ name })),
    };
  },
  plays: [
    {
      title: "Open the swarm's ports to these hosts only",
      hosts: "docker",
      atOnce: "it only adds",
      tasks: ({ vars: { swarm_data_port: data } }, fleet) => [
        peerPorts({ tcp: [2377, 7946], udp: [7946, data], from: addressesOf(fleet), comment }),
      ],
    },
    {
      title: "Start the swarm, once",
      hosts: "docker",
      atOnce: "it is one host's",
      tasks: (host, fleet) => (isSame(host, starterOf(fleet)) ? [starting(host, fleet)] : []),
    },
    {
      title: "Take containers off a network that has to be made anew",
      hosts: "docker",
      indivisible: changedNetwork,
      tasks: (host) => [swarmMembers({ ...wantedNetwork(host), part: "leave" })],
    },
    {
      title: "Make the network, once",
      hosts: "docker",
      learns: ["swarm"],
      atOnce: "it is one network for all hosts",
      tasks: (host, fleet) => (isSame(host, keeperOf(fleet)) ? [swarmNet(wantedNetwork(host))] : []),
    },
    {
      title: "Let the other managers in",
      hosts: "docker",
      learns: ["swarm"],
      oneByOne: "those that are there keep their quorum",
      gate: () => [],
      tasks: (host, fleet) => (isManager(host, fleet) ? joining(host, fleet, "manager") : []),
    },
    {
      title: "Let the workers in",
      hosts: "docker",
      learns: ["swarm"],
      atOnce: "it only adds",
      tasks: (host, fleet) => (isManager(host, fleet) ? [] : joining(host, fleet, "worker")),
    },
    {
      title: "Make managers of workers that are to be some",
      hosts: "docker",
      learns: ["swarm"],
      atOnce: "the managers know the roles of all",
      tasks: (host, fleet) =>
        isSame(host, keeperOf(fleet)) ? [swarmNodes({ ...rolesOf(fleet), part: "promote" })] : [],
    },
    {
      title: "Make workers of managers that are none any more, and forget nodes that are gone",
      hosts: "docker",
      learns: ["swarm"],
      atOnce: "the managers know the roles of all",
      tasks: (host, fleet) =>
        isSame(host, keeperOf(fleet)) ? [swarmNodes({ ...rolesOf(fleet), part: "settle" })] : [],
    },
    {
      title: "Put containers back on a network that was made anew",
      hosts: "docker",
      atOnce: "it only adds",
      tasks: (host) => [swarmMembers({ ...wantedNetwork(host), part: "return" })],
    },
  ],
  verify: (fleet) => {
    const hosts = fleet.group("docker");
    return hosts
      .slice(0, 1)
      .map(({ vars: { swarm_name: network, swarm_data_port: port, probe_image: image } }) =>
        proofOf(swarmOf(network, port), hosts, { image }),
      );
  },
});

type Facts = Parameters<typeof managersOf>[0] extends Fleet<infer _V, infer F> ? F : never;
type Host = HostView<Vars, Facts>;
type Hosts = Fleet<Vars, Facts>;

function isSame(host: { readonly name: string }, other: { readonly name: string } | undefined): boolean {
  return host.name === other?.name;
}

function isManager(host: Host, fleet: Hosts): boolean {
  return managersOf(fleet).some(({ name }) => name === host.name);
}

function addressesOf<F>(fleet: Fleet<Vars, F>): string[] {
  return fleet.hosts.map(({ address }) => address);
}

function starting({ address, vars }: Host, fleet: Hosts) {
  const start = { data_port: vars.swarm_data_port, pool: poolOf(fleet) ?? "", prefix: pooledPrefix };
  return swarmNode({ address, role: "manager", start });
}

/** The host that starts the swarm does not join it. */
function joining(host: Host, fleet: Hosts, role: "manager" | "worker") {
  if (isSame(host, starterOf(fleet))) return [];
  const token = swarmIn(fleet)?.tokens[role];
  const managers = doorsOf(fleet).filter((address) => address !== host.address);
  return [swarmNode({ address: host.address, role, managers, ...(token === undefined ? {} : { token }) })];
}

function rolesOf(fleet: Hosts) {
  const nodes = fleet.reached.map((host) => ({ host, name: host.name, node: host.facts.swarm.node }));
  const named = ({ name, node }: (typeof nodes)[number]) => ({ name, node });
  return {
    managers: nodes.filter(({ host }) => isManager(host, fleet)).map(named),
    workers: nodes.filter(({ host }) => !isManager(host, fleet)).map(named),
    gone: fleet.leaving.map(({ address }) => address),
  };
}
