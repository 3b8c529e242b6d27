import {
  CausewayError,
  Cidr,
  definePlaybook,
  type Fleet,
  type HostView,
  type Static,
  secret,
  Type,
} from "causeway";
import { consulAgent } from "../tasks/consul-agent.ts";
import { dockerdClusterStore } from "../tasks/dockerd-cluster-store.ts";
import { overlayNet } from "../tasks/overlay-net.ts";
import { hostFacts, sameHostNames, wallsOfOthers } from "./checks/facts.ts";
import { type Claim, inTheWay, leftBehind } from "./checks/leftovers.ts";
import { backendFact, badSubnet, swallowedHosts, unfitDockers } from "./checks/overlay.ts";
import { proofOf } from "./checks/proofs.ts";

const vars = Type.Object({
  overlay_name: Type.String({ default: "overlay_1", description: "the network's name in Docker" }),
  overlay_subnet: Cidr({
    default: "10.0.2.0/24",
    description: "the subnet that the containers of all hosts share",
  }),
  consul_gossip_key: Type.Optional(
    secret(Type.String({ description: "encrypts what the agents say to each other; from `consul keygen`" })),
  ),
  consul_ui: Type.Boolean({
    default: false,
    description: "whether agents serve their web pages, on loopback",
  }),
  interrupt_containers: Type.Boolean({
    default: false,
    description: "whether running containers may be stopped by a restart of Docker",
  }),
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
});

const comment = "causeway:overlay";
/** The inventory need not have a group consul: an expression may match nothing where a name may not. */
const dockerOrConsul = "~^(docker|consul)$";

const claim: Claim<Static<typeof vars>> = {
  breaks: ["cluster store", "daemon.json", "consul"],
  keys: ["cluster-store", "cluster-advertise", "cluster-store-opts"],
};

export default definePlaybook({
  name: "overlay",
  summary: "Docker's own overlay network over the hosts, shared through consul",
  owns: "container-network",
  vars,
  facts: { ...hostFacts, backend: backendFact },
  check: (fleet) => [...swallowedHosts(fleet), ...evenServers(fleet)],
  preflight: (fleet) => [
    ...sameHostNames(fleet),
    ...wallsOfOthers(fleet),
    ...unfitDockers(fleet),
    ...badSubnet(fleet),
    ...inTheWay(fleet, claim),
  ],
  remarks: (fleet) => leftBehind(fleet, claim),
  plays: [
    {
      title: "Start consul on every host, open to these hosts only",
      hosts: dockerOrConsul,
      tasks: (host, fleet) => {
        const servers = consulServers(fleet);
        const { consul_gossip_key: gossip_key, consul_ui: ui } = host.vars;
        return [
          consulAgent({
            name: host.name,
            address: host.address,
            server: servers.some((server) => server.name === host.name),
            servers: servers.map(({ address }) => address),
            clients: fleet.hosts.map(({ address }) => address),
            ...(gossip_key === undefined ? {} : { gossip_key }),
            ui,
            data_dir: "/var/lib/consul/causeway",
            comment,
          }),
        ];
      },
    },
    {
      title: "Join every Docker to the store",
      hosts: "docker",
      tasks: ({ address, vars: { interrupt_containers } }) => [
        dockerdClusterStore({ store: "consul://127.0.0.1:8500", address, interrupt_containers }),
      ],
    },
    {
      title: "Make the network, once",
      hosts: "docker",
      once: true,
      tasks: ({ vars: { overlay_name: name, overlay_subnet: subnet } }) => [
        overlayNet({ name, subnet, create: true }),
      ],
    },
    {
      title: "See it on every host",
      hosts: "docker",
      tasks: (host, fleet) => {
        const { overlay_name: name, overlay_subnet: subnet } = host.vars;
        return isMaker(host, fleet) ? [] : [overlayNet({ name, subnet, create: false })];
      },
    },
  ],
  verify: ({ hosts }) =>
    hosts
      .slice(0, 1)
      .map(({ vars: { overlay_name: network, probe_image: image } }) =>
        proofOf({ name: "overlay", network }, hosts, { image }),
      ),
});

/** The servers: the inventory's group of that name, or else the first host of Docker. */
function consulServers<V extends object, F>(fleet: Fleet<V, F>): readonly HostView<V, F>[] {
  const named = fleet.group("consul");
  return named.length > 0 ? named : fleet.group("docker").slice(0, 1);
}

/** The host of the play before, which runs on one. */
function isMaker<V extends object, F>(host: HostView<V, F>, fleet: Fleet<V, F>): boolean {
  return fleet.group("docker").find((h) => fleet.reached.includes(h))?.name === host.name;
}

/** Of two servers, one that is lost stops both. */
function evenServers<V extends object, F>(fleet: Fleet<V, F>): CausewayError[] {
  const servers = consulServers(fleet);
  if (servers.length !== 2) return [];
  return [
    new CausewayError("inventory", "consul with two servers stops when either is lost", {
      found: servers.map((s) => s.name).join(", "),
      expected: "one server, or three and more, in the group consul",
    }),
  ];
}
