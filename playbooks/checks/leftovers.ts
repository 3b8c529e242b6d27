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
  sh,
  withKeys,
} from "causeway";
import { type ByHand, isTyped, keysOfUser, type Setting, settings, unmanaged } from "./by-hand.ts";

/** The traces that the article's commands leave on a host. */
export type Kind =
  | "bip"
  | "flannel options"
  | "cluster store"
  | "open API"
  | "daemon.json"
  | "route"
  | "replaced route"
  | "rule"
  | "consul"
  | "etcd"
  | "flanneld";

/** What a scheme is about to use on a host. */
export interface Claim<V> {
  /** What would break the scheme, and is refused. Everything else is a warning. */
  breaks: readonly Kind[];
  /** Keys that must not stand in daemon.json: they go to dockerd as flags, and it does not start with both. */
  keys?: readonly string[];
  /** The networks whose packets it carries: a foreign route into one of them would send them elsewhere. */
  networks?: (host: HostView<V, Facts>, fleet: Fleet<V, Facts>) => readonly string[];
  /** The networks to which it makes a route itself, in place of an existing one. */
  replaces?: (host: HostView<V, Facts>, fleet: Fleet<V, Facts>) => readonly string[];
}

interface Facts {
  byHand: ByHand;
}

/** One thing that was made by hand, and the command that removes it. */
interface Find {
  kind: Kind;
  message: string;
  found: string;
  remove: string;
}

/** What was made by hand and would break the scheme: refused, so that every host stays as it is. */
export function conflictingLeftovers<V, F extends Facts>(
  fleet: Fleet<V, F>,
  claim: Claim<V>,
): CausewayError[] {
  return fleet.reached.flatMap((host) =>
    findsOn(host, fleet, claim)
      .filter(({ kind }) => claim.breaks.includes(kind))
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
      .filter(({ kind }) => !claim.breaks.includes(kind))
      .map(({ message, found, remove }) => ({
        host: host.name,
        text: `${message} (${found}); to remove it: ${remove}`,
      })),
  );
}

function findsOn<V, F extends Facts>(host: HostView<V, F>, fleet: Fleet<V, F>, claim: Claim<V>): Find[] {
  const { byHand } = host.facts;
  const networks = claim.networks?.(host, fleet) ?? [];
  const replaces = claim.replaces?.(host, fleet) ?? [];
  const ofDocker = [
    ...flagsOfDocker(byHand),
    ...flannelOptions(byHand),
    ...keysOfDaemon(byHand, claim),
    ...byHand.routes.flatMap((route) => conflictingRoute(byHand, route, networks, replaces)),
  ];
  return [
    // Where a host only keeps the store, its Docker is not checked.
    ...(host.groups.includes("docker") ? ofDocker : []),
    ...rules(
      byHand,
      fleet.hosts.map(({ address }) => address),
      networks,
    ),
    ...processes(byHand),
  ];
}

/** Flags that somebody wrote into docker.service, or into a variable that it hands to dockerd. */
function flagsOfDocker(byHand: ByHand): Find[] {
  const { unit } = byHand;
  const commands = settings(unit, "ExecStart");
  const flags = (pattern: RegExp) =>
    commands.flatMap(({ path, value }) =>
      (value.match(pattern) ?? []).map((flag) => ({ path, value: flag })),
    );
  const bip = flags(/--bip[= ]\S+/g);
  const store = flags(/--cluster-(?:store|advertise)[= ]\S+/g);
  const api = /--tls(?:verify|cacert)/.test(commands.at(-1)?.value ?? "")
    ? []
    : flags(/(?:-H|--host)[= ]tcp:\/\/\S+/g);
  return [
    ...[...bip, ...bipOfVariables(byHand)].map((flag) =>
      flagFind("bip", "dockerd is started with a --bip that causeway did not set", [flag]),
    ),
    ...(store.length > 0
      ? [flagFind("cluster store", "Docker uses a cluster store that causeway did not set", store)]
      : []),
    ...(api.length > 0
      ? [flagFind("open API", "Docker's API is open without TLS: anyone who can reach the port is root", api)]
      : []),
  ];
}

/** A variable that ExecStart uses. What our own flanneld writes is no find, and the article's way to read it is another. */
function bipOfVariables({ unit, variables, standing }: ByHand): Setting[] {
  const commands = settings(unit, "ExecStart").map(({ value }) => value);
  const files = settings(unit, "EnvironmentFile")
    .filter(({ value }) => !value.startsWith("/run/flannel/"))
    .map(({ value }) => value.replace(/^-/, ""))
    .filter((file) => !file.startsWith("/run/flannel/") || !hasFlanneld(standing));
  return variables
    .filter(({ path, name }) => {
      const use = new RegExp(`\\$\\{?${name}\\b`);
      return files.includes(path) && commands.some((command) => use.test(command));
    })
    .map(({ path, flag }) => ({ path, value: flag }));
}

function hasFlanneld(standing: ByHand["standing"]): boolean {
  return standing.some(({ task }) => task === "flanneld-config");
}

