import {
  type Address,
  CausewayError,
  type DockerState,
  defineTask,
  type FileState,
  InterfaceCidr,
  owed,
  type PlanItem,
  readJson,
  refuseMasked,
  restart,
  runningContainers,
  type Static,
  sh,
  step,
  Type,
  type UnitState,
  versionParts,
} from "causeway";

const file = "/etc/docker/daemon.json";

const params = Type.Object(
  {
    bip: InterfaceCidr({ description: "the address of docker0, with the prefix of its subnet" }),
    interrupt_containers: Type.Boolean({
      default: false,
      description: "whether running containers on docker0 may lose their network when Docker restarts",
    }),
    direct_routing: Type.Boolean({
      default: false,
      description: "let other hosts reach containers by their own address (a key of Docker 28.2 and newer)",
    }),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

interface State {
  config: FileState;
  addresses: readonly Address[];
  docker: DockerState;
  unit: UnitState;
}

/**
 * Gives docker0 its own subnet, by the key `bip` of daemon.json. It can only be restarted into effect, not reloaded
 * (dockerd's reference, "Configuration reload behavior").
 */
export const dockerBip = defineTask({
  name: "docker-bip",
  summary: "The address of docker0, and with it the subnet of the containers",
  params,
  key: () => "docker0",
  read: async (host): Promise<State> => {
    const [config, addresses, docker, unit] = await Promise.all([
      host.file(file),
      host.addresses(),
      host.docker(),
      host.unit("docker.service"),
    ]);
    return { config, addresses, docker, unit };
  },
  present: (state, wanted): readonly PlanItem[] => {
    refuseWithoutDocker(state);
    refuseFlag(state);
    const keys = missingKeys(state, wanted);
    const address = state.addresses.find((a) => a.dev === "docker0")?.cidr;
    if (keys === undefined && address === wanted.bip) return [];
    refuseMasked(state.unit);
    const hit = runningContainers(state.docker, "bridge");
    refuseInterruption(hit, wanted);
    if (keys === undefined)
      return [owed(restart("docker"), address ? `docker0 has ${address}` : "docker0 has no address")];
    const write = step.jsonKeys({ was: state.config, keys, causes: [restart("docker")] });
    return [
      ...(address && address !== wanted.bip ? [addressStep(address, wanted.bip)] : []),
      hit.length > 0 ? { ...write, to: `${write.to}; interrupts ${hit.join(", ")}` } : write,
    ];
  },
});

/**
 * The restart gives docker0 its address; this step is there for its undo. A Docker without a `bip` takes the last one
 * out of its own store, whatever docker0 has (seen on 20.10), so that it has to be started once with the old address.
 */
function addressStep(from: string, to: string): PlanItem {
  return step.run({
    what: "address of docker0",
    from,
    to: `${to}, with the restart`,
    do: sh`:`,
    done: sh`ip -o -4 addr show dev docker0 | grep -qF ${` ${to} `}`,
    undo: sh`! grep -qs '"bip"' ${file} || exit 0
start=$(systemctl show -p ExecStart docker.service | sed -n 's/.*argv\[\]=\(.*\) ; ignore_errors.*/\1/p')
[ -n "$start" ] || exit 0
drop=/run/systemd/system/docker.service.d
mkdir -p $drop && printf '[Service]\nExecStart=\nExecStart=%s --bip=%s\n' "$start" ${from} >$drop/zzz-causeway-once.conf || exit 1
systemctl daemon-reload; systemctl reset-failed docker.service; systemctl restart docker.service; code=$?
rm -f $drop/zzz-causeway-once.conf; rmdir $drop 2>/dev/null; systemctl daemon-reload; exit $code`,
    touches: ["link"],
    causes: [restart("docker")],
  });
}

function missingKeys(state: State, wanted: Params): Record<string, string | boolean> | undefined {
  const now = readJson(state.config);
  const [major = 0, minor = 0] = versionParts(state.docker.version);
  const direct = wanted.direct_routing && (major > 28 || (major === 28 && minor >= 2));
  const keys = { bip: wanted.bip, ...(direct ? { "allow-direct-routing": true } : {}) };
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

function refuseInterruption(hit: readonly string[], { interrupt_containers }: Params): void {
  if (hit.length === 0 || interrupt_containers) return;
  throw new CausewayError("host", "restarting Docker would disconnect running containers", {
    found: `on docker0: ${hit.join(", ")}`,
    expected: "no running container on docker0, or permission to interrupt them",
    advice: "stop them, or run with -e interrupt_containers=true",
  });
}
