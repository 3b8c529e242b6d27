import {
  CausewayError,
  Cidr6,
  type DockerNetwork,
  defineFact,
  type Fleet,
  familyOf,
  formatAddress6,
  given,
  type HostView,
  Ipv4,
  Ipv6,
  meet,
  networkOf6,
  sh,
  Type,
  together,
} from "causeway";
import { handedOver } from "./handed-over.ts";
import type { Lifeline } from "./lifelines.ts";

/** The variable of a scheme that gives containers IPv6 addresses beside the others. */
export const subnet6 = {
  fixed_cidr_v6: Type.Optional(
    Cidr6({
      description:
        "an IPv6 subnet for the containers on docker0, which gets its first address: fd00:30:100::/64. All hosts have one of their own, or none has",
    }),
  ),
  container_network_v6: Type.Optional(
    Cidr6({
      description:
        "one IPv6 network that holds the `fixed_cidr_v6` of all hosts; then two rules let them all through, whatever hosts there are",
    }),
  ),
};

/** The variables of a scheme that routes by the hosts' own addresses. */
export const ownAddresses = {
  host_ipv4: Type.Optional(
    Ipv4({ description: "the IPv4 address at which peers reach this host, where `ansible_host` is none" }),
  ),
  host_ipv6: Type.Optional(
    Ipv6({
      description:
        "the IPv6 address at which peers reach this host, where `ansible_host` is none; needed with `fixed_cidr_v6`",
    }),
  ),
};

interface Vars {
  fixed_cidr_v6?: string;
  container_network_v6?: string;
  host_ipv6?: string;
}
type Host<V extends Vars = Vars, F = unknown> = HostView<V, F>;

/** Where peers reach a host over IPv6; undefined where nobody said so. */
export function ipv6Of({ address, vars }: Host): string | undefined {
  return vars.host_ipv6 ?? (familyOf(address) === 6 ? address : undefined);
}

/** No container of a routed network can have an address in these (RFC 4291, RFC 3879). */
const reserved: Readonly<Record<string, string>> = {
  "::/8": "is loopback, IPv4 in other words, and reserved",
  "fe80::/10": "is link-local",
  "fec0::/10": "was site-local, and means nothing any more",
  "ff00::/8": "is multicast",
};

/** The reserved network in which an IPv6 address or network lies, and what it is; undefined without any. */
export function reservedPart6(text: string): { network: string; meaning: string } | undefined {
  const hit = Object.entries(reserved).find(([network]) => meet(network, text));
  return hit && { network: hit[0], meaning: hit[1] };
}

/** Errors in a plan of IPv6 subnets, before the first connection. */
export function badSubnets6(hosts: readonly Host[]): CausewayError[] {
  if (hosts.every(({ vars }) => vars.fixed_cidr_v6 === undefined)) return withoutUse(hosts);
  return [
    ...withoutSubnet(hosts),
    ...unusable6(hosts, "fixed_cidr_v6"),
    ...overlapping(hosts),
    ...overHosts(hosts),
    ...outsideOfNetwork6(hosts),
  ];
}

function withoutUse(hosts: readonly Host[]): CausewayError[] {
  const host = hosts.find(({ vars }) => vars.container_network_v6 !== undefined);
  if (!host) return [];
  return [
    new CausewayError("variables", "there is a container_network_v6, and no fixed_cidr_v6", {
      ...together(given(host, "container_network_v6")),
      host: host.name,
      expected: "an IPv6 subnet for the containers of each host, inside of it",
      advice: `below ${host.name}: fixed_cidr_v6: fd00:30:100::/64, and another one for each other host; or no container_network_v6`,
    }),
  ];
}

/** A network for all containers has to hold each host's subnet, or that host's packets would be dropped. */
function outsideOfNetwork6(hosts: readonly Host[]): CausewayError[] {
  const networks = new Map(hosts.map((host) => [host.vars.container_network_v6, host]));
  return [...networks].flatMap(([network, host]) =>
    hosts
      .filter(({ vars }) => network !== undefined && !isWithin(vars.fixed_cidr_v6 ?? network, network))
      .map(
        (peer) =>
          new CausewayError(
            "variables",
            `the container_network_v6 of ${host.name} does not contain the IPv6 subnet of ${peer.name}`,
            {
              ...together(given(host, "container_network_v6"), given(peer, "fixed_cidr_v6")),
              host: host.name,
              found: `${peer.vars.fixed_cidr_v6} is not in ${network}`,
              expected: "one network that contains every host's fixed_cidr_v6",
              advice: `choose a larger container_network_v6, or another fixed_cidr_v6 for ${peer.name}; without container_network_v6 the subnets themselves are used`,
            },
          ),
      ),
  );
}

