import {
  CausewayError,
  defineFact,
  type Fleet,
  familyOf,
  formatAddress6,
  given,
  givenAddress,
  type HostView,
  meet,
  ownCommand,
  parseAddress6,
  type Route,
  type Standing,
  sh,
  subnetOf,
  together,
} from "causeway";
import { addressIn } from "../../tasks/wireguard-link/peers.ts";
import { isAddress, reservedPart } from "./addresses.ts";
import { type Ipv6Facts, reservedPart6 } from "./ipv6.ts";
import { routeTo } from "./lifelines.ts";

/** The variables by which hosts find each other. */
export interface WireguardVars {
  bip: string;
  fixed_cidr_v6?: string;
  wg_endpoint?: string;
  wg_port: number;
  wg_keepalive: number;
  wg_mtu: number;
  wg_generation: number;
}

type Host<F = unknown> = HostView<WireguardVars, F>;

/** Each generation of keys has an interface of its own, so that the next one is up before this one goes. */
export function linkName({ wg_generation }: Pick<WireguardVars, "wg_generation">): string {
  return `wg-causeway${wg_generation}`;
}

/** Two generations are there at once, on two ports. */
export function linkPort({ wg_port, wg_generation }: WireguardVars): number {
  return wg_port + (wg_generation % 2);
}

/** Where peers send to, ADDRESS:PORT or [ADDRESS]:PORT; undefined for a host that none can call. */
export function endpointOf({ address, vars }: Host): string | undefined {
  const { wg_endpoint: at = address } = vars;
  const six = parseAddress6(at);
  if (at === "none") return undefined;
  return `${six === undefined ? at : `[${formatAddress6(six)}]`}:${linkPort(vars)}`;
}

/** The addresses at which hosts are called, by their names; those that have a name there, or none, are not among them. */
export function endpointsOf(hosts: readonly Host[]): ReadonlyMap<string, string> {
  return new Map(
    hosts.flatMap((host) => {
      const at = addressIn(endpointOf(host) ?? "");
      return at === undefined ? [] : [[host.name, at]];
    }),
  );
}

/** The public half of the key that this generation's interface has; undefined until it is made. */
export const publicKeyFact = defineFact<string | undefined, WireguardVars>({
  name: "public key",
  arises: true,
  read: async (host, { vars }) => {
    const path = `/etc/wireguard/${linkName(vars)}.key`;
    const { stdout } = await host.read(
      sh`[ -s ${path} ] && command -v wg >/dev/null && wg pubkey <${path} 2>/dev/null; true`,
      { looksAt: [`file:${path}`, "package"] },
    );
    return stdout.trim() || undefined;
  },
});

/** Whether the host's kernel has WireGuard itself. */
export const kernelFact = defineFact({
  name: "WireGuard in the kernel",
  read: async (host) => {
    const { code } = await host.read(sh`[ -d /sys/module/wireguard ] || modprobe -nq wireguard 2>/dev/null`, {
      looksAt: [],
    });
    return code === 0;
  },
});

/** Endpoints at which no host could be reached, before any connection. */
export function badEndpoints(hosts: readonly Host[]): CausewayError[] {
  return [
    ...unnamed(hosts),
    ...malformed(hosts),
    ...nowhere(hosts),
    ...shared(hosts),
    ...amongContainers(hosts),
    ...silentPairs(hosts),
  ];
}

/** A name that the inventory has for a host may be one that this machine's ssh_config alone knows. */
function unnamed(hosts: readonly Host[]): CausewayError[] {
  return hosts
    .filter(({ address, vars }) => vars.wg_endpoint === undefined && !isAddress(address))
    .map(
      (host) =>
        new CausewayError("inventory", `where the other hosts reach ${host.name} is not known`, {
          ...together(givenAddress(host)),
          host: host.name,
          found: `${host.address}, which is no address`,
          expected: "the address at which the other hosts reach it, or a name that they can look up",
          advice: `below ${host.name}: ansible_host: 10.0.0.200, or wg_endpoint: ${host.address} if the others know that name, too`,
        }),
    );
}

function malformed(hosts: readonly Host[]): CausewayError[] {
  return hosts
    .filter(({ vars: { wg_endpoint: at = "" } }) => at.includes(":") && parseAddress6(at) === undefined)
    .map(
      (host) =>
        new CausewayError("variables", `the wg_endpoint of ${host.name} is no IPv6 address`, {
          ...together(given(host, "wg_endpoint")),
          found: host.vars.wg_endpoint ?? "",
          expected: "an IPv6 address such as fd00:10::200, without a port; or an IPv4 address, or a name",
          advice: "the port is wg_port's",
        }),
    );
}

function nowhere(hosts: readonly Host[]): CausewayError[] {
  return hosts.flatMap((host) => {
    const at = host.vars.wg_endpoint ?? "";
    const part = familyOf(at) === 6 ? reservedPart6(at) : reservedPart(`${at}/32`);
    if (part === undefined) return [];
    return [
      new CausewayError("variables", `no peer can reach ${host.name} at its wg_endpoint`, {
        ...together(given(host, "wg_endpoint")),
        found: `${host.vars.wg_endpoint} is in ${part.network}, which ${part.meaning}`,
        expected: "an address or a name at which the other hosts reach this one; or none",
      }),
    ];
  });
}

function shared(hosts: readonly Host[]): CausewayError[] {
  const seen = new Map<string, Host>();
  return hosts.flatMap((host) => {
    const endpoint = endpointOf(host);
    if (endpoint === undefined) return [];
    const other = seen.get(endpoint);
    seen.set(endpoint, other ?? host);
    if (!other) return [];
    return [
      new CausewayError("variables", `${other.name} and ${host.name} have one endpoint: ${endpoint}`, {
        ...together(given(other, "wg_endpoint"), given(host, "wg_endpoint")),
        host: host.name,
        expected: "an endpoint of its own for each host: an address, or a port of a common one",
        advice: `behind one address, give ${host.name} another wg_port, and let the router forward it`,
      }),
    ];
  });
}

