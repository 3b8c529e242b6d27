import {
  CausewayError,
  type DockerNetwork,
  defineFact,
  type Fleet,
  formatAddress,
  formatNetwork,
  type HostView,
  networkOf,
  overlaps,
  parseAddress,
  type Remark,
  type Route,
  readJson,
  subnetOf,
} from "causeway";
import { schemes } from "../schemes/index.ts";
import { type ByHand, isTyped } from "./by-hand.ts";
import { isOfCauseway } from "./leftovers.ts";

type Network = NonNullable<ReturnType<typeof networkOf>>;

/** Docker's networks on a host, also those that are not up. */
export const networksFact = defineFact({
  name: "networks",
  read: async (host) => (await host.docker()).networks,
});

export interface NetworkFacts {
  networks: readonly DockerNetwork[];
  addresses: readonly { dev: string; cidr: string }[];
  byHand: ByHand;
}

/** A network that a scheme is about to use on a host. */
export interface Use {
  /** `192.168.100.0/24`. */
  subnet: string;
  /** What it is, for a person: `the container subnet of docker-200`. */
  what: string;
  /** The variable that says so, and the host that has it. */
  variable: string;
  of: Pick<HostView, "name" | "whereIs">;
  /** It is the same for all hosts. */
  isOfFleet?: true;
}

/** Which networks a scheme uses, and what on a host it brings itself or takes over. */
export interface Uses<V, F> {
  on: (host: HostView<V, F>, fleet: Fleet<V, F>) => readonly Use[];
  /** Docker's networks, by name, and interfaces that the scheme itself makes or changes. */
  except?: (host: HostView<V, F>, fleet: Fleet<V, F>) => readonly string[];
}

/** A network that somebody uses on a host. */
interface Taken {
  network: Network;
  /** `the Docker network shop_default`. */
  what: string;
  found: string;
  /** What frees it, if nobody needs it. */
  free: string;
  /** One that is wider than what is used does no harm: the longest prefix wins. */
  isRoute?: true;
}

/**
 * Networks that somebody else uses on a host and that a scheme would use, too: a Docker network, an interface such as a
 * bridge or a VPN, a route of the kernel's own or of a routing daemon. One of the two would lose its packets.
 */
export function foreignNetworks<V, F extends NetworkFacts>(
  fleet: Fleet<V, F>,
  uses: Uses<V, F>,
): CausewayError[] {
  const all = dockerHosts(fleet).map((host) => ({
    host,
    used: uses.on(host, fleet).flatMap((use) => parsed(use) ?? []),
    taken: takenOn(host, uses.except?.(host, fleet) ?? []),
  }));
  const hits = all.flatMap(({ host, used, taken }) =>
    taken.flatMap((theirs) => {
      const ours = used.find((use) => isHit(use, theirs));
      return ours ? [{ host, ours, theirs }] : [];
    }),
  );
  const avoid = all.flatMap(({ used, taken }) => [...used, ...taken].map(({ network }) => network));
  const instead = suggestions(
    hits.map(({ ours }) => ours),
    [...avoid, ...ofHosts(fleet)],
  );
  return hits.map(({ host, ours, theirs }) => overlapError(host, ours, theirs, instead.get(nameOf(ours))));
}

/** Another network for each that has to be another: no two get the same. */
function suggestions(hits: readonly Used[], avoid: readonly Network[]): ReadonlyMap<string, Network> {
  const instead = new Map<string, Network>();
  for (const use of hits) {
    if (instead.has(nameOf(use))) continue;
    const free = freeNetwork(use.network, [...avoid, ...instead.values()]);
    if (free) instead.set(nameOf(use), free);
  }
  return instead;
}

/** A fleet's network is one, whichever host says it. */
function nameOf({ variable, subnet }: Used): string {
  return `${variable} ${subnet}`;
}

type Used = Use & { network: Network };

function isHit({ network }: Used, theirs: Taken): boolean {
  return overlaps(network, theirs.network) && !(theirs.isRoute && theirs.network.prefix < network.prefix);
}

function overlapError(
  { name: host }: { readonly name: string },
  { what, variable, of, isOfFleet, network }: Used,
  theirs: Taken,
  free: Network | undefined,
): CausewayError {
  const at = of.whereIs?.(variable);
  const other = free && `${isOfFleet ? `-e ${variable}=` : ""}${written(free, variable)}`;
  const whose = isOfFleet ? "all hosts" : of.name;
  return new CausewayError("host", `${what} overlaps ${theirs.what}`, {
    ...(at ? { at } : {}),
    host,
    found: `${theirs.found}; ${what}: ${formatNetwork(network)}`,
    expected: "a network that nothing else uses on any host",
    advice: `set another ${variable} for ${whose}${other ? `, such as ${other}` : ""}; or, if nobody needs ${theirs.what}: ${theirs.free}`,
  });
}

/** A bip is docker0's address: the first of its subnet. */
function written({ first, prefix }: Network, variable: string): string {
  return variable === "bip" ? `${formatAddress(first + 1)}/${prefix}` : formatNetwork({ first, prefix });
}