function flagFind(kind: Kind, message: string, flags: readonly Setting[]): Find {
  const path = flags[0]?.path ?? "";
  const words = flags.map(({ value }) => value);
  const expressions = words.flatMap((word) => ["-e", `s| *${pattern(word)}||g`]);
  return { kind, message, found: `${words.join(" ")} in ${path}`, remove: edit(path, expressions) };
}

/** The article's edit: without the “-” before the file, Docker does not start any more once flannel's file is gone. */
function flannelOptions({ unit }: ByHand): Find[] {
  return settings(unit, "EnvironmentFile")
    .filter(({ value }) => value.startsWith("/run/flannel/"))
    .map(({ path, value }) => ({
      kind: "flannel options",
      message: "docker.service was edited by hand to read flannel's options",
      found: `EnvironmentFile=${value} in ${path}`,
      remove: edit(path, [
        "-e",
        `\\|^EnvironmentFile=${pattern(value)}|d`,
        "-e",
        "s| *\\$DOCKER_NETWORK_OPTIONS||g",
      ]),
    }));
}

function edit(path: string, expressions: readonly string[]): string {
  return sh`sed -i ${expressions} ${path} && systemctl daemon-reload && systemctl restart docker`.text;
}

/** A text as a basic regular expression of sed's, between bars. */
function pattern(text: string): string {
  return text.replaceAll(/[\\.*[\]^$|]/g, "\\$&");
}

function keysOfDaemon<V>(byHand: ByHand, { keys = [] }: Claim<V>): Find[] {
  const theirs = keysOfUser(byHand, keys);
  const { path, content } = byHand.config;
  if (theirs.length === 0) return [];
  return [
    {
      kind: "daemon.json",
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
): Find[] {
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
      kind: replaced ? "replaced route" : "route",
      message: replaced
        ? `the route to ${dst} was not made by causeway; it is replaced, and a reset restores it`
        : `a route that causeway did not make leads into ${hit}, which this scheme needs`,
      found: line,
      remove: sh`ip route del ${dst} via ${via} ${dev ? ["dev", dev] : []}`.text.trim(),
    },
  ];
}

/** Made by a route step, or by the flanneld that causeway set up: what a switch undoes. */
export function isOfCauseway({ standing, flannel }: ByHand, { dst, proto }: Route): boolean {
  if (proto === String(routeProtocol)) return true;
  if (!hasFlanneld(standing)) return false;
  const [network, to] = [networkOf(flannel), parseAddress(dst.split("/")[0] ?? "")];
  return network === undefined || (to !== undefined && contains(network, to));
}

/** The article's rules: FORWARD for the hosts' own network, and etcd's ports for everybody. Commented ones are somebody's. */
function rules(byHand: ByHand, hosts: readonly string[], networks: readonly string[]): Find[] {
  const theirs = byHand.rules.rules.filter((r) => r.table === "filter" && r.comment === undefined);
  const remove = (chain: string, spec: string) => `iptables -D ${chain} ${spec}`;
  return theirs.flatMap(({ chain, spec }): Find[] => {
    const from = /^-s (\S+) -j ACCEPT$/.exec(spec)?.[1];
    if (chain === "FORWARD" && from !== undefined && isNetworkOf(from, byHand, hosts, networks))
      return [
        {
          kind: "rule",
          message: "a rule that causeway did not make accepts every packet of a network",
          found: `-A FORWARD ${spec}`,
          remove: remove(chain, spec),
        },
      ];
    const etcd = /^-p tcp -m tcp --dport (?:2379|2380)(?: -m \S+ --(?:ct)?state \S+)? -j ACCEPT$/.test(spec);
    if (chain !== "INPUT" || !etcd) return [];
    return [
      {
        kind: "rule",
        message: "a rule that causeway did not make opens etcd to everyone",
        found: `-A INPUT ${spec}`,
        remove: remove(chain, spec),
      },
    ];
  });
}

/** The network of the hosts or of their containers, and not the one that our flanneld accepts itself. */
function isNetworkOf(
  text: string,
  { standing, flannel }: ByHand,
  hosts: readonly string[],
  networks: readonly string[],
): boolean {
  const from = networkOf(text);
  if (!from || from.prefix === 32) return false;
  if (text === flannel && hasFlanneld(standing)) return false;
  const holds = (address: string) => contains(from, parseAddress(address) ?? -1);
  return hosts.some(holds) || networks.some((n) => overlaps(from, networkOf(n) ?? from));
}

function processes({ processes: all }: ByHand): Find[] {
  return (["consul", "etcd", "flanneld"] as const).flatMap((kind) => {
    const pids = unmanaged(all).flatMap(({ name, pid }) => (name === kind ? [pid] : []));
    if (pids.length === 0) return [];
    return [
      {
        kind,
        message: `${kind} runs, but no unit started it: it will be gone after a reboot`,
        found: `process ${pids.join(", ")}`,
        remove: `kill ${pids.join(" ")}`,
      },
    ];
  });
}
