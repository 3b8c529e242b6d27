import {
  CausewayError,
  type DockerState,
  daemonReload,
  defineTask,
  type FileState,
  Ipv4,
  later,
  owed,
  type PlanItem,
  readJson,
  restart,
  type Static,
  sh,
  step,
  Type,
  type UnitState,
  versionParts,
} from "causeway";

const params = Type.Object(
  {
    store: Type.String({
      pattern: "^consul://[\\d.]+:\\d+$",
      description: "the store as this host reaches it: consul://127.0.0.1:8500, its own agent",
    }),
    address: Ipv4({ description: "the address by which the other hosts' Docker reaches this one" }),
    interrupt_containers: Type.Boolean({
      default: false,
      description: "whether running containers may be stopped by the restart",
    }),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

const dropInPath = "/etc/systemd/system/docker.service.d/causeway-cluster-store.conf";
const daemonPath = "/etc/docker/daemon.json";
const marker = "# Written by causeway (dockerd-cluster-store).";
const flags = / *--cluster-(?:store|advertise)[= ]\S+/g;

interface State {
  docker: DockerState;
  unit: UnitState;
  dropIn: FileState;
  daemon: FileState;
  /** Whether this dockerd was built with the store's backend. */
  backend: boolean;
  /** The store and the address that the running daemon works with. */
  running: string;
  /** The addresses of the Dockers that the store knows. */
  nodes: readonly string[];
}

/**
 * Joins Docker to a key-value store, in which overlay networks are shared. No port of Docker's is opened: networks need
 * only `--cluster-advertise`. dockerd starts with a store that nobody reaches; its entry in the store is the proof.
 */
export const dockerdClusterStore = defineTask({
  name: "dockerd-cluster-store",
  summary: "Docker joined to a key-value store, for overlay networks",
  params,
  key: () => "cluster-store",
  settles: "60s",
  read: async (host): Promise<State> => {
    const [docker, unit, dropIn, daemon, backend, running, nodes] = await Promise.all([
      host.docker(),
      host.unit("docker.service"),
      host.file(dropInPath),
      host.file(daemonPath),
      host.read(hasConsul, { looksAt: ["package"] }),
      host.read(sh`docker info -f '{{.ClusterStore}} {{.ClusterAdvertise}}'`, {
        looksAt: ["docker", "unit:docker"],
      }),
      host.read(sh`timeout 5 consul kv get -keys docker/nodes/`, {
        looksAt: ["unit:docker", "unit:consul.service", "shared:consul"],
      }),
    ]);
    return {
      docker,
      unit,
      dropIn,
      daemon,
      backend: backend.code === 0,
      running: running.stdout.trim(),
      nodes: nodes.stdout.split("\n").flatMap((key) => key.split("/").at(-1) || []),
    };
  },
  present: (state, wanted): readonly PlanItem[] => {
    refuseUnfit(state);
    refuseOthersStore(state);
    const text = dropInText(state.unit, wanted);
    const hit = state.docker.containers.filter((c) => c.state === "running").map((c) => c.name);
    if (state.dropIn.content !== text) {
      refuseInterruption(hit, wanted);
      const write = step.file({
        was: state.dropIn,
        content: text,
        causes: [daemonReload, restart("docker")],
      });
      return [
        hit.length > 0 ? { ...write, to: `${write.to}; interrupts ${hit.join(", ")}` } : write,
        later("Docker is not in the store yet"),
      ];
    }
    if (state.running !== `${wanted.store} ${advertised(wanted)}`) {
      refuseInterruption(hit, wanted);
      const found =
        state.docker.state === "running" ? state.running || "no store" : `Docker ${state.docker.state}`;
      return [owed(daemonReload, "docker.service"), owed(restart("docker"), found)];
    }
    return state.nodes.includes(advertised(wanted)) ? [] : [later("Docker is not in the store yet")];
  },
});

/** The backend's Go package is in the program, or it is not: Debian bookworm's 20.10.24 is built without. */
export const hasConsul = sh`grep -qa libkv/store/consul "$(command -v dockerd)"`;

/** Nothing listens there: Docker only tells its peers the address by it. */
function advertised({ address }: Params): string {
  return `${address}:2375`;
}

function dropInText({ execStart }: UnitState, wanted: Params): string {
  return `${marker}
[Unit]
Wants=consul.service
After=consul.service

[Service]
ExecStart=
ExecStart=${execStart.replaceAll(flags, "")} --cluster-store=${wanted.store} --cluster-advertise=${advertised(wanted)}
`;
}

function refuseUnfit({ docker, unit, backend }: State): void {
  if (docker.state === "missing" || !unit.present)
    throw new CausewayError("host", "Docker is not installed on this host", {
      advice: "install Docker first (Debian: apt-get install docker.io)",
    });
  const [major = 0] = versionParts(docker.version);
  if (major >= 23)
    throw new CausewayError("host", "this Docker has no cluster store any more", {
      found: `Docker ${docker.version}`,
      expected: "Docker before 23.0, which took --cluster-store away",
      advice:
        "use flannel, or Docker's own swarm: docker swarm init, docker network create -d overlay --attachable",
    });
  if (!backend)
    throw new CausewayError("host", "this Docker is built without the consul backend", {
      found: `Docker ${docker.version || "(stopped)"}, whose dockerd has no libkv/store/consul`,
      expected: "a Docker with it, such as Debian bullseye's 20.10.5 or docker.com's up to 22",
      command: hasConsul.text,
      advice: "use another scheme, such as flannel, or another build of Docker",
    });
}

/** dockerd does not start with a key both as a flag and in its file; and a store of somebody's own is in use. */
function refuseOthersStore({ daemon, unit, dropIn }: State): void {
  const keys = Object.keys(readJson(daemon)).filter((key) => key.startsWith("cluster-"));
  const flag = dropIn.kind === "absent" ? unit.execStart.match(flags)?.join("").trim() : undefined;
  if (keys.length === 0 && flag === undefined) return;
  throw new CausewayError("host", "Docker has a cluster store of somebody else's already", {
    found: flag
      ? `${flag} in ${[unit.fragmentPath, ...unit.dropIns].join(", ")}`
      : `${keys.join(", ")} in ${daemonPath}`,
    expected: "no cluster store, or causeway's own drop-in",
    advice: flag
      ? "take the flags out: systemctl edit --full docker.service, then systemctl daemon-reload && systemctl restart docker"
      : `take ${keys.join(", ")} out of ${daemonPath}, then systemctl restart docker`,
  });
}

function refuseInterruption(hit: readonly string[], { interrupt_containers }: Params): void {
  if (hit.length === 0 || interrupt_containers) return;
  throw new CausewayError("host", "restarting Docker would stop running containers", {
    found: hit.join(", "),
    expected: "no running container, or leave to interrupt them",
    advice: "stop them, or run with -e interrupt_containers=true",
  });
}
