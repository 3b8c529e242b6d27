import {
  CausewayError,
  contains,
  defineFact,
  type GivenValue,
  type HostView,
  lastAddress,
  networkOf,
  parseAddress,
  type Route,
  together,
} from "causeway";
import { said } from "./look.ts";

/** An address that a host has to reach whatever scheme it runs. */
export interface Lifeline {
  what: string;
  address: string;
  /** The route by which the host reaches it now; undefined without any. */
  route?: Pick<Route, "dst" | "dev" | "proto"> | undefined;
}

/** DNS servers, default gateways and the address from which this run connects. */
export const lifelinesFact = defineFact({
  name: "lifelines",
  read: async (host): Promise<Lifeline[]> => {
    const [runners, servers, routes] = await Promise.all([
      said(host, "runner"),
      said(host, "nameserver"),
      host.routes(),
    ]);
    const gateways = routes.flatMap(({ dst, via }) => (dst === "default" && via ? [via] : []));
    const all: Lifeline[] = [
      ...runners.map((words) => ({
        what: "the machine from which this run connects",
        address: words.replace(/ .*/, ""),
      })),
      ...servers.map((address) => ({ what: "the DNS server", address })),
      ...[...new Set(gateways)].map((address) => ({ what: "the default gateway", address })),
    ];
    return all.map((line) => ({ ...line, route: routeTo(line.address, routes) }));
  },
});

/** The longest prefix wins, as in the kernel. */
export function routeTo(address: string, routes: readonly Route[]): Route | undefined {
  const wanted = parseAddress(address);
  const prefixOf = ({ dst }: Route) => networkFor(dst)?.prefix ?? -1;
  return routes
    .filter(({ dst }) => {
      const network = networkFor(dst);
      return network && wanted !== undefined && contains(network, wanted);
    })
    .toSorted((a, b) => prefixOf(b) - prefixOf(a))[0];
}

function networkFor(dst: string): ReturnType<typeof networkOf> {
  if (dst === "default") return { first: 0, prefix: 0 };
  return networkOf(dst.includes("/") ? dst : `${dst}/32`);
}

/** A network that a scheme is about to lead to containers. */
interface Taken {
  network: string;
  value: GivenValue;
}

/**
 * A host would no longer reach what lies in a network of containers. What lies among them already, such as a DNS server in a
 * container, is reached there and stays so.
 */
export function lifelinesTaken<V extends object, F extends { lifelines: readonly Lifeline[] }>(
  hosts: readonly HostView<V, F>[],
  taken: readonly Taken[],
  { only }: { only?: RegExp } = {},
): CausewayError[] {
  return hosts.flatMap((host) => {
    const lines = host.facts.lifelines.filter(({ what }) => only === undefined || only.test(what));
    return taken.flatMap(({ network: text, value }) => {
      const network = networkOf(text);
      const address = ({ address }: Lifeline) => parseAddress(address) ?? -1;
      const hit = lines.find(
        (line) => network && contains(network, address(line)) && !isAmongContainers(line, network),
      );
      if (!hit) return [];
      return [
        new CausewayError(
          "host",
          `${value.name} ${value.value} contains an address that ${host.name} needs: ${hit.what}`,
          {
            ...together(value),
            host: host.name,
            found: `${hit.address} is in ${text}`,
            expected: "a network for containers that contains no address which the hosts need themselves",
            advice: `choose another ${value.name}; with this one ${host.name} could no longer reach ${hit.address}`,
          },
        ),
      ];
    });
  });
}

function isAmongContainers({ route }: Lifeline, network: NonNullable<ReturnType<typeof networkOf>>): boolean {
  const now = networkFor(route?.dst ?? "");
  if (!route || !now || !contains(network, now.first) || !contains(network, lastAddress(now))) return false;
  return route.proto !== "kernel" || /^(docker|flannel)/.test(route.dev ?? "");
}
