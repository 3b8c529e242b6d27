import { Cidr, definePlaybook, type Fleet, type HostView, Ipv4, type Static, secret, Type } from "causeway";
import { consulAgent } from "../tasks/consul-agent.ts";
import { dockerdClusterStore, hostFile } from "../tasks/dockerd-cluster-store.ts";
import { etcdInstall } from "../tasks/etcd-install.ts";
import { overlayNet } from "../tasks/overlay-net.ts";
import { peerPorts } from "../tasks/peer-ports.ts";
import { storeHealth } from "../tasks/store-health.ts";
import { badAddresses, reservedNetworks } from "./checks/addresses.ts";
import { differingVars } from "./checks/alike.ts";
import { archiveOf, archiveVars, incompleteArchives } from "./checks/archive.ts";
import { dockersOfUsers, rootlessDockers } from "./checks/docker.ts";
import { foreignFirewalls, hostFacts, sameHostNames, stoppedDockers } from "./checks/facts.ts";
import { asked6, withoutIpv6For } from "./checks/ipv4-only.ts";
import { type Claim, conflictingLeftovers, harmlessLeftovers } from "./checks/leftovers.ts";
import { foreignNetworks, poolsOverlapping, type Uses } from "./checks/networks.ts";
import {
  agents,
  apiAddressesNotOnHost,
  beforeFirstNetwork,
  containersElsewhere,
  containersOfTheDead,
  joining,
  movedServers,
  openApis,
  overlayFacts,
  refusals,
  serversOf,
  sharedChange,
  storeOf,
  wantedNetwork,
} from "./checks/overlay.ts";
import { badOverlayVars, subnetOverDns } from "./checks/overlay-plan.ts";
import { proofOf } from "./checks/proofs.ts";
import { evenMembers, leavingStore, newStoreOfTwo, storeOfTwo, withoutQuorum } from "./checks/store.ts";
import { clusterStore, overlayOf } from "./schemes/overlay.ts";
import { consulStarted } from "./schemes/stores.ts";
import { swarmOfOthers } from "./schemes/swarm.ts";

const vars = Type.Object({
  overlay_name: Type.String({ default: "overlay_1", description: "the network's name in Docker" }),
  overlay_subnet: Cidr({
    default: "10.0.2.0/24",
    description: "the subnet that the containers of all hosts share",
  }),
  overlay_store: Type.Union([Type.Literal("consul"), Type.Literal("etcd")], {
    default: "consul",
    description: "where the Docker daemons keep their shared state",
  }),
  consul_gossip_key: Type.Optional(
    secret(Type.String({ description: "encrypts the traffic between the agents; from `consul keygen`" })),
  ),
  consul_ui: Type.Boolean({
    default: false,
    description: "whether agents serve consul's web interface, on loopback",
  }),
  ...archiveVars("consul", "consul"),
  ...archiveVars("etcd", "etcd and etcdctl"),
  docker_api: Type.Union([Type.Literal("closed"), Type.Literal("tls"), Type.Literal("insecure")], {
    default: "closed",
    description:
      "whether Docker's API listens on the network: tls on port 2376 for clients with a certificate; insecure on port 2375, where every host of the inventory is root",
  }),
  docker_api_address: Type.Optional(
    Ipv4({ description: "the address on which it listens; default: the host's own" }),
  ),
  docker_tls_ca: Type.Optional(hostFile("on the host: the CA that signed the clients' certificates")),
  docker_tls_cert: Type.Optional(hostFile("on the host: the host's certificate")),
  docker_tls_key: Type.Optional(hostFile("on the host: the key of that certificate")),
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
  ...asked6,
});

const comment = "causeway:overlay";
/** The inventory need not have the groups consul and etcd: an expression may match nothing where a name may not. */
const dockerOrStore = "~^(docker|consul|etcd)$";

const claim: Claim<Vars> = {
  breaks: [clusterStore, consulStarted, swarmOfOthers],
  keys: ["cluster-store", "cluster-advertise", "cluster-store-opts"],
};

const uses: Uses<Vars, object> = {
  on: (of) => [
    {
      subnet: of.vars.overlay_subnet,
      what: "the overlay network",
      variable: "overlay_subnet",
      of,
      isOfFleet: true,
    },
  ],
  except: ({ vars: { overlay_name } }) => [overlay_name],
};

