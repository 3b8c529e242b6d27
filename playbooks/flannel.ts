import {
  Cidr,
  DownloadUrl,
  definePlaybook,
  FetchedBy,
  type Fleet,
  type HostView,
  LocalPath,
  Sha256,
  type Static,
  subnetOf,
  Type,
} from "causeway";
import { etcdInstall } from "../tasks/etcd-install.ts";
import { flannelNetwork } from "../tasks/flannel-network.ts";
import { flannelPeers } from "../tasks/flannel-peers.ts";
import { flanneldConfig } from "../tasks/flanneld-config.ts";
import { storeHealth } from "../tasks/store-health.ts";
import { badAddresses, reservedNetworks } from "./checks/addresses.ts";
import { differingVars } from "./checks/alike.ts";
import { archiveOf, archiveVars, incompleteArchives } from "./checks/archive.ts";
import { clockFact, clocksApart } from "./checks/clocks.ts";
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
  addressesNotOnHost,
  beforeFirstLease,
  flannelFact,
  mixedFlannelds,
  partialReconfiguration,
  sharedChange,
} from "./checks/flannel.ts";
import { badFlannelVars, networkOverLifelines } from "./checks/flannel-plan.ts";
import { asked6, withoutIpv6For } from "./checks/ipv4-only.ts";
import { type Claim, conflictingLeftovers, harmlessLeftovers } from "./checks/leftovers.ts";
import { foreignNetworks, poolsOverlapping, type Uses } from "./checks/networks.ts";
import { proofOf } from "./checks/proofs.ts";
import {
  evenMembers,
  leavingStore,
  movedStore,
  newStoreOfTwo,
  storeFact,
  storeHosts,
  storeOfTwo,
  storeRunsFact,
  withoutQuorum,
} from "./checks/store.ts";
import { flanneldStarted, flannelOf, flannelOptions } from "./schemes/flannel.ts";
import { bipFlag } from "./schemes/static-route.ts";
import { etcdStarted } from "./schemes/stores.ts";