/** One without a subnet would get packets that it cannot answer. */
function withoutSubnet(hosts: readonly Host[]): CausewayError[] {
  const having = hosts.find(({ vars }) => vars.fixed_cidr_v6 !== undefined);
  const without = hosts.filter(({ vars }) => vars.fixed_cidr_v6 === undefined);
  if (!having || without.length === 0) return [];
  const [first] = without;
  return [
    new CausewayError("variables", "some hosts have a fixed_cidr_v6, and others have none", {
      ...together(given(having, "fixed_cidr_v6")),
      ...(first ? { host: first.name } : {}),
      found: `none for ${without.map(({ name }) => name).join(", ")}`,
      expected: "an IPv6 subnet for the containers of each host, or for none",
      advice: `give ${first?.name} one of its own, below its name in the inventory: fixed_cidr_v6: fd00:30:200::/64`,
    }),
  ];
}

/** So many bits leave addresses for containers. */
const longest = 120;

/** Why no container can have an address in a network: undefined where it can. */
function misfit(network: string): string | undefined {
  const hit = reservedPart6(network);
  if (hit) return `${hit.network} ${hit.meaning}`;
  return (networkOf6(network)?.prefix ?? 0) > longest ? `a prefix above ${longest}` : undefined;
}

/** Networks of IPv6 for containers in which none can be. */
export function unusable6<V extends object, F>(
  hosts: readonly HostView<V, F>[],
  variable: keyof V & string,
): CausewayError[] {
  return hosts.flatMap((host) => {
    const found = misfit(String(host.vars[variable] ?? ""));
    if (found === undefined) return [];
    return [
      new CausewayError("variables", `${variable} is not a network for containers`, {
        ...together(given(host, variable)),
        found,
        expected: `a part of fd00::/8, or of a network of yours, with a prefix of at most ${longest}; 64 is usual`,
      }),
    ];
  });
}

/** For each host the first that it overlaps: of many alike, one error a host. */
function overlapping(hosts: readonly Host[]): CausewayError[] {
  return hosts.flatMap((one, index) => {
    const subnet = one.vars.fixed_cidr_v6 ?? "";
    const other = hosts.slice(0, index).find(({ vars }) => meet(vars.fixed_cidr_v6 ?? "", subnet));
    if (!other) return [];
    return [
      new CausewayError("variables", `the IPv6 container subnets of ${other.name} and ${one.name} overlap`, {
        ...together(given(one, "fixed_cidr_v6"), given(other, "fixed_cidr_v6")),
        expected: "a different subnet for each host",
        advice: `give ${one.name} another fixed_cidr_v6`,
      }),
    ];
  });
}

function overHosts(hosts: readonly Host[]): CausewayError[] {
  return hosts.flatMap((one) =>
    hosts
      .filter((peer) => meet(one.vars.fixed_cidr_v6 ?? "", ipv6Of(peer) ?? ""))
      .map(
        (peer) =>
          new CausewayError(
            "variables",
            `the IPv6 container subnet of ${one.name} contains the address of ${peer.name}`,
            {
              ...together(given(one, "fixed_cidr_v6")),
              found: `${ipv6Of(peer)} is in ${one.vars.fixed_cidr_v6}`,
              expected: "a container subnet outside the network on which hosts are reached",
              advice: `give ${one.name} another fixed_cidr_v6`,
            },
          ),
      ),
  );
}

/** Linux switches IPv6 off on a device that carries less (RFC 8200, section 5). */
const smallestMtu = 1280;

