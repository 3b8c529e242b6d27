import {
  CausewayError,
  contains,
  defineFact,
  type Fleet,
  familyOf,
  formatAddress,
  type GivenValue,
  given,
  givenAddress,
  type HostView,
  type KnownHost,
  lastAddress,
  meet,
  networkOf,
  overlaps,
  parseAddress,
  type Remark,
  together,
} from "causeway";
import { parentFor, readNetworks, type Underlay } from "../../tasks/macvlan-net.ts";
import { hostsIn } from "./addresses.ts";
import { handedOver } from "./handed-over.ts";
import { type Ipv6Facts, ipv6Of } from "./ipv6.ts";
import type { Lifeline } from "./lifelines.ts";
import { badNumbers6, gateway6Of, lines6, type Macvlan6Vars, type Part6, part6Of } from "./macvlan-ipv6.ts";
import { badReserved, type Reserved, reservedByName, type Wrong, wrongOn } from "./macvlan-reserved.ts";
import { longestPrefix, type SliceFacts, slicesOf } from "./slices.ts";

/** The variables that a user sets; the rest follows from the inventory. */
export interface MacvlanVars extends Macvlan6Vars {
  macvlan_name: string;
  macvlan_gateway?: string;
  macvlan_parent?: string;
  macvlan_range?: string;
}

/** A host's part of the common subnet. */
export interface Part {
  gateway: string;
  ip_range: string;
  /** What Docker must not assign: the hosts' own addresses where they lie in the subnet, and the shim's. */
  aux: Record<string, string>;
  /** The host's own address among its containers, kept free whether there is a shim or not. */
  shim: string;
  six?: Part6;
}

/** The part of one host, with what Docker keeps free of it. */
export function partOf<V extends MacvlanVars, F extends SliceFacts>(
  host: HostView<V, F>,
  fleet: Fleet<V, F>,
): Part {
  const { macvlan_subnet, macvlan_aux } = host.vars;
  const ip_range = slicesOf(fleet).get(host.name) ?? "";
  const subnet = networkOf(macvlan_subnet);
  const gateway = gatewayOf(host.vars);
  const inside = (text: string) => {
    const address = parseAddress(text);
    return subnet !== undefined && address !== undefined && contains(subnet, address);
  };
  const reserved = [gateway, ...Object.values(macvlan_aux)];
  // Docker refuses an address that is reserved twice.
  const hosts = fleet.hosts
    .filter((h) => inside(h.address) && !reserved.includes(h.address))
    .map((h) => [`host-${h.name}`, h.address] as const);
  const taken = new Set([...reserved, ...hosts.map(([, address]) => address)]);
  const shim = highestFree(ip_range, macvlan_subnet, taken);
  const six = part6Of(host, ip_range, fleet.hosts);
  const aux = {
    ...Object.fromEntries(hosts),
    ...six?.hosts,
    ...macvlan_aux,
    shim,
    ...(six ? { shim6: six.shim } : {}),
  };
  return { gateway, ip_range, aux, shim, ...(six ? { six } : {}) };
}

export function gatewayOf({ macvlan_gateway, macvlan_subnet }: MacvlanVars): string {
  return macvlan_gateway ?? formatAddress((networkOf(macvlan_subnet)?.first ?? 0) + 1);
}

function highestFree(range: string, subnet: string, taken: ReadonlySet<string>): string {
  const [network, whole] = [networkOf(range), networkOf(subnet)];
  if (!network || !whole) return "";
  let last = lastAddress(network);
  while (last === lastAddress(whole) || taken.has(formatAddress(last))) last -= 1;
  return formatAddress(last);
}

/** Errors in the address plan: checked before the first connection, and again with the parts that hosts already have. */
export function badParts<V extends MacvlanVars, F extends SliceFacts>(fleet: Fleet<V, F>): CausewayError[] {
  const apart = disagreements(fleet);
  if (apart.length > 0) return apart;
  const slices = slicesOf(fleet);
  const outside = fleet.hosts.flatMap((host) => badNumbers(host, fleet, slices.get(host.name) ?? ""));
  return outside.length > 0 ? outside : [...sharedRanges(fleet, slices), ...shimsOverHosts(fleet, slices)];
}

type Slices = ReadonlyMap<string, string>;