export default definePlaybook({
  name: "overlay",
  summary: "Docker's own overlay network across the hosts, shared through consul or etcd",
  owns: "container-network",
  vars,
  facts: { ...hostFacts, ...overlayFacts },
  check: (fleet) => [
    ...differingVars(fleet.group("docker"), [
      "overlay_name",
      "overlay_subnet",
      "overlay_store",
      "probe_image",
    ]),
    ...differingVars(agents(fleet), ["consul_gossip_key"], { secret: true }),
    ...badAddresses(fleet.hosts),
    ...reservedNetworks(fleet.group("docker"), ["overlay_subnet"]),
    ...badOverlayVars(fleet),
    ...withoutIpv6For(fleet.hosts, ["fixed_cidr_v6"], {
      scheme: "overlay",
      why: "Docker's overlay networks carry no IPv6 between hosts",
    }),
    ...incompleteArchives(fleet, "consul"),
    ...incompleteArchives(fleet, "etcd"),
  ],
  preflight: (fleet) => [
    ...sameHostNames(fleet),
    ...foreignFirewalls(fleet),
    ...rootlessDockers(fleet),
    ...newStoreOfTwo(fleet, storeOf(fleet)),
    ...movedServers(fleet),
    ...refusals(fleet),
    ...foreignNetworks(fleet, uses),
    ...subnetOverDns(fleet),
    ...conflictingLeftovers(fleet, claim),
    ...containersElsewhere(fleet),
    ...apiAddressesNotOnHost(fleet),
  ],
  remarks: (fleet) => [
    ...openApis(fleet),
    ...stoppedDockers(fleet),
    ...dockersOfUsers(fleet),
    ...harmlessLeftovers(fleet, claim),
    ...storeOfTwo(fleet, storeOf(fleet)),
    ...containersOfTheDead(fleet),
    ...evenMembers(fleet, storeOf(fleet)),
    ...poolsOverlapping(fleet, uses),
  ],
  topology: (fleet) => {
    const hosts = fleet.group("docker");
    const [first] = hosts;
    if (!first) return undefined;
    const { overlay_subnet: network } = first.vars;
    return {
      by: "tunnel",
      words: "vxlan of Docker, UDP 4789",
      network,
      hosts: hosts.map(({ name }) => ({ name })),
    };
  },
  plays: [
    {
      title: "Start the servers of the store, open to these hosts only",
      hosts: dockerOrStore,
      atOnce: (fleet) => withoutQuorum(fleet, serversOf(fleet)),
      oneByOne: "the other servers keep the quorum",
      gate: (fleet) => [storeHealth({ store: storeOf(fleet), members: membersOf(fleet) })],
      tasks: (host, fleet) => (isServer(host, fleet) ? [server(host, fleet)] : []),
    },
    {
      title: "Lead every other Docker to the store",
      hosts: "docker",
      atOnce: beforeFirstNetwork,
      tasks: (host, fleet) => [
        // Before the port is opened: an undo then closes the port first, and the rules go after it.
        ...(host.vars.docker_api === "insecure"
          ? [peerPorts({ tcp: [2375], from: addressesOf(fleet), comment: `${comment}-api` })]
          : []),
        ...(storeOf(fleet) === "consul" && !isServer(host, fleet) ? [agent(host, fleet, false)] : []),
      ],
    },
    {
      title:
        "Join every Docker to the store, and disconnect containers from a network that has to be recreated",
      hosts: "docker",
      atOnce: beforeFirstNetwork,
      indivisible: sharedChange,
      tasks: (host, fleet) => [
        dockerdClusterStore(joining(host, fleet)),
        overlayNet({ ...wantedNetwork(host), part: "leave" }),
      ],
    },
    {
      title: "Create the network, once",
      hosts: "docker",
      runOnce: true,
      tasks: (host) => [overlayNet({ ...wantedNetwork(host), part: "make" })],
    },
    {
      title: "Check that every host sees it",
      hosts: "docker",
      atOnce: "it only adds",
      tasks: (host) => [overlayNet({ ...wantedNetwork(host), part: "see" })],
    },
  ],
  verify: (fleet) => {
    const hosts = fleet.group("docker");
    return hosts
      .slice(0, 1)
      .map(({ vars: { overlay_name: network, probe_image: image } }) =>
        proofOf(overlayOf(network), hosts, { image }),
      );
  },
});

type Vars = Static<typeof vars>;
type Known = { store: readonly string[] };
type Host = HostView<Vars, Known>;

function isServer(host: { readonly name: string }, fleet: Fleet<Vars, Known>): boolean {
  return serversOf(fleet).some(({ name }) => name === host.name);
}

function membersOf(fleet: Fleet<Vars, Known>): { name: string; address: string }[] {
  return serversOf(fleet).map(({ name, address }) => ({ name, address }));
}

function addressesOf(fleet: Fleet<Vars, Known>): string[] {
  return fleet.hosts.map(({ address }) => address);
}

function server(host: Host, fleet: Fleet<Vars, Known>) {
  if (storeOf(fleet) === "consul") return agent(host, fleet, true);
  return etcdInstall({
    name: host.name,
    members: membersOf(fleet),
    ...leavingStore(fleet, "etcd"),
    clients: addressesOf(fleet),
    ...archiveOf(host.vars, "etcd"),
    data_dir: "/var/lib/etcd/causeway",
    comment,
  });
}

function agent({ name, address, vars }: Host, fleet: Fleet<Vars, Known>, isOne: boolean) {
  const { consul_gossip_key: gossip_key, consul_ui: ui } = vars;
  return consulAgent({
    name,
    address,
    server: isOne,
    servers: membersOf(fleet).map((member) => member.address),
    ...(fleet.leaving.length > 0
      ? { leaving: fleet.leaving.map(({ name, address }) => ({ name, address })) }
      : {}),
    clients: addressesOf(fleet),
    ...(gossip_key === undefined ? {} : { gossip_key }),
    ui,
    ...archiveOf(vars, "consul"),
    data_dir: "/var/lib/consul/causeway",
    comment,
  });
}