/** A link that carries too little for IPv6. */
export function narrowForIpv6(hosts: readonly Host<Vars & { wg_mtu: number }>[]): CausewayError[] {
  return hosts
    .filter(({ vars }) => vars.fixed_cidr_v6 !== undefined && vars.wg_mtu < smallestMtu)
    .map(
      (host) =>
        new CausewayError("variables", `wg_mtu is too small for IPv6 on ${host.name}`, {
          ...together(given(host, "wg_mtu"), given(host, "fixed_cidr_v6")),
          expected: `${smallestMtu} at least: IPv6 needs that of every link`,
          advice: "a larger wg_mtu, or no fixed_cidr_v6",
        }),
    );
}

/** A route in IPv6 needs a next hop in IPv6, which is of one host alone and means the same on all links. */
export function badAddresses6(hosts: readonly Host[]): CausewayError[] {
  if (hosts.every(({ vars }) => vars.fixed_cidr_v6 === undefined)) return [];
  const seen = new Map<string, Host>();
  return hosts.flatMap((host) => {
    const address = ipv6Of(host);
    const fault = (message: string, found?: string) => [
      new CausewayError("inventory", message, {
        ...together(...(host.vars.host_ipv6 === undefined ? [] : [given(host, "host_ipv6")])),
        host: host.name,
        ...(found === undefined ? {} : { found }),
        expected: "a global or unique local IPv6 address of this host, on one link with its peers'",
        advice: `below ${host.name}: host_ipv6: fd00:10::200 (ip -6 addr on ${host.name} shows what it has)`,
      }),
    ];
    if (address === undefined)
      return fault(`${host.name} has no IPv6 address to which its peers could route`);
    const other = seen.get(address);
    seen.set(address, host);
    if (other) return fault(`${other.name} and ${host.name} have one IPv6 address: ${address}`);
    const hit = reservedPart6(address);
    return hit
      ? fault(`the IPv6 address of ${host.name} is none for a route`, `${hit.network} ${hit.meaning}`)
      : [];
  });
}

interface Route6 {
  dst: string;
  dev: string;
  /** `::` for what is on the link. */
  via: string;
}

/** What a host has of IPv6. */
export interface Ipv6Facts {
  /** Whether its kernel has IPv6. */
  inKernel: boolean;
  /** Whether it has, and not all of it switched off. */
  enabled: boolean;
  addresses: readonly { dev: string; cidr: string }[];
  gateways: readonly string[];
  /** Of all tables; the default route is one to `::/0`. */
  routes: readonly Route6[];
  /** Devices by which a router tells the host its default route, as long as the host does not forward. */
  advertised: readonly string[];
}

/**
 * By the shell alone: the kernel's tables say it. Lines of them are in proc(5), the flags in linux/ipv6_route.h. A setting is
 * read to its first digit, and `read` fails although it reads.
 */
const look = sh`[ -e /proc/net/if_inet6 ] || exit 0
read -r off </proc/sys/net/ipv6/conf/all/disable_ipv6
echo "off $off"
while read -r address index length scope flags dev; do echo "address $dev $address $length"; done </proc/net/if_inet6
while read -r to length from fromlength via metric references uses flags dev; do
  [ "$dev" != lo ] || continue
  echo "route $dev $to $length $via"
  [ "$length" = 00 ] || continue
  read -r ra <"/proc/sys/net/ipv6/conf/$dev/accept_ra"
  read -r forwards <"/proc/sys/net/ipv6/conf/$dev/forwarding"
  echo "default $dev $via $flags $ra $forwards"
done </proc/net/ipv6_route
true`;

export const ipv6Fact = defineFact({
  name: "IPv6",
  read: async (host): Promise<Ipv6Facts> => parseIpv6((await host.read(look, { looksAt: ["link"] })).stdout),
});

/** RTF_ADDRCONF: the kernel learnt it from a router's advertisement; a daemon that does so itself needs nothing of the kernel's. */
const byAdvertisement = 0x00040000;