/** What is encrypted would have to go through itself. */
function amongContainers(hosts: readonly Host[]): CausewayError[] {
  return hosts.flatMap((host) => {
    const at = host.vars.wg_endpoint ?? "";
    const variable = familyOf(at) === 6 ? "fixed_cidr_v6" : "bip";
    const subnetsOf = ({ vars }: Host) => (familyOf(at) === 6 ? vars.fixed_cidr_v6 : subnetOf(vars.bip));
    const holder = hosts.find((other) => meet(at, subnetsOf(other) ?? ""));
    if (!holder) return [];
    return [
      new CausewayError(
        "variables",
        `the wg_endpoint of ${host.name} is among the containers of ${holder.name}`,
        {
          ...together(given(host, "wg_endpoint"), given(holder, variable)),
          host: host.name,
          found: `${at} is in ${subnetsOf(holder)}`,
          expected: "an address of the network that the hosts themselves are on",
        },
      ),
    ];
  });
}

/** Of two hosts one has to be able to call, and one that nobody can call has to begin, and to keep its NAT open. */
function silentPairs(hosts: readonly Host[]): CausewayError[] {
  const hidden = hosts.filter((host) => endpointOf(host) === undefined);
  const [first, second] = hidden;
  if (first && second)
    return [
      new CausewayError("variables", `neither ${first.name} nor ${second.name} can call the other`, {
        ...together(given(first, "wg_endpoint"), given(second, "wg_endpoint")),
        expected: "an endpoint for every host but one",
        advice: `forward a port to ${second.name}, and set its wg_endpoint to the address outside and its wg_port to that port`,
      }),
    ];
  if (first?.vars.wg_keepalive !== 0) return [];
  return [
    new CausewayError(
      "variables",
      `nobody can call ${first.name}, and it would not keep its own calls open`,
      {
        ...together(given(first, "wg_endpoint"), given(first, "wg_keepalive")),
        expected: "wg_keepalive above 0, such as 25",
      },
    ),
  ];
}

interface Ways {
  byHand: { readonly routes: readonly Route[]; readonly standing: readonly Standing[] };
}

interface BothWays extends Ways {
  ipv6: Pick<Ipv6Facts, "routes">;
}

function isLed({ facts }: Host<BothWays>, at: string): boolean {
  return familyOf(at) === 6
    ? facts.ipv6.routes.some(({ dst }) => meet(dst, at))
    : routeTo(at, facts.byHand.routes) !== undefined;
}

/** A host that has no route to a peer's endpoint, so that the pair could not work. */
export function unreachableEndpoints<F extends BothWays>(fleet: Fleet<WireguardVars, F>): CausewayError[] {
  return fleet.reached.flatMap((host) =>
    fleet.peersOf(host).flatMap((peer) => {
      const at = peer.vars.wg_endpoint ?? peer.address;
      if (!isAddress(at) || isLed(host, at)) return [];
      return [
        new CausewayError("host", `${host.name} has no route to the endpoint of ${peer.name}`, {
          host: host.name,
          found: `no route to ${at}, not even a default one`,
          expected: `a way to UDP ${linkPort(peer.vars)} of ${at}`,
          command: `ip route get ${at}`,
          advice: `add a route there, or set the wg_endpoint of ${peer.name} to an address that ${host.name} reaches`,
        }),
      ];
    }),
  );
}

/** The interface of another generation that causeway made on a host, where its routes lead over it. */
export function earlierLink<F extends Ways>({ vars, facts }: Host<F>): string | undefined {
  const own = linkName(vars);
  const made = facts.byHand.standing.filter(({ task }) => task === "wireguard-link").map(({ key }) => key);
  return facts.byHand.routes.flatMap(({ dev }) => dev ?? []).find((dev) => dev !== own && made.includes(dev));
}

/** A host that keeps its old key alone would be cut off from those whose packets go by the new ones. */
export function partialRotation<F extends Ways>(fleet: Fleet<WireguardVars, F>): CausewayError[] {
  const missing = fleet.hosts.filter((host) => !fleet.reached.includes(host)).map(({ name }) => name);
  const host = fleet.reached.find((one) => earlierLink(one) !== undefined);
  if (missing.length === 0 || !host) return [];
  return [
    new CausewayError("host", "new keys are made on all hosts in one run, or on none", {
      host: host.name,
      found: `${earlierLink(host)} is in use; not in this run: ${missing.join(", ")}`,
      expected: `all hosts in the run that makes ${linkName(host.vars)}`,
      advice: `run without --limit when all hosts answer; or take a host out: ${ownCommand("remove wireguard", missing[0] ?? "")}; until then: -e wg_generation=${earlierLink(host)?.replace(/^\D+/, "")}`,
    }),
  ];
}

/** Two generations on one port: the earlier one would have to go before the next comes. */
export function skippedGenerations<F extends Ways>(fleet: Fleet<WireguardVars, F>): CausewayError[] {
  return fleet.reached.flatMap((host) => {
    const now = Number(earlierLink(host)?.replace(/^\D+/, ""));
    const { wg_generation: next } = host.vars;
    if (Number.isNaN(now) || now % 2 !== next % 2) return [];
    return [
      new CausewayError("variables", `generation ${next} of the keys cannot follow generation ${now}`, {
        ...together(given(host, "wg_generation")),
        host: host.name,
        found: `both would listen on UDP ${linkPort(host.vars)}, and both are there for a while`,
        expected: `wg_generation: ${now + 1}, or ${now} for the keys as they are`,
      }),
    ];
  });
}
