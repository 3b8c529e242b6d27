import {
  CausewayError,
  contains6,
  type Fleet,
  familyOf,
  formatAddress6,
  formatNetwork6,
  type HostView,
  lastAddress6,
  meet,
  networkOf,
  networkOf6,
  parseAddress6,
} from "causeway";
import { type Ipv6Facts, ipv6Of } from "./ipv6.ts";
import type { Lifeline } from "./lifelines.ts";
import { badReserved, type Reserved, reservedByName, wrongOn } from "./macvlan-reserved.ts";

/** The variables that give a macvlan network IPv6 beside IPv4. */
export interface Macvlan6Vars {
  macvlan_subnet: string;
  macvlan_subnet6?: string;
  macvlan_gateway6?: string;
  macvlan_aux: Record<string, string>;
  macvlan_shim: boolean;
  host_ipv6?: string;
}

type Host<V extends Macvlan6Vars = Macvlan6Vars, F = unknown> = HostView<V, F>;

/** A host's part of the common subnet of IPv6. */
export interface Part6 {
  subnet: string;
  gateway: string;
  ip_range: string;
  /** The hosts' own addresses where they lie in the subnet, by name. */
  hosts: Record<string, string>;
  shim: string;
}

/**
 * As many addresses as the host's part of the subnet of IPv4 has, and in the same place: whoever has a part of the one to
 * itself has it of the other. Docker 26 assigns none from the upper half of a /64: from the beginning of one it does.
 */
export function part6Of(host: Host, range: string, hosts: readonly Host[]): Part6 | undefined {
  const { macvlan_subnet6: text = "", macvlan_aux } = host.vars;
  const whole = networkOf6(text);
  const [four, part] = [networkOf(host.vars.macvlan_subnet), networkOf(range)];
  if (!whole || !four || !part) return undefined;
  const own = { first: whole.first + BigInt(part.first - four.first), prefix: 96 + part.prefix };
  const gateway = gateway6Of(host.vars);
  const reserved = [gateway, ...Object.values(macvlan_aux)];
  const inside = hosts.flatMap((one) => {
    const address = ipv6Of(one);
    return address !== undefined && meet(text, address) && !reserved.includes(address)
      ? [[`host6-${one.name}`, address] as const]
      : [];
  });
  const taken = new Set([...reserved, ...inside.map(([, address]) => address)]);
  let shim = lastAddress6(own);
  // Docker 26 cannot keep the very last address of a subnet free.
  while (shim === lastAddress6(whole) || taken.has(formatAddress6(shim))) shim -= 1n;
  return {
    subnet: text,
    gateway,
    ip_range: formatNetwork6(own),
    hosts: Object.fromEntries(inside),
    shim: formatAddress6(shim),
  };
}

export function gateway6Of({ macvlan_gateway6, macvlan_subnet6 = "" }: Macvlan6Vars): string {
  return macvlan_gateway6 ?? formatAddress6((networkOf6(macvlan_subnet6)?.first ?? 0n) + 1n);
}

/** What is wrong with a host's plan of IPv6, before the first connection. */
export function badNumbers6(host: Host, range: string, hosts: readonly Host[]): CausewayError[] {
  const { vars } = host;
  const wrong = wrongOn(host);
  const subnet = vars.macvlan_subnet6;
  const reserved = reservedIn(vars);
  if (subnet === undefined)
    return reserved.map(({ what, of, address }) =>
      wrong(`${what} is one of IPv6, and there is no macvlan_subnet6`, [of], {
        found: address,
        expected: "a subnet of IPv6 that contains it, or an address of IPv4",
      }),
    );
  const size = networkOf6(subnet)?.prefix ?? 0;
  const longest = 96 + (networkOf(vars.macvlan_subnet)?.prefix ?? 0);
  if (size > longest)
    return [
      wrong("macvlan_subnet6 is smaller than macvlan_subnet", ["macvlan_subnet6", "macvlan_subnet"], {
        expected: `a prefix of at most ${longest}, so that each host's part has as many addresses as its part of macvlan_subnet; 64 is usual`,
      }),
    ];
  const bad = badReserved(reserved, { variable: "macvlan_subnet6", subnet }, wrong);
  if (bad.length > 0) return bad;
  const part = part6Of(host, range, hosts);
  if (!part || freeIn(part, vars) > 0n) return [];
  return [
    wrong("no IPv6 address is left for a container", ["macvlan_subnet6", "macvlan_aux"], {
      found: `all of ${part.ip_range} is reserved: for the gateway, hosts, macvlan_aux or the shim`,
      expected: "at least one address for containers in each host's part",
      advice: "choose a larger macvlan_subnet, or reserve less of this part",
    }),
  ];
}