export function parseIpv6(text: string): Ipv6Facts {
  const lines = text.split("\n").map((line) => line.split(" "));
  const of = (word: string) => lines.filter(([first]) => first === word);
  const address = (hex = "0") => formatAddress6(BigInt(`0x${hex}`));
  return {
    inKernel: of("off").length > 0,
    enabled: of("off").some(([, off]) => off === "0"),
    addresses: of("address").map(([, dev = "", hex, length = "0"]) => ({
      dev,
      cidr: `${address(hex)}/${Number.parseInt(length, 16)}`,
    })),
    gateways: [...new Set(of("default").map(([, , via]) => address(via)))].filter((one) => one !== "::"),
    routes: of("route").map(([, dev = "", hex, length = "0", via]) => ({
      dst: `${address(hex)}/${Number.parseInt(length, 16)}`,
      dev,
      via: address(via),
    })),
    advertised: [
      ...new Set(
        of("default")
          .filter(([, , , flags = "0"]) => (Number.parseInt(flags, 16) & byAdvertisement) !== 0)
          .filter(([, , , , ra, forwards]) => ra === "1" && forwards === "0")
          .map(([, dev = ""]) => dev),
      ),
    ],
  };
}

interface Facts {
  ipv6: Ipv6Facts;
  networks: readonly DockerNetwork[];
  lifelines: readonly Lifeline[];
}

/** What a host has or lacks that containers' subnets of IPv6 cannot go with. */
export function unfitForIpv6<V extends Vars, F extends Facts>(fleet: Fleet<V, F>): CausewayError[] {
  const able = fleet.reached.filter(({ vars }) => vars.fixed_cidr_v6 !== undefined);
  return [
    ...able.flatMap(withoutIpv6),
    ...able.flatMap(losesItsRouter),
    ...able.flatMap((host) =>
      taken(host, { hosts: fleet.hosts, variable: "fixed_cidr_v6", what: ownSubnet, isOurs: isRouted }),
    ),
  ];
}

function withoutIpv6<F extends Facts>({ name, facts }: Host<Vars, F>): CausewayError[] {
  if (facts.ipv6.enabled) return [];
  return [
    new CausewayError("host", `${name} has no IPv6`, {
      host: name,
      found: "no IPv6 in its kernel, or net.ipv6.conf.all.disable_ipv6 = 1",
      expected: "IPv6 in the kernel, as the fixed_cidr_v6 of the hosts needs it",
      command: "sysctl net.ipv6.conf.all.disable_ipv6; cat /proc/cmdline",
      advice:
        "switch it on (sysctl -w net.ipv6.conf.all.disable_ipv6=0, and in the file of /etc/sysctl.d that says 1; or boot without ipv6.disable=1), or take fixed_cidr_v6 out of the inventory",
    }),
  ];
}

/** A host that forwards no longer listens to routers, unless accept_ra is 2 (ip-sysctl, accept_ra): its default route would run out. */
function losesItsRouter<F extends Facts>({ name, facts }: Host<Vars, F>): CausewayError[] {
  return facts.ipv6.advertised.map(
    (dev) =>
      new CausewayError("host", `${name} would lose its IPv6 default route: ${dev} has it from a router`, {
        host: name,
        found: `net.ipv6.conf.${dev}.accept_ra = 1, with which a host that forwards no longer listens to routers`,
        expected: "accept_ra = 2: it listens although it forwards",
        command: `ip -6 route show default; sysctl net.ipv6.conf.${dev}.accept_ra`,
        advice: `on ${name}: echo 'net.ipv6.conf.${dev}.accept_ra = 2' >/etc/sysctl.d/50-accept-ra.conf && sysctl -p /etc/sysctl.d/50-accept-ra.conf, and run again`,
      }),
  );
}

const ownSubnet = ({ name }: { readonly name: string }) => `the IPv6 container subnet of ${name}`;

const isRouted = (name: string) => /^(docker0|bridge|wg-causeway.*)$/.test(name);

/** Subnets of IPv6 for containers, by the variable that gives them, and what a scheme itself has in them, by its name. */
export interface Uses6<V extends object> {
  hosts: readonly HostView<V, unknown>[];
  variable: keyof V & string;
  what: (of: { readonly name: string }) => string;
  isOurs: (name: string) => boolean;
  /** It is the same for all hosts. */
  isOfFleet?: true;
  /** Whether containers may be in one subnet with what the host needs itself, as long as their addresses are others. */
  besideLifelines?: boolean;
}

