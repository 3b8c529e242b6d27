import {
  AnyCidr,
  AnyIp,
  CausewayError,
  defineTask,
  familyOf,
  type Kept,
  keptRoute,
  meet,
  type Route,
  routeProtocol,
  type Static,
  step,
  Type,
} from "causeway";

const params = Type.Object(
  {
    name: Type.String({
      default: "peers",
      pattern: "^[a-z][a-z0-9-]{0,30}$",
      description: "what the list is called on the host",
    }),
    routes: Type.Array(
      Type.Object(
        {
          to: AnyCidr({ description: "the peer's container subnet" }),
          via: Type.Optional(
            AnyIp({ description: "the peer's own address of the same family, on this host's link" }),
          ),
          dev: Type.Optional(
            Type.String({
              pattern: "^[\\w.-]{1,15}$",
              description: "an interface that leads to the peer by itself, instead of an address",
            }),
          ),
        },
        { additionalProperties: false, minProperties: 2 },
      ),
      { description: "one a peer" },
    ),
    keep: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          "only add: what the list has and `routes` has not stays, and a route waits whose destination still is another's",
      }),
    ),
  },
  { additionalProperties: false },
);

type Wanted = Static<typeof params>["routes"][number];

interface State {
  routes: readonly Route[];
  kept: Kept;
}

/** Routes the peers' container subnets through the peers' own addresses, now and after every boot. */
export const staticRoute = defineTask({
  name: "static-route",
  summary: "Routes to the peers' container subnets",
  params,
  key: ({ name }) => name,
  // Earlier versions had a task for each destination.
  formerly: ({ routes }) => routes.map(({ to }) => ({ key: to })),
  read: async (host, { routes: wanted }): Promise<State> => {
    const families = new Set(wanted.map(({ to }) => familyOf(to)));
    const [routes, kept] = await Promise.all([
      Promise.all([...families].map((family) => host.routes(family))),
      host.kept("routes"),
    ]);
    return { routes: routes.flat(), kept };
  },
  present: (state, { name, routes: asked, keep = false }) => {
    const there = byDestination(state.routes);
    const comesBack = new Set(state.kept.enabled ? [...state.kept.files.values()].flat() : []);
    const list = listOf(state.kept, name);
    const kept = (list ?? []).flatMap(routeOf);
    const routes = keep ? asked.filter((route) => !hasToWait(route, kept, state.routes)) : asked;
    refuseTheirs(routes.flatMap((route) => there.get(shown(route.to)) ?? []));
    const wanted = new Set(routes.map(({ to }) => to));
    const old = kept.filter(({ to }) => !wanted.has(to));
    const gone = keep ? [] : old.map(({ to }) => to);
    const missing = routes.filter(({ to }) => !there.has(shown(to)));
    const other = routes.filter((route) => isOther(there.get(shown(route.to)), route));
    const lost = routes.filter(
      (route) => !missing.includes(route) && !other.includes(route) && !comesBack.has(keptRoute(route)),
    );
    const change = [...missing, ...other, ...lost];
    if (change.length === 0 && gone.length === 0) return [];
    const was = [
      some(missing.length, "missing", missing.map(to)),
      named(other.flatMap((route) => (there.get(shown(route.to)) ?? []).map(({ line }) => line))),
      some(lost.length, "gone after a reboot", lost.map(to)),
      some(gone.length, "of no peer", gone),
    ];
    const words = [
      named(change.map((route) => `${route.to} ${wayOf(route)}`)),
      some(gone.length, "removed", []),
    ];
    const isNew = list === undefined && missing.length === routes.length;
    return [
      step.routes({
        name,
        routes: keep ? [...routes, ...old] : routes,
        gone,
        was: isNew ? null : joined(was),
        words: isNew ? `${routes.length} to ${named(routes.map(to))}` : joined(words),
      }),
    ];
  },
});

/**
 * What the kernel made for an interface, a routing daemon, or the network's configuration is not replaced. docker0 leaves
 * its subnet before a peer gets it.
 */
function refuseTheirs(there: readonly Route[]): void {
  const theirs = there.find(
    ({ proto, dev }) => proto !== undefined && proto !== String(routeProtocol) && dev !== "docker0",
  );
  if (!theirs) return;
  throw new CausewayError("host", `the route to ${theirs.dst} is not replaced: it is of ${theirs.proto}`, {
    found: theirs.line,
    expected: "no route there, or one of causeway's own or typed by hand",
    command: `ip -${familyOf(theirs.dst)} route show ${theirs.dst}`,
    advice: "give the peer another subnet; or take that route away where it is configured",
  });
}

const to = (route: Wanted) => route.to;

/** `via 10.0.0.201`, or `dev wg0`. */
function wayOf({ via, dev }: Wanted): string {
  return [via && `via ${via}`, dev && `dev ${dev}`].filter(Boolean).join(" ");
}

/** A line of the list as it is kept: `192.168.200.0/24 via 10.0.0.201 proto 202`. */
function routeOf(line: string): Wanted[] {
  const [, to, via, dev] = /^(\S+)(?: via (\S+))?(?: dev (\S+))? proto/.exec(line) ?? [];
  if (to === undefined || (via === undefined && dev === undefined)) return [];
  return [{ to, ...(via === undefined ? {} : { via }), ...(dev === undefined ? {} : { dev }) }];
}

/**
 * Whether packets that another peer's containers, or this host's own, still get would go astray by it. An interface that leads
 * to all peers tells by itself whose they are.
 */
function hasToWait(route: Wanted, kept: readonly Wanted[], there: readonly Route[]): boolean {
  const covers = (destination: string) => meet(route.to, destination);
  return (
    kept.some(({ to, via }) => via !== route.via && covers(to)) ||
    there.some(({ dst, dev, via }) => dev === "docker0" && via === undefined && covers(dst))
  );
}

/** `ip route` prints a single address without its length. */
const shown = (destination: string) =>
  destination.replace(familyOf(destination) === 6 ? /\/128$/ : /\/32$/, "");

function byDestination(routes: readonly Route[]): ReadonlyMap<string, readonly Route[]> {
  const all = new Map<string, Route[]>();
  for (const route of routes) {
    const same = all.get(route.dst);
    if (same) same.push(route);
    else all.set(route.dst, [route]);
  }
  return all;
}

/** Routed differently, by a route that causeway did not make, or by several. */
function isOther(there: readonly Route[] | undefined, { via, dev }: Wanted): boolean {
  const [only, second] = there ?? [];
  if (only === undefined) return false;
  const leads = only.via === via && (dev === undefined || only.dev === dev);
  const right = leads && only.proto === String(routeProtocol) && only.metric === undefined;
  return !right || second !== undefined;
}

/** The list as it is kept: in one file, whose name has a checksum behind it. */
function listOf({ files }: Kept, name: string): readonly string[] | undefined {
  for (const [file, lines] of files) if (new RegExp(`^${name}-\\d+$`).test(file)) return lines;
  return undefined;
}

/** `2 missing: 192.168.100.0/24, 192.168.200.0/24` */
function some(count: number, what: string, names: readonly string[]): string {
  if (count === 0) return "";
  return [`${count} ${what}`, named(names)].filter(Boolean).join(": ");
}

/** Four of them by name, the rest by number. */
function named(names: readonly string[]): string {
  const more = names.length > 4 ? [`and ${names.length - 4} more`] : [];
  return [...names.slice(0, 4), ...more].join(", ");
}

function joined(words: readonly string[]): string {
  return words.filter(Boolean).join("; ");
}
