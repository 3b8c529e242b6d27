import {
  CausewayError,
  Cidr,
  contains,
  definePlaybook,
  type Fleet,
  type HostView,
  LocalPath,
  networkOf,
  parseAddress,
  type Static,
  Type,
} from "causeway";
import { etcdInstall } from "../tasks/etcd-install.ts";
import { flannelNetwork } from "../tasks/flannel-network.ts";
import { flanneldConfig } from "../tasks/flanneld-config.ts";
import { hostFacts, offLinkPeers, sameHostNames, wallsOfOthers } from "./checks/facts.ts";
import { type Claim, inTheWay, leftBehind } from "./checks/leftovers.ts";
import { proofOf } from "./checks/proofs.ts";

const vars = Type.Object({
  flannel_network: Cidr({
    default: "192.168.0.0/16",
    description: "the network that all hosts' subnets are cut from",
  }),
  flannel_subnet_len: Type.Integer({
    default: 24,
    minimum: 8,
    maximum: 30,
    description: "the prefix length of one host's subnet",
  }),
  flannel_backend: Type.Union([Type.Literal("udp"), Type.Literal("vxlan"), Type.Literal("host-gw")], {
    default: "vxlan",
    description: "how packets travel between the hosts",
  }),
  flannel_prefix: Type.String({
    default: "/atomic.io/network",
    pattern: "^(/[\\w.-]+)+$",
    description: "the folder of flannel's keys in etcd",
  }),
  flannel_binary: Type.Optional(
    LocalPath({ description: "flanneld as a file of this machine; the one on the hosts unless given" }),
  ),
  interrupt_containers: Type.Boolean({
    default: false,
    description: "whether running containers may lose their network to a restart of Docker",
  }),
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
});

const comment = "causeway:flannel";
/** The inventory need not have a group etcd: an expression may match nothing where a name may not. */
const dockerOrEtcd = "~^(docker|etcd)$";

type Vars = Static<typeof vars>;

const claim: Claim<Vars> = {
  breaks: ["bip", "flannel options", "daemon.json", "route", "etcd", "flanneld"],
  keys: ["bip", "mtu", "ip-masq"],
  networks: ({ vars: { flannel_network } }) => [flannel_network],
};

export default definePlaybook({
  name: "flannel",
  summary: "flannel gives every host a subnet and carries the packets; Docker takes its own from it",
  owns: "container-network",
  vars,
  facts: hostFacts,
  check: (fleet) => [...badNetwork(fleet), ...evenCluster(fleet)],
  preflight: (fleet) => [
    ...sameHostNames(fleet),
    ...wallsOfOthers(fleet),
    ...strangeAddresses(fleet),
    ...(fleet.hosts[0]?.vars.flannel_backend === "host-gw" ? offLinkPeers(fleet) : []),
    ...inTheWay(fleet, claim),
  ],
  remarks: (fleet) => leftBehind(fleet, claim),
  plays: [
    {
      title: "Start etcd, open to these hosts only",
      hosts: dockerOrEtcd,
      tasks: (host, fleet) => {
        const members = etcdHosts(fleet).map(({ name, address }) => ({ name, address }));
        const clients = fleet.hosts.map(({ address }) => address);
        return isEtcd(host, fleet)
          ? [etcdInstall({ name: host.name, members, clients, data_dir: "/var/lib/etcd/causeway", comment })]
          : [];
      },
    },
    {
      title: "Write flannel's network into etcd",
      hosts: dockerOrEtcd,
      // Once: all members show the same keys.
      tasks: (host, fleet) =>
        host.name === etcdHosts(fleet)[0]?.name
          ? [flannelNetwork({ endpoint: `http://${host.address}:2379`, ...networkOfFlannel(host.vars) })]
          : [],
    },
    {
      title: "Give every host a lease, and docker0 its address",
      hosts: "docker",
      tasks: (host, fleet) => [
        flanneldConfig({
          endpoints: etcdHosts(fleet).map(({ address }) => `http://${address}:2379`),
          address: host.address,
          ...networkOfFlannel(host.vars),
          ...(host.vars.flannel_binary === undefined ? {} : { binary: host.vars.flannel_binary }),
          interrupt_containers: host.vars.interrupt_containers,
          comment,
        }),
      ],
    },
  ],
  verify: ({ hosts }) =>
    hosts
      .slice(0, 1)
      .map(({ vars: { flannel_backend: backend, probe_image: image } }) =>
        proofOf({ name: "flannel", backend }, hosts, { image }),
      ),
});

function networkOfFlannel(vars: Vars) {
  return {
    prefix: vars.flannel_prefix,
    network: vars.flannel_network,
    subnet_len: vars.flannel_subnet_len,
    backend: vars.flannel_backend,
  };
}

/** The members of etcd: the inventory's group of that name, or else the first host of Docker. */
function etcdHosts<V, F>(fleet: Fleet<V, F>): readonly HostView<V, F>[] {
  const named = fleet.group("etcd");
  return named.length > 0 ? named : fleet.group("docker").slice(0, 1);
}

function isEtcd<V, F>(host: HostView<V, F>, fleet: Fleet<V, F>): boolean {
  return etcdHosts(fleet).some((member) => member.name === host.name);
}

/** A network that holds the hosts' own addresses would send their packets into the tunnel, and the runner's with them. */
function badNetwork(fleet: Fleet<Vars>): CausewayError[] {
  return fleet.hosts.flatMap(({ name, address, vars }) => {
    const network = networkOf(vars.flannel_network);
    const own = parseAddress(address);
    if (!network || own === undefined || !contains(network, own)) return [];
    return [
      new CausewayError("variables", `flannel_network contains the address of ${name}`, {
        host: name,
        found: `${address} lies in ${vars.flannel_network}`,
        expected: "a network apart from the one by which hosts are reached",
        advice: "give another flannel_network, such as 172.30.0.0/16",
      }),
    ];
  });
}

/** Of two members, one that is lost stops both. */
function evenCluster(fleet: Fleet<Vars>): CausewayError[] {
  const members = etcdHosts(fleet);
  if (members.length !== 2) return [];
  return [
    new CausewayError("inventory", "etcd with two members stops when either is lost", {
      found: members.map((m) => m.name).join(", "),
      expected: "one member, or three and more, in the group etcd",
    }),
  ];
}

/** flanneld binds to the address that its peers send to. */
function strangeAddresses<F extends { addresses: readonly { address: string }[] }>(
  fleet: Fleet<Vars, F>,
): CausewayError[] {
  return fleet.reached.flatMap(({ name, address, facts }) =>
    facts.addresses.some((own) => own.address === address)
      ? []
      : [
          new CausewayError("host", `${address} is no address of ${name}`, {
            host: name,
            found: facts.addresses.map((own) => own.address).join(", "),
            expected: "an ansible_host that is an address on the host itself",
          }),
        ],
  );
}