const vars = Type.Object({
  flannel_network: Cidr({
    default: "192.168.0.0/16",
    description: "the network that contains the subnets of all hosts",
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
    LocalPath({
      description: "a flanneld file on this machine; without it, the flanneld on the hosts is used",
    }),
  ),
  flannel_url: Type.Optional(
    DownloadUrl({ description: "the URL of a flannel release, or of flanneld itself" }),
  ),
  flannel_sha256: Type.Optional(Sha256({ description: "the checksum of the file at flannel_url" })),
  flannel_fetch: FetchedBy({ default: "host", description: "who downloads flannel_url" }),
  flannel_package: Type.Optional(
    Type.String({
      pattern: "^[a-z0-9][a-z0-9+.-]*$",
      description: "the distribution's package that contains flanneld, instead of a file",
    }),
  ),
  ...archiveVars("etcd", "etcd and etcdctl"),
  probe_image: Type.String({ default: "busybox", description: "the image that ping-check starts" }),
  ...asked6,
});

const comment = "causeway:flannel";
/** What flanneld was told of etcd, where this playbook did it. */
const endpoints = {
  files: ["/etc/sysconfig/flanneld", "/etc/default/flanneld"],
  pattern: /^# Written by causeway.*\nFLANNEL_ETCD_ENDPOINTS=.*/,
};
/** The inventory need not have a group etcd: an expression may match nothing where a name may not. */
const dockerOrEtcd = "~^(docker|etcd)$";

type Vars = Static<typeof vars>;

const claim: Claim<Vars> = {
  breaks: [bipFlag, flannelOptions, etcdStarted, flanneldStarted],
  keys: ["bip", "bridge", "mtu", "ip-masq"],
  networks: ({ vars: { flannel_network } }) => [flannel_network],
};

const uses: Uses<Vars, object> = {
  on: (of) => [
    {
      subnet: of.vars.flannel_network,
      what: "flannel's network",
      variable: "flannel_network",
      of,
      isOfFleet: true,
    },
  ],
  except: () => ["docker0"],
};

export default definePlaybook({
  name: "flannel",
  summary: "flannel gives every host a subnet and carries the packets; Docker uses that subnet",
  owns: "container-network",
  vars,
  facts: {
    ...hostFacts,
    clock: clockFact,
    flannel: flannelFact,
    store: storeFact(() => endpoints),
    storeRuns: storeRunsFact(() => "etcd.service", "flannel"),
  },
  check: (fleet) => [
    ...differingVars(fleet.group("docker"), [
      "flannel_network",
      "flannel_subnet_len",
      "flannel_backend",
      "flannel_prefix",
      "probe_image",
    ]),
    ...badAddresses(fleet.hosts),
    ...reservedNetworks(fleet.group("docker"), ["flannel_network"]),
    ...badFlannelVars(fleet),
    ...withoutIpv6For(fleet.hosts, ["fixed_cidr_v6"], {
      scheme: "flannel",
      why: "flannel leases its subnets itself, and hands Docker one of IPv4 alone (mk-docker-opts.sh); a flanneld from before 2022 has no IPv6 in etcd at all",
    }),
    ...incompleteArchives(fleet, "etcd"),
  ],
  preflight: (fleet) => [
    ...sameHostNames(fleet),
    ...foreignFirewalls(fleet),
    ...dockersWithoutDirectRouting(fleet),
    ...dockersOnNftables(fleet),
    ...rootlessDockers(fleet),
    ...networkOverLifelines(fleet),
    ...clocksApart(fleet),
    ...newStoreOfTwo(fleet, "etcd"),
    ...movedStore(fleet, "etcd"),
    ...addressesNotOnHost(fleet),
    ...mixedFlannelds(fleet),
    ...partialReconfiguration(fleet),
    ...(fleet.group("docker")[0]?.vars.flannel_backend === "host-gw" ? offLinkPeers(fleet) : []),
    ...foreignNetworks(fleet, uses),
    ...conflictingLeftovers(fleet, claim),
  ],
  remarks: (fleet) => [
    ...stoppedDockers(fleet),
    ...dockersOfUsers(fleet),
    ...harmlessLeftovers(fleet, claim),
    ...storeOfTwo(fleet, "etcd"),
    ...evenMembers(fleet, "etcd"),
    ...poolsOverlapping(fleet, uses),
  ],
  topology: (fleet) => {
    const hosts = fleet.group("docker");
    const [first] = hosts;
    if (!first) return undefined;
    const { flannel_backend: backend, flannel_network: network } = first.vars;
    return {
      by: backend === "host-gw" ? "routes" : "tunnel",
      words: `flannel (${backend})`,
      network,
      hosts: hosts.map((host) => leasedTo(host, fleet)),
    };
  },
  plays: [
    {
      title: "Start etcd, open to these hosts only",
      hosts: dockerOrEtcd,
      atOnce: (fleet) => withoutQuorum(fleet, etcdHosts(fleet)),
      oneByOne: "the other members keep the quorum",
      gate: (fleet) => [storeHealth({ store: "etcd", members: membersOf(fleet) })],
      tasks: (host, fleet) => {
        const members = membersOf(fleet);
        if (!members.some(({ name }) => name === host.name)) return [];
        const clients = fleet.hosts.map(({ address }) => address);
        const source = archiveOf(host.vars, "etcd");
        const { name } = host;
        return [
          etcdInstall({
            name,
            members,
            ...leavingStore(fleet, "etcd"),
            clients,
            ...source,
            data_dir: "/var/lib/etcd/causeway",
            comment,
          }),
        ];
      },
    },
    {
      title: "Write flannel's network into etcd",
      hosts: dockerOrEtcd,
      atOnce: "it is one key for all hosts",
      // Once: all members show the same keys.
      tasks: (host, fleet) =>
        host.name === etcdHosts(fleet)[0]?.name
          ? [
              flannelNetwork({
                endpoint: `http://${host.address}:2379`,
                ...networkOfFleet(fleet, host),
                ...(fleet.leaving.length > 0 ? { left: fleet.leaving.map(({ address }) => address) } : {}),
              }),
            ]
          : [],
    },
    {
      title: "Give every host a lease, and docker0 its address",
      hosts: "docker",
      atOnce: beforeFirstLease,
      indivisible: sharedChange,
      tasks: (host, fleet) => [
        flanneldConfig({
          endpoints: etcdUrls(fleet),
          address: host.address,
          ...networkOfFlannel(host.vars),
          ...sourceOfFlannel(host.vars),
          comment,
        }),
      ],
    },
    {
      title: "Check that every host knows the others' leases",
      hosts: "docker",
      tasks: (host, fleet) => [
        flannelPeers({
          endpoints: etcdUrls(fleet),
          prefix: host.vars.flannel_prefix,
          backend: host.vars.flannel_backend,
          peers: fleet
            .group("docker")
            .filter(({ name }) => name !== host.name)
            .map(({ name, address }) => ({ name, address })),
        }),
      ],
    },
  ],
  verify: (fleet) => {
    const hosts = fleet.group("docker");
    return hosts
      .slice(0, 1)
      .map(({ vars: { flannel_backend: backend, probe_image: image } }) =>
        proofOf(flannelOf(backend), hosts, { image }),
      );
  },
});

/** A host with the subnet that its flanneld has leased; which one it will get nobody knows before. */
function leasedTo(
  { name }: { readonly name: string },
  {
    reached,
  }: {
    readonly reached: readonly {
      name: string;
      facts: { flannel: { lease: { subnet: string } | undefined } };
    }[];
  },
) {
  const lease = reached.find((host) => host.name === name)?.facts.flannel.lease;
  return lease ? { name, subnet: subnetOf(lease.subnet) } : { name };
}

/** As the hosts of Docker have it, all alike: one that only keeps etcd need not be told. */
function networkOfFleet<F>(fleet: Fleet<Vars, F>, member: HostView<Vars, F>) {
  return networkOfFlannel((fleet.group("docker")[0] ?? member).vars);
}

function networkOfFlannel(vars: Vars) {
  return {
    prefix: vars.flannel_prefix,
    network: vars.flannel_network,
    subnet_len: vars.flannel_subnet_len,
    backend: vars.flannel_backend,
  };
}

function sourceOfFlannel(vars: Vars) {
  const { flannel_binary, flannel_url, flannel_sha256, flannel_fetch, flannel_package } = vars;
  if (flannel_binary !== undefined) return { binary: flannel_binary };
  if (flannel_url !== undefined && flannel_sha256 !== undefined)
    return { archive: { url: flannel_url, sha256: flannel_sha256, fetch: flannel_fetch } };
  return flannel_package === undefined ? {} : { package: flannel_package };
}

type Store = { store: readonly string[] };

function etcdHosts<V, F extends Store>(fleet: Fleet<V, F>): readonly HostView<V, F>[] {
  return storeHosts(fleet, "etcd");
}

function membersOf<V, F extends Store>(fleet: Fleet<V, F>): { name: string; address: string }[] {
  return etcdHosts(fleet).map(({ name, address }) => ({ name, address }));
}

function etcdUrls<V, F extends Store>(fleet: Fleet<V, F>): string[] {
  return etcdHosts(fleet).map(({ address }) => `http://${address}:2379`);
}
