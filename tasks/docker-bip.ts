import {
  type Address,
  CausewayError,
  Cidr6,
  type DockerRules,
  defineTask,
  directRoutingKey,
  docker0Address,
  docker0Address6,
  docker0Of,
  dockerStarts,
  InterfaceCidr,
  lostDockerRules,
  owed,
  type PlanItem,
  type Reader,
  readDockerRules,
  readJson,
  refuseLiveRestore,
  refuseMasked,
  restart,
  type Static,
  sh,
  step,
  Type,
} from "causeway";

const file = "/etc/docker/daemon.json";

const params = Type.Object(
  {
    bip: InterfaceCidr({ description: "the address of docker0, with the prefix of its subnet" }),
    direct_routing: Type.Boolean({
      default: false,
      description: "let other hosts reach containers by their own address (a key of Docker 28.2 and newer)",
    }),
    fixed_cidr_v6: Type.Optional(
      Cidr6({ description: "an IPv6 subnet for the containers on docker0, beside the other one" }),
    ),
    mtu: Type.Optional(
      Type.Integer({
        minimum: 576,
        maximum: 65_535,
        description: "the largest packet of a container on docker0, in bytes, where a tunnel takes its share",
      }),
    ),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

interface State extends DockerRules {
  addresses: readonly Address[];
  /** IPv6 addresses, where they were asked for. */
  addresses6?: readonly Address[] | undefined;
  /** What the running Docker gives the containers on docker0; undefined where it was not asked. */
  mtu?: number | undefined;
}

/**
 * Gives docker0 its own subnet, by the key `bip` of daemon.json, one of IPv6 by `ipv6` and `fixed-cidr-v6`, and its containers an MTU by the key `mtu`.
 * They can only be restarted into effect, not reloaded (dockerd's reference, "Configuration reload behavior").
 */
export const dockerBip = defineTask({
  name: "docker-bip",
  summary: "The address of docker0, and with it the subnet of the containers",
  params,
  key: () => "docker0",
  read: async (host, wanted): Promise<State> => {
    const [docker, addresses, addresses6, mtu] = await Promise.all([
      readDockerRules(host),
      host.addresses(),
      wanted.fixed_cidr_v6 === undefined ? undefined : host.addresses(6),
      wanted.mtu === undefined ? undefined : readMtu(host),
    ]);
    return { ...docker, addresses, addresses6, mtu };
  },
  present: (state, wanted): readonly PlanItem[] => {
    refuseWithoutDocker(state);
    refuseFlag(state, wanted);
    const keys = missingKeys(state, wanted);
    const address = state.addresses.find((a) => a.dev === "docker0")?.cidr;
    const starts = dockerStarts(state.unit, address, { to: wanted.bip });
    const stale = staleness(address, state, wanted);
    if (keys === undefined && stale === undefined && starts.length === 0) return lostDockerRules(state);
    refuseBridge(state);
    refuseBip6(state, wanted);
    refuseMasked(state.unit);
    if (stale !== undefined) refuseLiveRestore({ ...state, address, wanted: wordsOf(wanted) });
    if (keys === undefined)
      return starts.length > 0 || stale === undefined ? starts : [owed(restart("docker"), stale)];
    const isNoted = address === wanted.bip || (address === undefined && starts.length > 0);
    return [
      ...starts,
      ...(wanted.fixed_cidr_v6 === undefined || hasSubnet6(state, wanted)
        ? []
        : [docker0Address6(wanted.fixed_cidr_v6)]),
      ...(isNoted ? [] : [docker0Address({ from: address, to: wanted.bip, causes: [restart("docker")] })]),
      step.jsonKeys({ was: state.config, keys, causes: [restart("docker")] }),
    ];
  },
});

/** What the default network was made with when Docker started; docker0's own MTU says nothing of it. */
async function readMtu(host: Reader): Promise<number | undefined> {
  const { stdout, code } = await host.read(
    sh`systemctl is-active -q docker || exit 0
docker network inspect -f '{{index .Options "com.docker.network.driver.mtu"}}' bridge`,
    { looksAt: ["docker", "unit:docker"] },
  );
  return code === 0 && stdout.trim() !== "" ? Number(stdout) : undefined;
}

/** Docker gives docker0 the first address of the subnet. */
function hasSubnet6({ addresses6 = [] }: State, { fixed_cidr_v6: subnet }: Params): boolean {
  return (
    subnet === undefined ||
    addresses6.some(({ dev, cidr }) => dev === "docker0" && cidr === docker0Of(subnet))
  );
}

/** What the running Docker has otherwise. */
function staleness(address: string | undefined, state: State, wanted: Params): string | undefined {
  const { mtu } = state;
  if (address !== wanted.bip) return address ? `docker0 has ${address}` : "docker0 has no address";
  if (!hasSubnet6(state, wanted)) return `docker0 has no address in ${wanted.fixed_cidr_v6}`;
  if (wanted.mtu === undefined || mtu === undefined || mtu === wanted.mtu) return undefined;
  return `containers get an MTU of ${mtu}, not ${wanted.mtu}`;
}

function wordsOf({ bip, fixed_cidr_v6: subnet, mtu }: Params): string {
  const both = subnet === undefined ? bip : `${bip} and ${docker0Of(subnet)}`;
  return mtu === undefined ? both : `${both}, and containers with an MTU of ${mtu}`;
}

function missingKeys(state: State, wanted: Params): Record<string, string | number | boolean> | undefined {
  const now = readJson(state.config);
  const keys = {
    bip: wanted.bip,
    ...(wanted.fixed_cidr_v6 === undefined ? {} : { ipv6: true, "fixed-cidr-v6": wanted.fixed_cidr_v6 }),
    ...(wanted.mtu === undefined ? {} : { mtu: wanted.mtu }),
    ...(wanted.direct_routing ? directRoutingKey(state) : {}),
  };
  return Object.entries(keys).every(([key, value]) => now[key] === value) ? undefined : keys;
}

function refuseWithoutDocker({ docker, unit }: State): void {
  if (docker.state !== "missing" && unit.present) return;
  throw new CausewayError("host", "Docker is not installed on this host", {
    found: docker.state === "missing" ? "no docker command" : "no docker.service",
    advice:
      "install Docker first (Debian: apt-get install docker.io); causeway configures Docker, but does not install it",
  });
}

/** dockerd does not start with a bridge of somebody's, or none, and an address for its own (`mutually exclusive options`). */
function refuseBridge({ config }: State): void {
  const { bridge } = readJson(config);
  if (bridge === undefined) return;
  throw new CausewayError("host", `Docker's default network is not docker0, but “${bridge}”`, {
    found: `"bridge": ${JSON.stringify(bridge)} in ${file}`,
    expected: `no such key: dockerd does not start with "bridge" and "bip"`,
    advice: `remove "bridge" from ${file}, if nobody needs it`,
  });
}

/** Docker 28 and newer: docker0's IPv6 address, in which subnet the other key has to lie. */
function refuseBip6({ config }: State, { fixed_cidr_v6: subnet }: Params): void {
  const { bip6 } = readJson(config);
  if (subnet === undefined || bip6 === undefined || bip6 === docker0Of(subnet)) return;
  throw new CausewayError("host", `docker0 has an IPv6 address by the key "bip6" in ${file}`, {
    found: `"bip6": ${JSON.stringify(bip6)}`,
    expected: `no such key, or ${docker0Of(subnet)}: the first address of ${subnet}`,
    advice: `remove "bip6" from ${file}, or choose a fixed_cidr_v6 whose first address it is`,
  });
}

/** dockerd does not start with a key both as a flag and in daemon.json, even when both say the same. */
function refuseFlag({ unit }: State, { fixed_cidr_v6: subnet }: Params): void {
  const flags = subnet === undefined ? /--(bip)[= ]\S+/ : /--(bip|fixed-cidr-v6|ipv6)([= ]\S+|$)/;
  const [flag, key = ""] = flags.exec(unit.execStart) ?? flags.exec(unit.commandLine) ?? [];
  if (flag === undefined) return;
  throw new CausewayError(
    "host",
    `dockerd is started with --${key}: a second one in daemon.json would keep it from starting`,
    {
      found: `${flag} in ExecStart of ${[unit.fragmentPath, ...unit.dropIns].join(", ")}`,
      expected: `the key "${key}" in ${file} alone`,
      restsOn: ["unit:docker.service"],
      advice: `remove the flag: systemctl edit --full docker.service (or remove the drop-in), then systemctl daemon-reload && systemctl restart docker`,
    },
  );
}