function reservedIn(vars: Macvlan6Vars): Reserved<"macvlan_gateway6" | "macvlan_aux">[] {
  const router = vars.macvlan_subnet6 === undefined ? vars.macvlan_gateway6 : gateway6Of(vars);
  return [
    ...(router === undefined
      ? []
      : [{ what: "the gateway of IPv6", of: "macvlan_gateway6" as const, address: router }]),
    ...reservedByName(vars.macvlan_aux, 6),
  ];
}

/** How many addresses of a part Docker can give to containers: not the subnet's own, nor what is reserved. */
function freeIn(part: Part6, { macvlan_aux }: Macvlan6Vars): bigint {
  const [own, whole] = [networkOf6(part.ip_range), networkOf6(part.subnet)];
  if (!own || !whole) return 0n;
  const reserved = [part.gateway, part.shim, ...Object.values(macvlan_aux), ...Object.values(part.hosts)];
  const taken = new Set([
    whole.first,
    lastAddress6(whole),
    ...reserved.flatMap((a) => parseAddress6(a) ?? []),
  ]);
  return (1n << BigInt(128 - own.prefix)) - BigInt([...taken].filter((a) => contains6(own, a)).length);
}

interface Facts {
  ipv6: Ipv6Facts;
  lifelines: readonly Lifeline[];
}

/** Addresses of IPv6 on the segment that no container may get, each once: DNS servers, routers and the hosts' own. */
export function lines6(hosts: readonly HostView<unknown, Facts>[]): Pick<Lifeline, "what" | "address">[] {
  const all = hosts.flatMap(({ name, facts: { lifelines, ipv6 } }) => [
    ...lifelines,
    ...ipv6.gateways.map((address) => ({ what: "the default gateway", address })),
    ...ipv6.addresses
      .filter(({ dev }) => dev !== "macvlan-shim")
      .map(({ cidr }) => ({ what: `${name} itself`, address: cidr.replace(/\/.*/, "") })),
  ]);
  const six = all.filter(({ address }) => familyOf(address) === 6);
  return [...new Map(six.map((line) => [line.address, line])).values()];
}

/** The kernel has to have IPv6; and the host itself, where it is to reach its containers by it. */
export function withoutIpv6Kernel<V extends Macvlan6Vars, F extends { ipv6: Ipv6Facts }>({
  reached,
}: Fleet<V, F>): CausewayError[] {
  return reached
    .filter(({ vars, facts }) => {
      if (vars.macvlan_subnet6 === undefined) return false;
      return !facts.ipv6.inKernel || (vars.macvlan_shim && !facts.ipv6.enabled);
    })
    .map(
      ({ name, facts }) =>
        new CausewayError("host", `${name} has no IPv6`, {
          host: name,
          found: facts.ipv6.inKernel
            ? "net.ipv6.conf.all.disable_ipv6 = 1: the shim could have no address"
            : "no IPv6 in its kernel",
          expected: "IPv6, as macvlan_subnet6 needs it",
          command: "sysctl net.ipv6.conf.all.disable_ipv6; cat /proc/cmdline",
          advice: facts.ipv6.inKernel
            ? "sysctl -w net.ipv6.conf.all.disable_ipv6=0, and in the file of /etc/sysctl.d that says 1; or no macvlan_shim, or no macvlan_subnet6"
            : "boot without ipv6.disable=1, or take macvlan_subnet6 out of the inventory",
        }),
    );
}