/** All hosts stand in one network: its name, subnet and gateway are the same everywhere. */
function disagreements<V extends MacvlanVars, F>({ hosts }: Fleet<V, F>): CausewayError[] {
  const [first, ...others] = hosts;
  if (!first) return [];
  const network = ({ vars }: HostView<V, F>) => ({
    macvlan_name: vars.macvlan_name,
    macvlan_subnet: vars.macvlan_subnet,
    macvlan_gateway: gatewayOf(vars),
    macvlan_subnet6: vars.macvlan_subnet6,
    macvlan_gateway6: gateway6Of(vars),
  });
  const names = [
    "macvlan_name",
    "macvlan_subnet",
    "macvlan_gateway",
    "macvlan_subnet6",
    "macvlan_gateway6",
  ] as const;
  return others.flatMap((host) => {
    const apart = names.filter((name) => network(host)[name] !== network(first)[name]);
    if (apart.length === 0) return [];
    return [
      new CausewayError("variables", `${first.name} and ${host.name} are set to different networks`, {
        ...together(...apart.flatMap((name) => [given(host, name), given(first, name)])),
        host: host.name,
        expected: "one network for all hosts",
        advice: "set macvlan_name, the subnets and their gateways for the group, not for a host",
      }),
    ];
  });
}

function badNumbers<V extends MacvlanVars, F extends SliceFacts>(
  host: HostView<V, F>,
  fleet: Fleet<V, F>,
  range: string,
): CausewayError[] {
  const { vars, name } = host;
  const [subnet, slice] = [networkOf(vars.macvlan_subnet), networkOf(range)];
  if (!subnet || !slice) return [];
  const wrong: Wrong<keyof MacvlanVars> = wrongOn(host as HostView<MacvlanVars, F>);
  const rangeIs = vars.macvlan_range === undefined ? "macvlan_subnet" : "macvlan_range";
  if (slice.prefix > longestPrefix)
    return [
      wrong("the range is too small", [rangeIs], {
        found: `${range} for ${name}`,
        expected: `a prefix of at most ${longestPrefix}; a larger macvlan_subnet`,
      }),
    ];
  if (!(contains(subnet, slice.first) && contains(subnet, lastAddress(slice))))
    return [
      wrong("macvlan_range is not in macvlan_subnet", ["macvlan_range", "macvlan_subnet"], {
        expected: `a part of ${vars.macvlan_subnet}`,
      }),
    ];
  const bad = badReserved(
    reservedIn(host),
    { variable: "macvlan_subnet", subnet: vars.macvlan_subnet },
    wrong,
  );
  const six = badNumbers6(host, range, fleet.hosts);
  if (bad.length + six.length > 0) return [...bad, ...six];
  if (freeIn(range, subnet, partOf(host, fleet)) > 0) return [];
  return [
    wrong("no address is left for a container", [rangeIs, "macvlan_aux"], {
      found: `all of ${range} is reserved: for the gateway, hosts, macvlan_aux or the shim`,
      expected: "at least one address for containers in each host's part",
      advice: "choose a larger macvlan_subnet, or another macvlan_range",
    }),
  ];
}

/** How many addresses of a range Docker can give to containers. */
function freeIn(range: string, subnet: NonNullable<ReturnType<typeof networkOf>>, part: Part): number {
  const slice = networkOf(range);
  if (!slice) return 0;
  const reserved = [part.gateway, ...Object.values(part.aux)].flatMap((text) => parseAddress(text) ?? []);
  const taken = new Set([subnet.first, lastAddress(subnet), ...reserved]);
  return 2 ** (32 - slice.prefix) - [...taken].filter((address) => contains(slice, address)).length;
}

/** What the variables reserve: Docker takes each of these for itself, and fails where two are the same. */
function reservedIn<V extends MacvlanVars, F>({
  vars,
}: HostView<V, F>): Reserved<"macvlan_gateway" | "macvlan_aux">[] {
  return [
    { what: "the gateway", of: "macvlan_gateway", address: gatewayOf(vars) },
    ...reservedByName(vars.macvlan_aux, 4),
  ];
}

/** Where a host's part comes from: its own range, or its place in the subnet. */
function givenRange(host: HostView<MacvlanVars, unknown>): GivenValue {
  return given(host, host.vars.macvlan_range === undefined ? "macvlan_subnet" : "macvlan_range");
}

/** The same of a part of either family. */
function rangeOf(host: HostView<MacvlanVars, unknown>, range: string): GivenValue {
  return familyOf(range) === 6 ? given(host, "macvlan_subnet6") : givenRange(host);
}

/** Docker does not coordinate addresses between hosts: two that assign the same one do not warn. */
function sharedRanges<V extends MacvlanVars, F>({ hosts }: Fleet<V, F>, slices: Slices): CausewayError[] {
  const ranges = hosts.map((host) => ({ host, range: slices.get(host.name) ?? "" }));
  return ranges.flatMap((one, index) =>
    ranges.slice(0, index).flatMap((other) => {
      const [a, b] = [networkOf(one.range), networkOf(other.range)];
      if (!a || !b || !overlaps(a, b)) return [];
      return [
        new CausewayError("variables", `the ranges of ${other.host.name} and ${one.host.name} overlap`, {
          ...together(givenRange(one.host), givenRange(other.host)),
          found: `${other.range} and ${one.range}`,
          expected: "a different range for each host",
          advice: "set macvlan_range for every host, or for none",
        }),
      ];
    }),
  );
}

