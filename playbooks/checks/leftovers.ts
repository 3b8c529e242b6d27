import {
  CausewayError,
  contains,
  type Fleet,
  type HostView,
  networkOf,
  overlaps,
  parseAddress,
  type Remark,
  type Route,
  routeProtocol,
  rulesIn,
  sh,
  withKeys,
} from "causeway";
import { schemes } from "../schemes/index.ts";
import { type ByHand, isTyped, keysOfUser } from "./by-hand.ts";
import { type Find, pattern, type Trace } from "./traces.ts";

/** What a scheme is about to use on a host. */
export interface Claim<V> {
  /** What would break the scheme, and is refused. Everything else is a warning. */
  breaks: readonly Trace[];
  /** Keys that must not stand in daemon.json: they go to dockerd as flags, and it does not start with both. */
  keys?: readonly string[];
  /** The networks whose packets it carries: a foreign route into one of them would send them elsewhere, and is refused. */
  networks?: (host: HostView<V, Facts>, fleet: Fleet<V, Facts>) => readonly string[];
  /** The networks to which it makes a route itself, in place of an existing one. */
  replaces?: (host: HostView<V, Facts>, fleet: Fleet<V, Facts>) => readonly string[];
}

interface Facts {
  byHand: ByHand;
}

type Judged = Find & { breaks: boolean };

/** What was made by hand and would break the scheme: refused, so that every host stays as it is. */
export function conflictingLeftovers<V, F extends Facts>(
  fleet: Fleet<V, F>,
  claim: Claim<V>,
): CausewayError[] {
  return fleet.reached.flatMap((host) =>
    findsOn(host, fleet, claim)
      .filter(({ breaks }) => breaks)
      .map(
        ({ message, found, remove }) =>
          new CausewayError("host", message, { host: host.name, found, advice: remove }),
      ),
  );
}

/** What was made by hand and does no harm, but could mislead somebody who looks for the cause of a fault. */
export function harmlessLeftovers<V, F extends Facts>(fleet: Fleet<V, F>, claim: Claim<V>): Remark[] {
  return fleet.reached.flatMap((host) =>
    findsOn(host, fleet, claim)
      .filter(({ breaks }) => !breaks)
      .map(({ message, found, remove }) => ({
        host: host.name,
        text: `${message} (${found}); to remove it: ${remove}`,
      })),
  );
}

/** Where a host only keeps a store, its Docker is not checked. */
function findsOn<V, F extends Facts>(
  host: HostView<V, F>,
  fleet: Fleet<V, F>,
  claim: Claim<V>,
): readonly Judged[] {
  const { byHand } = host.facts;
  const networks = claim.networks?.(host, fleet) ?? [];
  const replaces = claim.replaces?.(host, fleet) ?? [];
  const isOfDocker = host.groups.includes("docker");
  const traces = new Set(schemes.flatMap((scheme) => scheme.traces ?? []));
  const ofSchemes = [...traces]
    .filter(({ onAnyHost }) => onAnyHost || isOfDocker)
    .flatMap((trace) =>
      trace.finds(byHand).map((find) => ({ ...find, breaks: claim.breaks.includes(trace) })),
    );
  const ofDocker = [
    ...keysOfDaemon(byHand, claim),
    ...byHand.routes.flatMap((route) => conflictingRoute(byHand, route, networks, replaces)),
  ];
  return [
    ...ofSchemes,
    ...(isOfDocker ? ofDocker : []),
    ...acceptedNetworks(
      byHand,
      fleet.hosts.map(({ address }) => address),
      networks,
    ),
  ];
}

function keysOfDaemon<V>(byHand: ByHand, { keys = [] }: Claim<V>): Judged[] {
  const theirs = keysOfUser(byHand, keys);
  const { path, content } = byHand.config;
  if (theirs.length === 0) return [];
  return [
    {
      breaks: true,
      message: `${theirs.map(([key]) => key).join(" and ")} in ${path} would keep dockerd from starting`,
      found: theirs.map(([key, value]) => `"${key}": ${JSON.stringify(value)}`).join(", "),
      remove: sh`sed -i -z ${cuts(
        content,
        theirs.map(([key]) => key),
      )} ${path} && systemctl restart docker`.text,
    },
  ];
}

