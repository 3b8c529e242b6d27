import {
  type Address,
  CausewayError,
  Cidr,
  Cidr6,
  defineTask,
  familyOf,
  Ipv4,
  Ipv6,
  isKept,
  type Kept,
  type Link,
  later,
  meet,
  type PlanItem,
  type Reader,
  type Route,
  rawScript,
  type Static,
  sh,
  step,
  Type,
} from "causeway";

const params = Type.Object(
  {
    network: Type.String({
      minLength: 1,
      description: "the macvlan network whose containers are to be reached",
    }),
    address: Ipv4({ description: "the host's own address on that network; Docker must not assign it" }),
    ip_range: Cidr({ description: "where this host's containers are" }),
    address6: Type.Optional(Ipv6({ description: "its own address of IPv6 there; needs `ip_range6`" })),
    ip_range6: Type.Optional(Cidr6({ description: "where they are in IPv6" })),
    name: Type.String({
      default: "macvlan-shim",
      pattern: "^[^\\s/]{1,15}$",
      description: "the name of the interface",
    }),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

interface State {
  /** The interface below the network; empty while there is no such network. */
  parent: string;
  links: readonly Link[];
  addresses: readonly Address[];
  routes: readonly Route[];
  kept: Kept;
}

/**
 * A macvlan interface of the host's own beside its containers' ones: the kernel lets a host not talk to its macvlan
 * children over the parent, but brothers on one parent talk to each other. It comes back at boot.
 */
export const macvlanShim = defineTask({
  name: "macvlan-shim",
  summary: "An interface through which a host reaches its own macvlan containers",
  params,
  key: ({ name }) => name,
  read: async (host, { network, address6 }): Promise<State> => {
    const families = address6 === undefined ? ([4] as const) : ([4, 6] as const);
    const [parent, links, addresses, routes, kept] = await Promise.all([
      readParent(host, network),
      host.links(),
      Promise.all(families.map((family) => host.addresses(family))),
      Promise.all(families.map((family) => host.routes(family))),
      host.kept("links"),
    ]);
    return { parent, links, addresses: addresses.flat(), routes: routes.flat(), kept };
  },
  present: (state, params): readonly PlanItem[] => {
    const { name } = params;
    if (state.parent === "") return [later(`the network ${params.network} does not exist yet`)];
    const make = makeScript(state.parent, params);
    const link = state.links.find((l) => l.name === name);
    const comesBack = isKept(state.kept, make);
    const stands = link !== undefined && isRight(state, link, params);
    if (stands && comesBack) return [];
    const has = addressesOn(name, state).map((a) => a.cidr);
    if (link && !stands) refuseForeign(state, link, has);
    return [
      step.link({
        name,
        make: rawScript(make),
        to: [
          `macvlan on ${state.parent}`,
          ...waysOf(params).map(({ address, range }) => `${address}, the way to ${range}`),
        ].join(", "),
        was: link ? [link.kind ?? "a link", link.up ? "" : "down", ...has].filter(Boolean).join(" ") : null,
      }),
    ];
  },
});

/** Its address and the containers' part, of each family. */
function waysOf({ address, ip_range, address6, ip_range6 }: Params) {
  return [
    { address, cidr: `${address}/32`, range: ip_range },
    ...(address6 === undefined || ip_range6 === undefined
      ? []
      : [{ address: address6, cidr: `${address6}/128`, range: ip_range6 }]),
  ];
}

/** The kernel gives each device a link-local address by itself. */
function addressesOn(name: string, { addresses }: Pick<State, "addresses">): readonly Address[] {
  return addresses.filter(({ dev, cidr }) => dev === name && !meet(cidr, "fe80::/10"));
}

/** What is kept for the boot tells ours. */
function refuseForeign({ kept }: State, { name, kind, up }: Link, has: readonly string[]): void {
  const ours = ` name ${name} type macvlan `;
  if ([...kept.files.values()].some((lines) => lines.some((line) => line.includes(ours)))) return;
  throw new CausewayError("host", `causeway did not make the interface ${name} of this host`, {
    found: [`${name}: ${kind ?? "a link"}, ${up ? "up" : "down"}`, ...has].join(", "),
    expected: "no interface of that name",
    command: `ip -d addr show ${name}`,
    advice: `ip link del ${name}, if nobody needs it, and where it is configured; or -e macvlan_shim=false`,
  });
}

async function readParent(host: Reader, network: string): Promise<string> {
  const script = sh`command -v docker >/dev/null && systemctl is-active -q docker || exit 0
# Not by a filter of names, which is an expression: in it lan.10 is lan-10, too.
all=$(docker network ls --no-trunc --filter driver=macvlan --format '{{.ID}} {{.Name}}') || exit 1
id=$(printf '%s\n' "$all" | while read -r id name; do [ "$name" != ${network} ] || printf %s "$id"; done)
[ -z "$id" ] || docker network inspect -f '{{.Options.parent}}' "$id"`;
  const { stdout, stderr, code } = await host.read(script, { looksAt: ["docker", "unit:docker"] });
  if (code === 0) return stdout.trim();
  throw new CausewayError("host", "Docker cannot list its networks", {
    command: `docker network inspect ${network}`,
    output: stderr,
  });
}

/** One line, by which it is found again among what is kept. */
function makeScript(parent: string, params: Params): string {
  const { name } = params;
  const ways = waysOf(params).map(({ address, cidr, range }) =>
    familyOf(address) === 4
      ? {
          add: sh`ip addr add ${cidr} dev ${name}`,
          lead: sh`ip route replace ${range} dev ${name} src ${address}`,
        }
      : {
          // At once: until the kernel has looked for another one that has it, a route could not name it.
          add: sh`ip -6 addr add ${cidr} dev ${name} nodad`,
          lead: sh`ip -6 route replace ${range} dev ${name} src ${address}`,
        },
  );
  return [
    sh`ip link add link ${parent} name ${name} type macvlan mode bridge`,
    ...ways.map(({ add }) => add),
    sh`ip link set ${name} up`,
    ...ways.map(({ lead }) => lead),
  ]
    .map(({ text }) => text)
    .join(" && ");
}

function isRight(state: State, link: Link, params: Params): boolean {
  const { parent, routes } = state;
  const ways = waysOf(params);
  const own = addressesOn(params.name, state);
  return (
    link.kind === "macvlan" &&
    link.parent === parent &&
    link.up &&
    own.length === ways.length &&
    ways.every(({ cidr, range }) => {
      const [way, ...others] = routes.filter((route) => route.dst === range);
      return own.some((a) => a.cidr === cidr) && way?.dev === params.name && others.length === 0;
    })
  );
}