/** A shim has a route to its whole range: a host inside that range would be reached through it, or not at all. */
function shimsOverHosts<V extends MacvlanVars, F>(fleet: Fleet<V, F>, slices: Slices): CausewayError[] {
  return fleet.hosts
    .filter((host) => host.vars.macvlan_shim)
    .flatMap((host) => {
      const range = slices.get(host.name) ?? "";
      const range6 = part6Of(host, range, fleet.hosts)?.ip_range ?? "";
      return [
        ...hostsIn(fleet.hosts, range).map((inside) =>
          shimConflict(host, inside, range, [givenRange(host), givenAddress(inside)]),
        ),
        ...fleet.hosts.flatMap((inside) => {
          const address = ipv6Of(inside) ?? "";
          if (!meet(range6, address)) return [];
          const values = [rangeOf(host, range6), givenAddress6(inside)];
          return [shimConflict(host, { name: inside.name, address }, range6, values)];
        }),
      ];
    });
}

function givenAddress6(host: HostView<MacvlanVars, unknown>): GivenValue {
  return host.vars.host_ipv6 === undefined ? givenAddress(host) : given(host, "host_ipv6");
}

function shimConflict(
  host: { readonly name: string },
  inside: { readonly name: string; readonly address: string },
  range: string,
  values: readonly GivenValue[],
): CausewayError {
  return new CausewayError(
    "variables",
    `the shim of ${host.name} would take over the route to ${inside.name}`,
    {
      ...together(...values),
      host: host.name,
      found: `${inside.address} is in ${range}`,
      expected: "a range that contains no host address",
      advice: `set a macvlan_range ${familyOf(range) === 6 ? "or macvlan_subnet6 " : ""}that contains no host address, or set macvlan_shim: false`,
    },
  );
}

/**
 * A container must not get the address of something that its host needs, and a shim must not take over the way to it: all
 * stand in one segment.
 */
export function lifelinesInRanges<
  V extends MacvlanVars,
  F extends SliceFacts & { lifelines: readonly Lifeline[]; ipv6: Ipv6Facts },
>(fleet: Fleet<V, F>): CausewayError[] {
  const slices = slicesOf(fleet);
  const lines = [...lines4(fleet.reached), ...lines6(fleet.reached)];
  return fleet.reached.flatMap((host) => {
    const { gateway, aux, six } = partOf(host, fleet);
    const kept = [gateway, six?.gateway, ...Object.values(aux)];
    // The way to the default gateway names its device: a shim does not take it over.
    const isSafe = ({ what, address }: Line) =>
      kept.includes(address) && (!host.vars.macvlan_shim || what === "the default gateway");
    return [slices.get(host.name) ?? "", six?.ip_range ?? ""].flatMap((range) =>
      lines
        .filter((line) => meet(range, line.address) && !isSafe(line))
        .map((line) =>
          host.vars.macvlan_shim
            ? shimConflict(host, { name: line.what, address: line.address }, range, [rangeOf(host, range)])
            : addressGivenAway(host, line, range),
        ),
    );
  });
}

type Line = Pick<Lifeline, "what" | "address">;

/** Of all hosts together, each address once. */
function lines4(hosts: readonly HostView<unknown, { lifelines: readonly Lifeline[] }>[]): Line[] {
  const all = hosts.flatMap(({ facts }) => facts.lifelines).filter(({ address }) => familyOf(address) === 4);
  return [...new Map(all.map((line) => [line.address, line])).values()];
}

function addressGivenAway(host: HostView<MacvlanVars, unknown>, line: Line, range: string): CausewayError {
  const reserve = { macvlan_aux: { ...host.vars.macvlan_aux, reserved: line.address } };
  return new CausewayError("host", `a container of ${host.name} could get the address of ${line.what}`, {
    ...together(rangeOf(host, range)),
    host: host.name,
    found: `${line.address} is in ${range}`,
    expected: "a range without it, or its address among those that no container may get",
    advice: `reserve it for all hosts: -e '${JSON.stringify(reserve)}'; or set another ${familyOf(range) === 6 ? "macvlan_subnet6 for all hosts" : `macvlan_range for ${host.name}`}`,
  });
}

/** A host that is not here may have any part: then only the inventory's order says which is free for a newcomer. */
export function unseenSlices<V extends MacvlanVars, F extends SliceFacts>({
  hosts,
  reached,
}: Fleet<V, F>): Remark[] {
  const unseen = hosts.filter((host) => !host.vars.macvlan_range && !reached.includes(host));
  const isNew = ({ vars, facts }: HostView<V, F>) => !vars.macvlan_range && !facts.slice;
  const newcomers = reached.filter(isNew).map(({ name }) => name);
  if (unseen.length === 0 || newcomers.length === 0) return [];
  const names = unseen.map(({ name }) => name).join(", ");
  const text = `the part of ${newcomers.join(", ")} is chosen without a look at ${names}, which this run does not reach: it is free only if the inventory's order is the one by which theirs were chosen; a run over all hosts sees for itself, and macvlan_range says it`;
  return [{ text }];
}