/** One key after the other, each with the comma that goes with it, as sed takes it out of the file's present text. */
function cuts(content: string, keys: readonly string[]): string[] {
  let text = content;
  return keys.flatMap((key) => {
    const without = withKeys(text, { [key]: undefined });
    const length = text.length - without.length;
    let at = [...text].findIndex((letter, index) => letter !== without[index]);
    // The same text is left when as much is taken a little earlier: a whole line rather than parts of two.
    while (at > 0 && text[at - 1] === text[at + length - 1]) at -= 1;
    const gone = text.slice(at, at + length);
    text = without;
    return ["-e", `s|${pattern(gone).replaceAll("\n", "\\n")}||`];
  });
}

/** A route through a gateway into what the scheme is about to use; a wider one does no harm, the longest prefix wins. */
function conflictingRoute(
  byHand: ByHand,
  route: Route,
  networks: readonly string[],
  replaces: readonly string[],
): Judged[] {
  const { dst, via, dev, line } = route;
  const to = networkOf(dst.includes("/") ? dst : `${dst}/32`);
  if (!to || via === undefined || !isTyped(route) || isOfCauseway(byHand, route)) return [];
  const hit = networks.find((text) => {
    const network = networkOf(text);
    return network !== undefined && overlaps(network, to) && to.prefix >= network.prefix;
  });
  if (hit === undefined) return [];
  const replaced = replaces.includes(dst);
  return [
    {
      breaks: !replaced,
      message: replaced
        ? `the route to ${dst} was not made by causeway; it is replaced, and a reset restores it`
        : `a route that causeway did not make leads into ${hit}, which this scheme needs`,
      found: line,
      remove: sh`ip route del ${dst} via ${via} ${dev ? ["dev", dev] : []}`.text.trim(),
    },
  ];
}

/** Made by a route step, or by a daemon that causeway set up: what a switch undoes. */
export function isOfCauseway(byHand: ByHand, { dst, proto }: Route): boolean {
  if (proto === String(routeProtocol)) return true;
  const to = parseAddress(dst.split("/")[0] ?? "");
  return servedNetworks(byHand).some((text) => {
    const network = networkOf(text);
    return network === undefined || (to !== undefined && contains(network, to));
  });
}

/** The networks of daemons that causeway set up. */
function servedNetworks(byHand: ByHand): string[] {
  return schemes.flatMap((scheme) => scheme.serves?.(byHand) ?? []);
}

/** The article's rule: FORWARD for the hosts' own network, or the containers'. One with a comment is somebody's. */
function acceptedNetworks(byHand: ByHand, hosts: readonly string[], networks: readonly string[]): Judged[] {
  return rulesIn(byHand.rules, "filter", "FORWARD").flatMap(({ spec, comment }) => {
    const from = /^-s (\S+) -j ACCEPT$/.exec(spec)?.[1];
    if (comment !== undefined || from === undefined || !isNetworkOf(from, byHand, hosts, networks)) return [];
    return [
      {
        breaks: false,
        message: "a rule that causeway did not make accepts every packet of a network",
        found: `-A FORWARD ${spec}`,
        remove: `iptables -D FORWARD ${spec}`,
      },
    ];
  });
}

/** The network of the hosts or of their containers, and not one that a daemon of ours accepts itself. */
function isNetworkOf(
  text: string,
  byHand: ByHand,
  hosts: readonly string[],
  networks: readonly string[],
): boolean {
  const from = networkOf(text);
  if (!from || from.prefix === 32 || servedNetworks(byHand).includes(text)) return false;
  const holds = (address: string) => contains(from, parseAddress(address) ?? -1);
  return hosts.some(holds) || networks.some((n) => overlaps(from, networkOf(n) ?? from));
}
