import {
  type Address,
  CausewayError,
  type DockerRules,
  defineTask,
  directRoutingKey,
  docker0Address,
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
  /** What the running Docker gives the containers on docker0; undefined where it was not asked. */
  mtu?: number | undefined;
}

/**
 * Gives docker0 its own subnet, by the key `bip` of daemon.json, and its containers an MTU by the key `mtu`. They can only be restarted into effect, not reloaded
 * (dockerd's reference, "Configuration reload behavior").
 */
export const dockerBip = defineTask({
  name: "docker-bip",
  summary: "The address of docker0, and with it the subnet of the containers",
  params,
  key: () => "docker0",
  read: async (host, { mtu: wanted }): Promise<State> => {
    const [docker, addresses, mtu] = await Promise.all([
      readDockerRules(host),
      host.addresses(),
      wanted === undefined ? undefined : readMtu(host),
    ]);
    return { ...docker, addresses, mtu };
  },
  present: (state, wanted): readonly PlanItem[] => {
    refuseWithoutDocker(state);
    refuseFlag(state);
    const keys = missingKeys(state, wanted);
    const address = state.addresses.find((a) => a.dev === "docker0")?.cidr;
    const starts = dockerStarts(state.unit, address, { to: wanted.bip });
    const stale = staleness(address, state, wanted);
    if (keys === undefined && stale === undefined && starts.length === 0) return lostDockerRules(state);
    refuseBridge(state);
    refuseMasked(state.unit);
    if (stale !== undefined) refuseLiveRestore({ ...state, address, wanted: wordsOf(wanted) });
    if (keys === undefined)
      return starts.length > 0 || stale === undefined ? starts : [owed(restart("docker"), stale)];
    const isNoted = address === wanted.bip || (address === undefined && starts.length > 0);
    return [
      ...starts,
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

/** What the running Docker has otherwise. */
function staleness(address: string | undefined, { mtu }: State, wanted: Params): string | undefined {
  if (address !== wanted.bip) return address ? `docker0 has ${address}` : "docker0 has no address";
  if (wanted.mtu === undefined || mtu === undefined || mtu === wanted.mtu) return undefined;
  return `containers get an MTU of ${mtu}, not ${wanted.mtu}`;
}

function wordsOf({ bip, mtu }: Params): string {
  return mtu === undefined ? bip : `${bip}, and containers with an MTU of ${mtu}`;
}

function missingKeys(state: State, wanted: Params): Record<string, string | number | boolean> | undefined {
  const now = readJson(state.config);
  const keys = {
    bip: wanted.bip,
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

/** dockerd does not start with a key both as a flag and in daemon.json, even when both say the same. */
function refuseFlag({ unit }: State): void {
  const flag = /--bip[= ]\S+/.exec(unit.execStart)?.[0] ?? /--bip[= ]\S+/.exec(unit.commandLine)?.[0];
  if (flag === undefined) return;
  throw new CausewayError(
    "host",
    "dockerd is started with --bip: a second one in daemon.json would keep it from starting",
    {
      found: `${flag} in ExecStart of ${[unit.fragmentPath, ...unit.dropIns].join(", ")}`,
      expected: `the key "bip" in ${file} alone`,
      restsOn: ["unit:docker.service"],
      advice: `remove the flag: systemctl edit --full docker.service (or remove the drop-in), then systemctl daemon-reload && systemctl restart docker`,
    },
  );
}
