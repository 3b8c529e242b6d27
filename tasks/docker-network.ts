import { createHash } from "node:crypto";
import {
  CausewayError,
  Cidr,
  contains,
  type DockerState,
  defineTask,
  Ipv4,
  later,
  networkOf,
  overlaps,
  parseInterface,
  type Reader,
  type Static,
  sh,
  step,
  Type,
} from "causeway";

const params = Type.Object(
  {
    name: Type.String({ pattern: "^[A-Za-z0-9][\\w.-]*$", description: "its name in Docker" }),
    driver: Type.Optional(
      Type.Union([Type.Literal("bridge"), Type.Literal("macvlan"), Type.Literal("ipvlan")], {
        default: "bridge",
        description: "how it is made",
      }),
    ),
    subnet: Type.Optional(Cidr({ description: "its addresses; default: Docker chooses" })),
    gateway: Type.Optional(Ipv4({ description: "its router; default: the first address" })),
    ip_range: Type.Optional(
      Cidr({ description: "the part of the subnet that Docker assigns; default: all" }),
    ),
    options: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: "the driver's options, as `--opt` takes them",
      }),
    ),
    labels: Type.Optional(Type.Record(Type.String(), Type.String(), { description: "labels" })),
    internal: Type.Optional(Type.Boolean({ description: "without a way out" })),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

/** The label by which a network is this task's: the checksum of what it was made from. */
export const specLabel = "causeway.network";

interface Seen {
  driver: string;
  subnets: readonly string[];
  /** What the label says; undefined for a network that somebody else made. */
  spec: string | undefined;
}

interface State {
  docker: DockerState;
  network: Seen | undefined;
  addresses: readonly { dev: string; cidr: string }[];
}

/**
 * A Docker network of this host alone. One that this task made is made anew where it is to be another; its containers come
 * back to it. One that somebody else made is left as it is: where it fits, it is used, and otherwise refused. The network
 * between hosts is what the tasks of the four schemes make.
 *
 * ```ts
 * import { dockerNetwork } from "causeway/tasks";
 *
 * export const task = dockerNetwork({ name: "backend", driver: "bridge", subnet: "172.28.0.0/24", internal: true });
 * ```
 */
export const dockerNetwork = defineTask({
  name: "docker-network",
  summary: "A Docker network of this host",
  params,
  key: ({ name }) => name,
  read: readNetwork,
  present: ({ docker, network, addresses }, params) => {
    if (docker.state === "missing") throw withoutDocker();
    if (docker.state === "stopped") return [later("Docker does not run yet")];
    const spec = specOf(params);
    if (network?.spec === spec) return [];
    if (network && network.spec === undefined) {
      refuseForeign(network, params);
      return [];
    }
    refuseOverlap(docker, addresses, params);
    const { name, driver = "bridge", subnet, gateway, ip_range, options, labels = {}, internal } = params;
    return [
      step.dockerNetwork({
        name,
        driver,
        ...(subnet ? { subnet } : {}),
        ...(gateway ? { gateway } : {}),
        ...(ip_range ? { ipRange: ip_range } : {}),
        ...(options ? { options } : {}),
        labels: { ...labels, [specLabel]: spec },
        ...(internal ? { internal } : {}),
        was: network ? `${network.driver} ${network.subnets.join(" ")}` : null,
      }),
    ];
  },
});

async function readNetwork(host: Reader, { name }: Params): Promise<State> {
  const format = `{{.Driver}}|{{index .Labels "${specLabel}"}}|{{range .IPAM.Config}}{{.Subnet}} {{end}}`;
  const [docker, addresses, { stdout, code }] = await Promise.all([
    host.docker(),
    host.addresses(),
    host.read(sh`systemctl is-active -q docker && docker network inspect -f ${format} ${name}`, {
      looksAt: ["docker", "unit:docker"],
    }),
  ]);
  const [driver = "", spec = "", subnets = ""] = stdout.trim().split("|");
  const seen = { driver, spec: spec || undefined, subnets: subnets.split(" ").filter(Boolean) };
  return { docker, addresses, network: code === 0 ? seen : undefined };
}

/** The same for the same parameters, in whatever order they are written. */
function specOf(params: Params): string {
  const sorted = JSON.stringify(params, (_, value: unknown) =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash("sha256").update(sorted).digest("hex").slice(0, 16);
}

function withoutDocker(): CausewayError {
  return new CausewayError("host", "Docker is not installed on this host", {
    found: "no docker command",
    advice: "install it first, such as with the task package: docker.io on Debian",
  });
}

/** A network that somebody made, and that has what is asked for, is as good as our own. */
function refuseForeign({ driver, subnets }: Seen, params: Params): void {
  const { name, subnet, gateway, ip_range, options, labels, internal } = params;
  const isSimple = !gateway && !ip_range && !options && !labels && !internal;
  if (isSimple && driver === params.driver && (subnet === undefined || subnets.includes(subnet))) return;
  throw new CausewayError("host", `the Docker network ${name} is somebody else's, and it is left as it is`, {
    found: `${driver} ${subnets.join(" ")}, without the label ${specLabel}`,
    expected: "no network of that name, or one that this task made",
    command: `docker network inspect ${name}`,
    advice: `give another name; or, when nothing needs it, docker network rm ${name}, and run again`,
    restsOn: [`network:${name}`],
  });
}

/** Docker compares with its own networks only, and at the time of the step. */
function refuseOverlap(
  { networks }: DockerState,
  addresses: State["addresses"],
  { name, subnet = "" }: Params,
): void {
  const wanted = networkOf(subnet);
  if (!wanted) return;
  const others = networks.filter((one) => one.name !== name);
  const bridges = new Set(networks.flatMap(({ bridge }) => bridge ?? []));
  const taken = [
    ...others.flatMap((one) =>
      one.subnets
        .filter((s) => {
          const theirs = networkOf(s);
          return theirs !== undefined && overlaps(theirs, wanted);
        })
        .map((s) => `the Docker network ${one.name} has ${s}`),
    ),
    ...addresses
      .filter(({ dev, cidr }) => {
        const own = parseInterface(cidr);
        return own !== undefined && !bridges.has(dev) && dev !== "docker0" && contains(wanted, own.address);
      })
      .map(({ dev, cidr }) => `${dev} has ${cidr}`),
  ];
  if (taken.length === 0) return;
  throw new CausewayError("host", `the subnet ${subnet} is not free on this host`, {
    found: taken.join("; "),
    expected: "a subnet that nothing else has",
    advice: "give another one, or leave subnet out: Docker chooses then",
    restsOn: others.map((one) => `network:${one.name}`),
  });
}
