import {
  CausewayError,
  contains,
  type Fleet,
  familyOf,
  given,
  givenAddress,
  type HostView,
  networkOf,
  overlaps,
  parseAddress,
  parseAddress6,
  together,
} from "causeway";

type Host = HostView<object, unknown>;

/** Where peers reach a host over IPv4: not where the runner does, where a scheme has a variable for it and it is set. */
export function ipv4Of({ address, vars }: Pick<Host, "address" | "vars">): string {
  return "host_ipv4" in vars && typeof vars.host_ipv4 === "string" ? vars.host_ipv4 : address;
}

/** Peers are told each other's addresses: each has to be an IPv4 address, and of one host alone. */
export function badAddresses(
  hosts: readonly Host[],
  { by = "ansible_host" }: { by?: "ansible_host" | "host_ipv4" } = {},
): CausewayError[] {
  return [...notAddresses(hosts, by), ...sharedAddresses(hosts)];
}

/** Of either family, and no name. */
export function isAddress(text: string): boolean {
  return parseAddress(text) !== undefined || parseAddress6(text) !== undefined;
}

/** A route, a lease or a member list has no use for a name. */
function notAddresses(hosts: readonly Host[], by: string): CausewayError[] {
  return hosts
    .filter((host) => parseAddress(ipv4Of(host)) === undefined)
    .map(
      (host) =>
        new CausewayError("inventory", `the address of ${host.name} is not an IPv4 address`, {
          ...together(givenAddress(host)),
          host: host.name,
          expected: "the IPv4 address at which its peers reach it",
          advice: `below ${host.name}: ${familyOf(host.address) === 6 ? by : "ansible_host"}: 10.0.0.200 (${host.name} stays its name)`,
        }),
    );
}

/** Ports tell such hosts apart for SSH; packets between containers have no such port. */
export function sharedAddresses(hosts: readonly Host[]): CausewayError[] {
  const seen = new Map<string, Host>();
  return hosts.flatMap((host) => {
    const address = ipv4Of(host);
    const other = seen.get(address);
    seen.set(address, other ?? host);
    if (!other || !isAddress(address)) return [];
    return [
      new CausewayError("inventory", `${other.name} and ${host.name} have one address: ${address}`, {
        ...together(givenAddress(host), givenAddress(other)),
        host: host.name,
        expected: "an address of its own for each host, at which its peers reach it",
        advice: `correct ansible_host, or remove ${host.name} from the inventory if it is the same machine`,
      }),
    ];
  });
}

/**
 * The network for the containers of all hosts must hold no host's own address: packets for it would go among the containers, and
 * the runner's with them. `example` is one that does not.
 */
export function networkOverHosts<N extends string>(
  fleet: Fleet<Record<N, string>>,
  variable: N,
  example: string,
): CausewayError[] {
  // All hosts of Docker have one network; one that only keeps a store need not be told.
  const [owner] = fleet.group("docker");
  if (!owner) return [];
  return hostsIn(fleet.hosts, owner.vars[variable]).map(
    (host) =>
      new CausewayError("variables", `${variable} contains the address of ${host.name}`, {
        ...together(given(owner, variable), givenAddress(host)),
        host: host.name,
        expected: "a network other than the one on which hosts are reached",
        advice: `choose another ${variable}, such as ${example}`,
      }),
  );
}

/** The hosts whose addresses a network holds: what is for them would go among the containers. */
export function hostsIn<H extends { readonly address: string }>(hosts: readonly H[], network: string): H[] {
  const holding = networkOf(network);
  return hosts.filter(({ address }) => {
    const own = parseAddress(address);
    return holding !== undefined && own !== undefined && contains(holding, own);
  });
}

/** No container can have an address in these (RFC 6890, RFC 1112). */
const reserved: Readonly<Record<string, string>> = {
  "0.0.0.0/8": "stands for no host",
  "127.0.0.0/8": "is loopback, the host itself",
  "169.254.0.0/16": "is link-local",
  "224.0.0.0/3": "is multicast and reserved",
};

/** Networks for containers in which no container can be. */
export function reservedNetworks<V extends object, F>(
  hosts: readonly HostView<V, F>[],
  variables: readonly (keyof V & string)[],
): CausewayError[] {
  return hosts.flatMap((host) =>
    variables.flatMap((variable) => {
      const hit = reservedPart(String(host.vars[variable]));
      if (!hit) return [];
      return [
        new CausewayError("variables", `${variable} is not a network for containers`, {
          ...together(given(host, variable)),
          found: `${hit.network} ${hit.meaning}`,
          expected: "a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or of another network of yours",
        }),
      ];
    }),
  );
}

/** The reserved network that overlaps this one, and what it is; undefined without any, and for what is no network. */
export function reservedPart(text: string): { network: string; meaning: string } | undefined {
  const wanted = networkOf(text);
  const hit = Object.entries(reserved).find(([network]) => {
    const other = networkOf(network);
    return wanted && other && overlaps(wanted, other);
  });
  return hit && { network: hit[0], meaning: hit[1] };
}
