import { Cidr, definePlaybook, Ipv4, type Static, secret, Type } from "causeway";
import { consulAgent } from "../tasks/consul-agent.ts";
import { dockerdClusterStore, hostFile } from "../tasks/dockerd-cluster-store.ts";
import { etcdInstall } from "../tasks/etcd-install.ts";
import { overlayNet } from "../tasks/overlay-net.ts";
import { peerPorts } from "../tasks/peer-ports.ts";
import { badAddresses, reservedNetworks } from "./checks/addresses.ts";
import { differingVars } from "./checks/alike.ts";
import { archiveOf, archiveVars, incompleteArchives } from "./checks/archive.ts";
import { foreignFirewalls, hostFacts, sameHostNames, stoppedDockers } from "./checks/facts.ts";
import { type Claim, conflictingLeftovers, harmlessLeftovers } from "./checks/leftovers.ts";
import {
  agents,
  apiAddressesNotOnHost,
  badSubnet,
  containersElsewhere,
  containersOfTheDead,
  joining,
  movedServers,
  openApis,
  overlayFacts,
  refusals,
  serversOf,
  storeOf,
  wantedNetwork,
} from "./checks/overlay.ts";
import { badOverlayVars, subnetOverDns } from "./checks/overlay-plan.ts";
import { proofOf } from "./checks/proofs.ts";
import { evenMembers, leavingStore, newStoreOfTwo, storeOfTwo } from "./checks/store.ts";

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
  interrupt_containers: Type.Boolean({
    default: false,
    description: "whether a restart of Docker may stop running containers",
  }),
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
});

const comment = "causeway:overlay";
/** The inventory need not have the groups consul and etcd: an expression may match nothing where a name may not. */
const dockerOrStore = "~^(docker|consul|etcd)$";

const claim: Claim<Static<typeof vars>> = {
  breaks: ["cluster store", "daemon.json", "consul"],
  keys: ["cluster-store", "cluster-advertise", "cluster-store-opts"],
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
    ...incompleteArchives(fleet, "consul"),
    ...incompleteArchives(fleet, "etcd"),
  ],
  preflight: (fleet) => [
    ...sameHostNames(fleet),
    ...foreignFirewalls(fleet),
    ...newStoreOfTwo(fleet, storeOf(fleet)),
    ...movedServers(fleet),
    ...refusals(fleet),
    ...badSubnet(fleet),
    ...subnetOverDns(fleet),
    ...conflictingLeftovers(fleet, claim),
    ...containersElsewhere(fleet),
    ...apiAddressesNotOnHost(fleet),
  ],
  remarks: (fleet) => [
    ...openApis(fleet),
    ...stoppedDockers(fleet),
    ...harmlessLeftovers(fleet, claim),
    ...storeOfTwo(fleet, storeOf(fleet)),
    ...containersOfTheDead(fleet),
    ...evenMembers(fleet, storeOf(fleet)),
  ],
  plays: [
    {
      title: "Start the store, open to these hosts only",
      hosts: dockerOrStore,
      atOnce: "the servers of a new store wait for each other",
      tasks: (host, fleet) => {
        const servers = serversOf(fleet);
        const isServer = servers.some((server) => server.name === host.name);
        const clients = fleet.hosts.map(({ address }) => address);
        // Before the port is opened: an undo then closes the port first, and the rules go after it.
        const portRules =
          host.groups.includes("docker") && host.vars.docker_api === "insecure"
            ? [peerPorts({ tcp: [2375], from: clients, comment: `${comment}-api` })]
            : [];
        if (storeOf(fleet) === "etcd") {
          const members = servers.map(({ name, address }) => ({ name, address }));
          const { name } = host;
          const data_dir = "/var/lib/etcd/causeway";
          return [
            ...portRules,
            ...(isServer
              ? [
                  etcdInstall({
                    name,
                    members,
                    ...leavingStore(fleet, "etcd"),
                    clients,
                    ...archiveOf(host.vars, "etcd"),
                    data_dir,
                    comment,
                  }),
                ]
              : []),
          ];
        }
        if (!isServer && !host.groups.includes("docker")) return [];
        const { consul_gossip_key: gossip_key, consul_ui: ui } = host.vars;
        return [
          ...portRules,
          consulAgent({
            name: host.name,
            address: host.address,
            server: isServer,
            servers: servers.map(({ address }) => address),
            ...(fleet.leaving.length > 0
              ? { leaving: fleet.leaving.map(({ name, address }) => ({ name, address })) }
              : {}),
            clients,
            ...(gossip_key === undefined ? {} : { gossip_key }),
            ui,
            ...archiveOf(host.vars, "consul"),
            data_dir: "/var/lib/consul/causeway",
            comment,
          }),
        ];
      },
    },
    {
      title:
        "Join every Docker to the store, and disconnect containers from a network that has to be recreated",
      hosts: "docker",
      atOnce: "Dockers of two stores do not see each other's networks",
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
      tasks: (host) => [overlayNet({ ...wantedNetwork(host), part: "see" })],
    },
  ],
  verify: (fleet) => {
    const hosts = fleet.group("docker");
    return hosts
      .slice(0, 1)
      .map(({ vars: { overlay_name: network, probe_image: image } }) =>
        proofOf({ name: "overlay", network }, hosts, { image }),
      );
  },
});
