import {
  type Address,
  CausewayError,
  Cidr,
  defineTask,
  Ipv4,
  isKept,
  type Kept,
  type Link,
  later,
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
  read: async (host, { network }): Promise<State> => {
    const [parent, links, addresses, routes, kept] = await Promise.all([
      readParent(host, network),
      host.links(),
      host.addresses(),
      host.routes(),
      host.kept("links"),
    ]);
    return { parent, links, addresses, routes, kept };
  },
  present: (state, params): readonly PlanItem[] => {
    const { name, address } = params;
    if (state.parent === "") return [later(`the network ${params.network} does not exist yet`)];
    const make = makeScript(state.parent, params);
    const link = state.links.find((l) => l.name === name);
    const comesBack = isKept(state.kept, make);
    const stands = link !== undefined && isRight(state, link, params);
    if (stands && comesBack) return [];
    const has = state.addresses.filter((a) => a.dev === name).map((a) => a.cidr);
    if (link && !stands) refuseForeign(state, link, has);
    return [
      step.link({
        name,
        make: rawScript(make),
        to: `macvlan on ${state.parent}, ${address}, the way to ${params.ip_range}`,
        was: link ? [link.kind ?? "a link", link.up ? "" : "down", ...has].filter(Boolean).join(" ") : null,
      }),
    ];
  },
});

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
function makeScript(parent: string, { name, address, ip_range }: Params): string {
  return sh`ip link add link ${parent} name ${name} type macvlan mode bridge && ip addr add ${`${address}/32`} dev ${name} && ip link set ${name} up && ip route replace ${ip_range} dev ${name} src ${address}`
    .text;
}

function isRight(
  { parent, addresses, routes }: State,
  link: Link,
  { name, address, ip_range }: Params,
): boolean {
  const own = addresses.filter((a) => a.dev === name);
  const way = routes.filter((r) => r.dst === ip_range);
  return (
    link.kind === "macvlan" &&
    link.parent === parent &&
    link.up &&
    own.length === 1 &&
    own[0]?.cidr === `${address}/32` &&
    way.length === 1 &&
    way[0]?.dev === name
  );
}