/** One of the same size, outside of Docker's own pools, which are in 172.16.0.0/12 and 192.168.0.0/16. */
function freeNetwork({ prefix }: Network, avoid: readonly Network[]): Network | undefined {
  const size = 2 ** (32 - prefix);
  const [start = 0, end = 0] = [parseAddress("10.200.0.0"), parseAddress("10.255.255.255")];
  for (let first = Math.ceil(start / size) * size; first + size - 1 <= end; first += size)
    if (!avoid.some((network) => overlaps(network, { first, prefix }))) return { first, prefix };
  return undefined;
}

function ofHosts<V, F>({ hosts }: Fleet<V, F>): Network[] {
  return hosts.flatMap(({ address }) => networkOf(`${address}/32`) ?? []);
}

function dockerHosts<V, F>({ reached }: Fleet<V, F>): readonly HostView<V, F>[] {
  return reached.filter(({ groups }) => groups.includes("docker"));
}

function parsed(use: Use): Used | undefined {
  const network = networkOf(use.subnet);
  return network && { ...use, network };
}

function takenOn<F extends NetworkFacts>(
  { facts }: HostView<unknown, F>,
  except: readonly string[],
): Taken[] {
  const { networks, addresses, byHand } = facts;
  const isOurs = (name: string) => except.includes(name) || isMadeByCauseway(byHand, name);
  // Docker tells them in any order.
  const ofDocker = networks.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const bridges = networks.flatMap(({ bridge }) => bridge ?? []);
  const isKnown = (dev: string) => dev === "lo" || isOurs(dev) || bridges.includes(dev);
  const ownWays = new Set(addresses.map(({ dev, cidr }) => `${subnetOf(cidr)} ${dev}`));
  const routes = byHand.routes.filter((route) => {
    const { dst, dev = "" } = route;
    if (isKnown(dev) || (route.via === undefined && ownWays.has(`${dst} ${dev}`))) return false;
    return !isTyped(route) && !isOfCauseway(byHand, route);
  });
  return [
    ...ofDocker.filter(({ name, bridge }) => !isOurs(name) && !isOurs(bridge ?? name)).flatMap(asDocker),
    ...addresses.filter(({ dev }) => !isKnown(dev)).flatMap(asInterface),
    ...routes.flatMap(asRoute),
  ];
}

/** Made by a step that stands, such as a network or a link; or by a daemon because of one. */
function isMadeByCauseway({ standing }: ByHand, name: string): boolean {
  return standing.some(
    (entry) =>
      entry.what === `network ${name}` ||
      entry.what === `link ${name}` ||
      schemes.some((scheme) => scheme.makes?.(entry, name)),
  );
}

function asDocker({ name, driver, subnets, bridge }: DockerNetwork): Taken[] {
  const where = bridge ? `${driver}, interface ${bridge}` : driver;
  return subnets.flatMap((subnet) => {
    const network = networkOf(subnet);
    if (!network) return [];
    const free = `docker network rm ${name}, after its containers left it`;
    return [{ network, what: `the Docker network ${name}`, found: `${name} (${where}): ${subnet}`, free }];
  });
}

/** A bridge, a VPN, a card; also one that is down: it may come up at any time. */
function asInterface({ dev, cidr }: { dev: string; cidr: string }): Taken[] {
  const network = networkOf(cidr);
  const free = `ip addr del ${cidr} dev ${dev}, and where it is configured`;
  return network ? [{ network, what: `the interface ${dev}`, found: `${dev}: ${cidr}`, free }] : [];
}

function asRoute({ dst, proto, line }: Route): Taken[] {
  const network = networkOf(dst.includes("/") ? dst : `${dst}/32`);
  if (!network) return [];
  const what = proto === undefined ? `the route to ${dst}` : `the route to ${dst} (proto ${proto})`;
  return [
    { network, what, found: line, free: `ip route del ${line}, and where it is configured`, isRoute: true },
  ];
}

/**
 * Docker gives a network of its own a subnet out of its pools, and only looks at the host's routes (libnetwork's
 * CheckRouteOverlaps): a network to which no route leads yet may be given away later.
 */
export function poolsOverlapping<V, F extends NetworkFacts>(fleet: Fleet<V, F>, uses: Uses<V, F>): Remark[] {
  return dockerHosts(fleet).flatMap((host) =>
    poolsOf(host.facts.byHand).flatMap((base) => {
      const pool = networkOf(base);
      const hit = uses.on(host, fleet).find(({ subnet }) => {
        const network = networkOf(subnet);
        return pool !== undefined && network !== undefined && overlaps(pool, network);
      });
      if (!hit) return [];
      const text = `Docker may give its own networks subnets of ${base} (default-address-pools in /etc/docker/daemon.json), which overlaps ${hit.what} ${hit.subnet}: set another ${hit.variable}, or other pools`;
      return [{ host: host.name, text }];
    }),
  );
}

/** A file that is not JSON is named by the task that would write it. */
function poolsOf({ config }: ByHand): string[] {
  try {
    const pools = readJson(config)["default-address-pools"];
    return Array.isArray(pools) ? pools.flatMap(({ base }: { base?: string }) => base ?? []) : [];
  } catch {
    return [];
  }
}