/** Every host needs an interface that can carry the network, or none is touched. */
export function badParents<V extends MacvlanVars, F extends { underlay: Underlay }>(
  fleet: Fleet<V, F>,
): CausewayError[] {
  return fleet.reached.flatMap((host) => {
    const parent = foundParent(host, fleet);
    if (!(parent instanceof CausewayError)) return [];
    return [new CausewayError(parent.code, parent.message, { ...parent.detail, host: host.name })];
  });
}

/** The interface that carries a host's network; none where there is no fitting one. */
export function parentOf<V extends MacvlanVars, F extends { underlay: Underlay }>(
  host: HostView<V, F>,
  fleet: Fleet<V, F>,
): string[] {
  const parent = foundParent(host, fleet);
  return parent instanceof CausewayError ? [] : [parent];
}

function foundParent<V extends MacvlanVars, F extends { underlay: Underlay }>(
  host: HostView<V, F>,
  fleet: Fleet<V, F>,
): string | CausewayError {
  try {
    return parentFor(host.facts.underlay, parentParams(host, fleet));
  } catch (error) {
    if (error instanceof CausewayError) return error;
    throw error;
  }
}

/** How a host's parent is found. */
export function parentParams<V extends MacvlanVars, F>(
  host: HostView<V, F>,
  fleet: Fleet<V, F>,
): { parent?: string; peers: string[] } {
  const { macvlan_parent: parent } = host.vars;
  const peers = fleet
    .peersOf(host)
    .flatMap((p) => (parseAddress(p.address) === undefined ? [] : [p.address]));
  return { ...(parent === undefined ? {} : { parent }), peers };
}

/** The interface below the network that a host has already; undefined where there is no such network. */
export const standingParent = defineFact({
  name: "parent",
  read: async (host, { vars }: KnownHost<MacvlanVars>): Promise<string | undefined> =>
    (await readNetworks(host)).find(({ name }) => name === vars.macvlan_name)?.parent,
});

type Seen = SliceFacts & { underlay: Underlay; parent: string | undefined };

/** Where no host has the network yet, no container can lose it. */
export function beforeFirstNetwork<F extends Seen>(fleet: Fleet<MacvlanVars, F>): string | undefined {
  return fleet.reached.some(({ facts }) => facts.slice) ? undefined : "no host has the network yet";
}

/**
 * What changes that containers of before and after would not reach each other: those of two subnets, or of two parents, which may
 * be two segments; and an address that is another host's until its turn comes. A host's own part, its shim, the gateway and
 * the reserved addresses are each host's own.
 */
export function sharedChange<F extends Seen>(fleet: Fleet<MacvlanVars, F>): string | undefined {
  const changes = fleet.reached.flatMap((host) => {
    const { name, vars, facts } = host;
    if (!facts.slice) return [];
    const parent = parentFor(facts.underlay, parentParams(host, fleet));
    return [
      ...(facts.slice.subnet === vars.macvlan_subnet
        ? []
        : [`macvlan_subnet ${facts.slice.subnet} → ${vars.macvlan_subnet}`]),
      ...(facts.slice.subnet6 === vars.macvlan_subnet6
        ? []
        : [`macvlan_subnet6 ${facts.slice.subnet6 ?? "—"} → ${vars.macvlan_subnet6 ?? "—"}`]),
      ...(facts.parent === parent ? [] : [`the parent on ${name} ${facts.parent} → ${parent}`]),
    ];
  });
  return changes.length > 0 ? [...new Set(changes)].join(", ") : movedParts(fleet);
}

function movedParts<F extends Seen>(fleet: Fleet<MacvlanVars, F>): string | undefined {
  const slices = slicesOf(fleet);
  return handedOver(
    fleet.reached.map(({ name }) => ({ name, network: slices.get(name) ?? "" })),
    fleet.reached.flatMap(({ name, facts: { slice } }) => (slice ? [{ name, network: slice.range }] : [])),
  );
}

/** Without Docker on a host there is nothing to make the network with. */
export function withoutDocker<V extends object, F extends { dockerState: string }>(
  fleet: Fleet<V, F>,
): CausewayError[] {
  return fleet.reached
    .filter((host) => host.facts.dockerState === "missing")
    .map(
      (host) =>
        new CausewayError("host", "Docker is not installed on this host", {
          host: host.name,
          advice: "install Docker first (Debian: apt-get install docker.io)",
        }),
    );
}