/** What uses a container subnet of IPv6 on a host already: one of the two would lose its packets. */
export function taken<V extends object>(
  { name: host, facts: { ipv6, networks, lifelines } }: HostView<unknown, Facts>,
  { hosts, variable, what, isOurs, isOfFleet, besideLifelines = false }: Uses6<V>,
): CausewayError[] {
  const subnets = hosts.flatMap(({ vars }) => vars[variable] ?? []).map(String);
  const uses = [
    ...ipv6.addresses
      .filter(({ dev }) => dev !== "lo" && !isOurs(dev))
      .map(({ dev, cidr }) => ({ network: cidr, who: `the interface ${dev}` })),
    ...networks
      .filter(({ name }) => !isOurs(name))
      .flatMap(({ name, subnets }) =>
        subnets.map((network) => ({ network, who: `the Docker network ${name}` })),
      ),
    ...(besideLifelines
      ? []
      : [
          ...lifelines
            .filter(({ address }) => !isInContainer(address, ipv6.routes, subnets))
            .map(({ what: who, address }) => ({ network: address, who })),
          ...ipv6.gateways.map((network) => ({ network, who: "the default gateway" })),
        ]),
  ].filter(({ network }) => familyOf(network) === 6);
  return hosts.flatMap((of) => {
    const subnet = String(of.vars[variable] ?? "");
    const hit = uses.find(({ network }) => meet(network, subnet));
    if (!hit) return [];
    return [
      new CausewayError("host", `${what(of)} overlaps ${hit.who}`, {
        ...together(given(of, variable)),
        host,
        found: `${hit.network}; ${variable} of ${of.name}: ${subnet}`,
        expected: "a network that nothing else uses on any host",
        advice: `set another ${variable} for ${isOfFleet ? "all hosts" : of.name}`,
      }),
    ];
  });
}

/** A DNS server in a container, here or on a peer, is reached there already and stays so. */
function isInContainer(address: string, routes: readonly Route6[], subnets: readonly string[]): boolean {
  const lengthOf = ({ dst }: Route6) => networkOf6(dst)?.prefix ?? 0;
  const [way] = routes.filter(({ dst }) => meet(dst, address)).toSorted((a, b) => lengthOf(b) - lengthOf(a));
  if (!way || !subnets.some((subnet) => isWithin(way.dst, subnet))) return false;
  return way.via !== "::" || /^(docker|wg-causeway)/.test(way.dev);
}

function isWithin(inner: string, outer: string): boolean {
  const [a, b] = [networkOf6(inner), networkOf6(outer)];
  return a !== undefined && b !== undefined && a.prefix >= b.prefix && meet(inner, outer);
}

/** The next hop has to be on a link of the host's, or the kernel refuses the route. */
export function offLinkPeers6<V extends Vars, F extends Facts>(fleet: Fleet<V, F>): CausewayError[] {
  return fleet.reached
    .filter(({ vars, facts }) => vars.fixed_cidr_v6 !== undefined && facts.ipv6.enabled)
    .flatMap((host) => {
      const links = host.facts.ipv6.addresses.map(({ cidr }) => cidr);
      const isNear = (address: string | undefined) => links.some((link) => meet(link, address ?? ""));
      return fleet.hosts
        .filter((peer) => !isNear(ipv6Of(peer)))
        .map(
          (peer) =>
            new CausewayError(
              "host",
              `${peer.name} (${ipv6Of(peer)}) is not on an IPv6 link of ${host.name}`,
              {
                host: host.name,
                found: links.length === 0 ? "no IPv6 address" : links.join(", "),
                expected: `an address in the same network as ${ipv6Of(peer)}`,
                command: "ip -6 addr",
                advice: `give ${host.name} an address there, or set host_ipv6 to one that is; across routers use wireguard`,
              },
            ),
        );
    });
}

/** What changes that cannot be led to on both sides: a subnet that docker0 of another host has until its turn comes. */
export function swappedSubnets6<V extends Vars, F extends Facts>({
  reached,
}: Fleet<V, F>): string | undefined {
  const wanted = reached.flatMap(({ name, vars }) =>
    vars.fixed_cidr_v6 === undefined ? [] : [{ name, network: vars.fixed_cidr_v6 }],
  );
  const here = reached.flatMap(({ name, facts }) =>
    facts.ipv6.addresses
      .filter(({ dev, cidr }) => dev === "docker0" && !meet(cidr, "fe80::/10"))
      .map(({ cidr }) => ({ name, network: cidr })),
  );
  return handedOver(wanted, here);
}
