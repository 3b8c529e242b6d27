import {
  contains,
  defineFact,
  type Fleet,
  formatNetwork,
  type HostView,
  type KnownHost,
  lastAddress,
  networkOf,
  overlaps,
} from "causeway";
import { readNetworks } from "../../tasks/macvlan-net.ts";

type Network = NonNullable<ReturnType<typeof networkOf>>;

/** A /30 has room for the shim and a container or two. */
export const longestPrefix = 30;

/** What decides a host's part of the subnet. */
export interface SliceVars {
  macvlan_name: string;
  macvlan_subnet: string;
  macvlan_range?: string;
}

/** The part that a host's network has already, and of which subnets; undefined where there is no such network. */
export interface SliceFacts {
  slice: { subnet: string; subnet6?: string; range: string } | undefined;
}

export const sliceFact = defineFact({
  name: "slice",
  read: async (host, { vars }: KnownHost<SliceVars>): Promise<SliceFacts["slice"]> => {
    const network = (await readNetworks(host)).find(({ name }) => name === vars.macvlan_name);
    if (!network) return undefined;
    const { subnets, six, ipRange } = network;
    return {
      subnet: subnets.join(" "),
      ...(six ? { subnet6: six.subnets.join(" ") } : {}),
      range: ipRange,
    };
  },
});

/**
 * Each host's part of the subnet, by the host's name: the one that the inventory gives; or else the one that its network has
 * already; or else a free one. The subnet is cut into as many equal slices as there are hosts, rounded up to a power of two. A
 * newcomer gets the one of its place in the inventory where that is free. An older host's part stays where it is, whatever
 * the inventory's order is by now: it only gets smaller when a newcomer needs the rest of it.
 */
export function slicesOf<V extends SliceVars, F extends SliceFacts>(
  fleet: Fleet<V, F>,
): ReadonlyMap<string, string> {
  const { hosts } = fleet;
  const subnet = networkOf(hosts[0]?.vars.macvlan_subnet ?? "");
  const given = new Map(
    hosts.flatMap(({ name, vars }) => (vars.macvlan_range ? [[name, vars.macvlan_range]] : [])),
  );
  if (!subnet) return given;
  const prefix = subnet.prefix + Math.ceil(Math.log2(Math.max(1, hosts.length)));
  const kept = keptSlices(fleet, [...given.values()]);
  const wanting = hosts.flatMap(({ name }, place) =>
    given.has(name) || kept.has(name) ? [] : [{ name, place }],
  );
  const dealt = assignedSlices(wanting, { subnet, prefix }, [...kept.values()]);
  const parts = [...kept].map(([name, whole]) => {
    const isNeeded = [...dealt.values()].some((other) => overlaps(whole, other));
    return [name, isNeeded ? { first: whole.first, prefix } : whole] as const;
  });
  const words = ([name, network]: readonly [string, Network]) => [name, formatNetwork(network)] as const;
  return new Map([...given, ...parts.map(words), ...[...dealt].map(words)]);
}

/** What the hosts' networks have, as far as it can stay; of two that overlap one stays, whichever host comes first. */
function keptSlices<V extends SliceVars, F extends SliceFacts>(
  { reached }: Fleet<V, F>,
  given: readonly string[],
): ReadonlyMap<string, Network> {
  const others = given.flatMap((range) => networkOf(range) ?? []);
  const kept = new Map<string, Network>();
  for (const host of reached.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const now = currentSlice(host);
    if (now && ![...others, ...kept.values()].some((other) => overlaps(now, other))) kept.set(host.name, now);
  }
  return kept;
}

function currentSlice({ vars, facts: { slice } }: HostView<SliceVars, SliceFacts>): Network | undefined {
  const [subnet, now] = [networkOf(vars.macvlan_subnet), networkOf(slice?.range ?? "")];
  // In another subnet the network is recreated in any case.
  if (vars.macvlan_range !== undefined || slice?.subnet !== vars.macvlan_subnet || !subnet || !now)
    return undefined;
  const inside = contains(subnet, now.first) && contains(subnet, lastAddress(now));
  return inside && now.prefix <= longestPrefix ? now : undefined;
}

/** Slices for those that have none: each its own by its place, where that is free, and else the next that is. */
function assignedSlices(
  wanting: readonly { name: string; place: number }[],
  { subnet, prefix }: { subnet: Network; prefix: number },
  kept: readonly Network[],
): ReadonlyMap<string, Network> {
  const bits = prefix - subnet.prefix;
  const slice = (place: number) => ({
    first: subnet.first + reversedBits(place, bits) * 2 ** (32 - prefix),
    prefix,
  });
  // A part that is larger than a slice can do with its first one.
  const places = Array.from({ length: 2 ** bits }, (_, place) => place);
  const free = new Set(places.filter((place) => !kept.some(({ first }) => contains(slice(place), first))));
  const dealt = new Map(
    wanting.flatMap(({ name, place }) => (free.delete(place) ? [[name, slice(place)]] : [])),
  );
  for (const { name, place } of wanting.filter((host) => !dealt.has(host.name))) {
    // There are as many slices as hosts, and nobody has two.
    const [next = place] = free;
    free.delete(next);
    dealt.set(name, slice(next));
  }
  return dealt;
}

/** The bits of a number the other way round: neighbours in the inventory lie far apart, and a newcomer takes a free half. */
function reversedBits(n: number, bits: number): number {
  let turned = 0;
  for (let bit = 0; bit < bits; bit += 1) turned = turned * 2 + (Math.floor(n / 2 ** bit) % 2);
  return turned;
}
