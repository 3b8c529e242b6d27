import {
  AnyIp,
  CausewayError,
  Cidr,
  Cidr6,
  contains,
  type DockerState,
  defineTask,
  dockerStarts,
  familyOf,
  Ipv4,
  Ipv6,
  type Link,
  later,
  meet,
  type NetworkMember,
  networkOf,
  type PlanItem,
  parseAddress,
  type Reader,
  type Route,
  type Static,
  sh,
  step,
  Type,
  type UnitState,
} from "causeway";

const params = Type.Object(
  {
    name: Type.String({ minLength: 1, description: "the network's name in Docker" }),
    subnet: Cidr({ description: "the subnet that the containers of all hosts share" }),
    gateway: Ipv4({ description: "the router of that subnet" }),
    ip_range: Type.Optional(
      Cidr({ description: "the part of the subnet from which this host's Docker assigns addresses" }),
    ),
    subnet6: Type.Optional(Cidr6({ description: "a subnet of IPv6 that they share beside it" })),
    gateway6: Type.Optional(Ipv6({ description: "the router of that subnet" })),
    ip_range6: Type.Optional(Cidr6({ description: "the part of it from which this host's Docker assigns" })),
    aux: Type.Optional(
      Type.Record(Type.String(), AnyIp(), {
        description: "addresses in these subnets that Docker must not assign, by name",
      }),
    ),
    parent: Type.Optional(
      Type.String({
        pattern: "^[^\\s/]{1,15}$",
        description: "the parent interface; default: the one that leads to the peers",
      }),
    ),
    peers: Type.Optional(Type.Array(Ipv4(), { description: "the other hosts' addresses" })),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

/** The addresses of one family. */
interface PoolSeen {
  subnets: readonly string[];
  gateway: string;
  ipRange: string;
}

/** A Docker network as `docker network inspect` tells it, as far as it matters here. */
export interface NetworkSeen extends PoolSeen {
  name: string;
  driver: string;
  /** Those of IPv6, where the network has it. */
  six?: PoolSeen;
  aux: Readonly<Record<string, string>>;
  parent: string;
  mode: string;
  internal: boolean;
}

interface State extends Underlay {
  docker: DockerState;
  /** docker.service, where it does not run. */
  unit: Pick<UnitState, "active" | "enabled"> | undefined;
  /** docker0's address; undefined where there is none. */
  docker0: string | undefined;
  networks: readonly NetworkSeen[];
  members: readonly NetworkMember[];
}

/** What decides which interface can carry the network. */
export interface Underlay {
  routes: readonly Route[];
  links: readonly Link[];
  /** Whether the kernel can make 802.1q sub-interfaces. */
  vlans: boolean;
}

/** A Docker network whose containers stand on the hosts' own network segment, each with its own MAC address. */
export const macvlanNet = defineTask({
  name: "macvlan-net",
  summary: "A macvlan network on the interface that leads to the peers",
  params,
  key: ({ name }) => name,
  read: async (host, { name }): Promise<State> => {
    const [underlay, docker, addresses, networks, members] = await Promise.all([
      readUnderlay(host),
      host.docker(),
      host.addresses(),
      readNetworks(host),
      host.networkMembers(name),
    ]);
    const docker0 = addresses.find(({ dev }) => dev === "docker0")?.cidr;
    // Asked only where it matters: every run would pay for it.
    const unit = docker.state === "stopped" ? await host.unit("docker.service") : undefined;
    return { ...underlay, docker, unit, docker0, networks, members };
  },
  present: (state, params): readonly PlanItem[] => {
    refuseWithoutDocker(state.docker);
    const parent = parentFor(state, params);
    if (state.unit)
      return [
        ...dockerStarts(state.unit, state.docker0, { now: true }),
        later("Docker lists its networks once it runs"),
      ];
    const wanted = networkWanted(params, parent);
    const now = state.networks.find((n) => n.name === wanted.name);
    if (now && words(now) === words(wanted)) return [];
    refuseConflictingNetworks(state.networks, wanted);
    refuseLostAddresses(state.members, wanted);
    const create = step.dockerNetwork({
      name: wanted.name,
      driver: "macvlan",
      subnet: params.subnet,
      gateway: params.gateway,
      ...(params.ip_range ? { ipRange: params.ip_range } : {}),
      ...sixAsked(params),
      auxAddresses: wanted.aux,
      options: { parent },
      was: now ? words(now) : null,
    });
    return [{ ...create, to: [words(wanted), ...movedContainers(state.members, wanted)].join("; ") }];
  },
});

export async function readUnderlay(host: Reader): Promise<Underlay> {
  const [routes, links, vlans] = await Promise.all([
    host.routes(),
    host.links(),
    host.read(sh`[ -d /proc/net/vlan ] || modprobe -n -q 8021q`, { looksAt: [] }),
  ]);
  return { routes, links, vlans: vlans.code === 0 };
}

/** The networks that Docker has; none while it does not run. */
export async function readNetworks(host: Reader): Promise<NetworkSeen[]> {
  const script = sh`command -v docker >/dev/null && systemctl is-active -q docker || { echo '[]'; exit 0; }
ids=$(docker network ls -q --no-trunc) && docker network inspect $ids`;
  const { stdout, stderr, code } = await host.read(script, { looksAt: ["docker", "unit:docker"] });
  if (code === 0) return parseNetworks(stdout);
  throw new CausewayError("host", "Docker cannot list its networks", {
    command: "docker network inspect $(docker network ls -q)",
    output: stderr,
  });
}

interface Inspected {
  Name: string;
  Driver: string;
  EnableIPv6?: boolean;
  Internal?: boolean;
  IPAM: { Config: Config[] | null };
  Options: Record<string, string> | null;
}

interface Config {
  Subnet?: string;
  Gateway?: string;
  IPRange?: string;
  AuxiliaryAddresses?: Record<string, string> | null;
}

/** Parses what `docker network inspect` prints. */
export function parseNetworks(json: string): NetworkSeen[] {
  return (JSON.parse(json) as Inspected[]).map(({ Name, Driver, EnableIPv6, Internal, IPAM, Options }) => {
    const pools = IPAM.Config ?? [];
    const of = (family: 4 | 6) => pools.filter(({ Subnet = "" }) => familyOf(Subnet) === family);
    return {
      name: Name,
      driver: Driver,
      ...poolOf(of(4)),
      ...(EnableIPv6 ? { six: poolOf(of(6)) } : {}),
      aux: Object.assign({}, ...pools.map((pool) => pool.AuxiliaryAddresses)),
      parent: Options?.parent ?? "",
      mode: Options?.macvlan_mode ?? "bridge",
      internal: Internal === true,
    };
  });
}

function poolOf(pools: readonly Config[]): PoolSeen {
  return {
    subnets: pools.flatMap((pool) => pool.Subnet ?? []),
    gateway: pools[0]?.Gateway ?? "",
    ipRange: pools[0]?.IPRange ?? "",
  };
}

/** What the network's step is told of IPv6. */
function sixAsked({ subnet6, gateway6, ip_range6 }: Params) {
  if (subnet6 === undefined) return {};
  return {
    six: {
      subnet: subnet6,
      ...(gateway6 === undefined ? {} : { gateway: gateway6 }),
      ...(ip_range6 === undefined ? {} : { ipRange: ip_range6 }),
    },
  };
}

function networkWanted(params: Params, parent: string): NetworkSeen {
  const { name, subnet, gateway, ip_range = "", aux = {} } = params;
  const { six } = sixAsked(params);
  return {
    name,
    driver: "macvlan",
    subnets: [subnet],
    gateway,
    ipRange: ip_range,
    ...(six
      ? { six: { subnets: [six.subnet], gateway: six.gateway ?? "", ipRange: six.ipRange ?? "" } }
      : {}),
    aux,
    parent,
    mode: "bridge",
    internal: false,
  };
}

/** A network in words; two are the same network when their words are, whatever order their options were given in. */
function words(network: NetworkSeen): string {
  const { driver, six, aux, parent, mode, internal } = network;
  const kept = Object.entries(aux)
    .map(([name, address]) => `${name}=${address}`)
    .sort();
  return [
    driver,
    ...poolWords(network),
    ...(six ? poolWords(six) : []),
    kept.length > 0 ? `without ${kept.join(" ")}` : "",
    parent && `on ${parent}`,
    mode === "bridge" ? "" : `mode ${mode}`,
    internal ? "internal" : "",
  ]
    .filter(Boolean)
    .join(" ");
}

function poolWords({ subnets, gateway, ipRange }: PoolSeen): string[] {
  return [...[...subnets].sort(), gateway && `gateway ${gateway}`, ipRange && `range ${ipRange}`];
}

/** The interface that carries the network: the one that was asked for, or the one on the way to every peer. */
export function parentFor(
  underlay: Underlay,
  { parent, peers = [] }: Pick<Params, "parent" | "peers">,
): string {
  const name = parent ?? interfaceTowards(underlay.routes, peers);
  const link = underlay.links.find((l) => l.name === name);
  const [, below] = /^(.+)\.\d+$/.exec(name) ?? [];
  if (!link && below !== undefined) return subInterface(underlay, name, below);
  refuseUnlessUp(underlay, link, name);
  refuseTaken(underlay, link, name);
  return name;
}

/** Docker itself makes `eth0.50`, where the kernel has 802.1q. */
function subInterface(underlay: Underlay, name: string, below: string): string {
  refuseUnlessUp(
    underlay,
    underlay.links.find((l) => l.name === below),
    below,
  );
  if (underlay.vlans) return name;
  throw new CausewayError("host", `this host's kernel cannot make the sub-interface ${name}`, {
    found: "no 802.1q: neither /proc/net/vlan nor a module 8021q",
    expected: "a kernel with 802.1q, or a parent without a VLAN number",
    advice: `modprobe 8021q, or macvlan_parent: ${below}`,
  });
}

function refuseUnlessUp({ links }: Underlay, link: Link | undefined, name: string): void {
  if (link?.up) return;
  const up = links.filter((l) => l.up && l.name !== "lo" && l.kind !== "bridge").map((l) => l.name);
  throw new CausewayError("host", `the parent interface ${name} ${link ? "is down" : "does not exist"}`, {
    found: up.length > 0 ? `interfaces that are up: ${up.join(", ")}` : "no interface that is up",
    expected: "an interface that exists and is up",
    advice: link ? `ip link set ${name} up` : "set another one: macvlan_parent",
  });
}

/** The kernel lets a port of a bridge or bond, and a parent of ipvlan, carry no macvlan: “Device or resource busy”. */
function refuseTaken({ links }: Underlay, link: Link | undefined, name: string): void {
  const master = link?.master;
  const children = links.filter(({ kind, parent }) => kind === "ipvlan" && parent === name);
  if (master === undefined && children.length === 0) return;
  throw new CausewayError("host", `the interface ${name} can carry no macvlan network`, {
    found: master
      ? `${name} is a port of ${master}`
      : `${name} carries ipvlan: ${children.map((child) => child.name).join(", ")}`,
    expected: "an interface that is no port of a bridge or bond, and carries no ipvlan",
    advice: master ? `macvlan_parent: ${master}` : "set another one: macvlan_parent",
  });
}

/** The one device by which all peers are reached, on its own link. */
function interfaceTowards(routes: readonly Route[], peers: readonly string[]): string {
  const ways = peers.map((peer) => ({ peer, route: routeTo(routes, peer) }));
  const devices = new Set(ways.map(({ route }) => route?.dev));
  const [dev] = devices;
  if (dev !== undefined && devices.size === 1 && ways.every(({ route }) => route?.via === undefined))
    return dev;
  throw new CausewayError("host", "no single interface reaches all peers directly", {
    found: ways.map(({ peer, route }) => `${peer}: ${route?.line ?? "no route"}`).join("; ") || "no peers",
    expected: "all hosts on one layer-2 segment: macvlan does not cross a router",
    advice:
      "set macvlan_parent to the interface on their common segment; across routers use flannel or overlay",
  });
}

/** The route that the kernel would take: the longest prefix that contains the address. */
function routeTo(routes: readonly Route[], address: string): Route | undefined {
  const to = parseAddress(address);
  if (to === undefined) return undefined;
  const fitting = routes.flatMap((route) => {
    const dst = route.dst === "default" ? "0.0.0.0/0" : route.dst;
    const network = networkOf(dst.includes("/") ? dst : `${dst}/32`);
    return network && contains(network, to) ? [{ route, prefix: network.prefix }] : [];
  });
  return fitting.sort((a, b) => b.prefix - a.prefix || (a.route.metric ?? 0) - (b.route.metric ?? 0))[0]
    ?.route;
}

function refuseWithoutDocker({ state }: DockerState): void {
  if (state !== "missing") return;
  throw new CausewayError("host", "Docker is not installed on this host", {
    found: "no docker command",
    advice:
      "install Docker first (Debian: apt-get install docker.io); causeway configures Docker, but does not install it",
  });
}

/** Docker takes one macvlan network a parent, and no two networks with a common address. */
function refuseConflictingNetworks(networks: readonly NetworkSeen[], wanted: NetworkSeen): void {
  const ours = subnetsOf(wanted);
  for (const other of networks.filter((n) => n.name !== wanted.name)) {
    const sameParent = other.driver === "macvlan" && other.parent === wanted.parent;
    const common = subnetsOf(other).some((theirs) => ours.some((own) => meet(own, theirs)));
    if (!sameParent && !common) continue;
    throw new CausewayError(
      "host",
      sameParent
        ? `the network ${other.name} is on ${wanted.parent} already, and Docker allows one per interface`
        : `the subnet of the network ${other.name} overlaps ${ours.join(", ")}`,
      {
        found: `${other.name}: ${words(other)}`,
        restsOn: [other.name === "bridge" ? "unit:docker.service" : `network:${other.name}`],
        expected: sameParent ? `${wanted.parent} free, or another parent` : "a subnet of its own",
        advice: `docker network rm ${other.name}, or use it: macvlan_name: ${other.name}`,
      },
    );
  }
}

/** Of both families. */
function subnetsOf({ subnets, six }: NetworkSeen): readonly string[] {
  return [...subnets, ...(six?.subnets ?? [])];
}

/** An address that somebody asked for is kept, or the network is left as it is. */
function refuseLostAddresses(members: readonly NetworkMember[], wanted: NetworkSeen): void {
  const asked = ({ asked, six }: NetworkMember) => [asked, six?.asked ?? ""].filter(Boolean);
  const lost = members.filter((m) => asked(m).some((address) => !has(wanted, address)));
  if (lost.length === 0) return;
  throw new CausewayError("host", "containers would lose the addresses that they were started with", {
    found: lost.map((m) => `${m.name} has ${asked(m).join(" and ")}`).join(", "),
    expected: `addresses in ${subnetsOf(wanted).join(", ")} that are not reserved`,
    advice: `disconnect them first: ${lost.map((m) => `docker network disconnect ${wanted.name} ${m.name}`).join("; ")}`,
  });
}

/** Whether a container can have the address on the network. */
function has(network: NetworkSeen, text: string): boolean {
  const { gateway, six, aux } = network;
  const inside = subnetsOf(network).some((subnet) => meet(subnet, text));
  return inside && ![gateway, six?.gateway, ...Object.values(aux)].includes(text);
}

function movedContainers(members: readonly NetworkMember[], wanted: NetworkSeen): string[] {
  if (members.length === 0) return [];
  const kept = (before: string) => (has(wanted, before) ? before : `a new address for ${before}`);
  const one = ({ name, address, asked, six }: NetworkMember) => {
    const before = [asked || address, six?.asked || six?.address || ""].filter(Boolean);
    const after = before.filter((text) => familyOf(text) === 4 || wanted.six !== undefined).map(kept);
    return after.length > 0 ? `${name} (${after.join(", ")})` : name;
  };
  return [`reconnects ${members.map(one).join(", ")}`];
}
