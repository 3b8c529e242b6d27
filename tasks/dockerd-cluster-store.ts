import {
  CausewayError,
  type DockerState,
  daemonReload,
  defineTask,
  dockerStarts,
  type FileState,
  Ipv4,
  inStandingOrder,
  later,
  owed,
  type PlanItem,
  type Reader,
  readJson,
  refuseUnitOfOthers,
  restart,
  type Script,
  type SerfState,
  type Static,
  sh,
  step,
  Type,
  type UnitState,
  versionParts,
} from "causeway";

/** A path that stands in a unit's command line as it is. */
export const hostFile = (description: string) => Type.String({ pattern: "^/[\\w./@+-]+$", description });

const params = Type.Object(
  {
    store: Type.String({
      pattern: "^(consul://[\\d.]+:\\d+|etcd://[\\d.]+:\\d+(,[\\d.]+:\\d+)*)$",
      description:
        "the URL of the store: consul://127.0.0.1:8500, the host's own agent, or etcd://10.0.0.200:2379, with commas between several members",
    }),
    address: Ipv4({ description: "the address at which the other hosts' Docker reaches this one" }),
    api: Type.Union([Type.Literal("closed"), Type.Literal("tls"), Type.Literal("insecure")], {
      default: "closed",
      description:
        "whether Docker's API listens on the network: tls on port 2376 for clients with a certificate; insecure on port 2375, where anyone who can reach it is root on this host",
    }),
    api_address: Type.Optional(
      Ipv4({ description: "the address on which the API listens; default: the host's own" }),
    ),
    tls: Type.Optional(
      Type.Object(
        {
          ca: hostFile("the CA that signed the clients' certificates"),
          cert: hostFile("this host's certificate"),
          key: hostFile("the key of that certificate"),
        },
        { additionalProperties: false, description: "files on the host, for api: tls" },
      ),
    ),
  },
  { additionalProperties: false },
);

export type ClusterStoreParams = Static<typeof params>;

const dropInPath = "/etc/systemd/system/docker.service.d/causeway-cluster-store.conf";
const daemonPath = "/etc/docker/daemon.json";
const marker = "# Written by causeway (dockerd-cluster-store).";
const storeFlags = / --cluster-(?:store|advertise)[= ]\S+/g;
const hostFlag = / (?:-H|--host)[= ]?\S+/;

/** Docker on one host, as far as its store and its API are concerned. */
export interface Dockerd {
  docker: DockerState;
  unit: UnitState;
  dropIn: FileState;
  daemon: FileState;
  /** Whether this dockerd was built with the store's backend. */
  backend: boolean;
  /** The files for TLS that are not there, or are empty. */
  missing: readonly string[];
}

interface State extends Dockerd {
  /** docker0's address; undefined where there is none. */
  docker0: string | undefined;
  /** The addresses of the Dockers that the store knows; undefined where nothing on this host can ask it. */
  nodes: readonly string[] | undefined;
  serf: SerfState;
}

/** For how many seconds a Docker may wait for the others that were started with it to call it. */
const patience = 20;

/**
 * Joins Docker to a key-value store, in which overlay networks are shared. They need only `--cluster-advertise`: no port
 * is opened unless it is asked for. dockerd starts with a store that nobody reaches; its entry in the store is the proof.
 * A Docker that started together with the others may have met none of them; it is restarted then.
 */
export const dockerdClusterStore = defineTask({
  name: "dockerd-cluster-store",
  summary: "Docker joined to a key-value store, for overlay networks",
  params,
  key: () => "cluster-store",
  settles: "60s",
  read: async (host, { store, tls }): Promise<State> => {
    const [dockerd, serf, addresses, nodes] = await Promise.all([
      readDockerd(host, kindOf(store), tls),
      host.serf(),
      host.addresses(),
      host.read(nodesIn(store), {
        looksAt: ["unit:docker", "unit:consul.service", "shared:consul", "package", "rule"],
      }),
    ]);
    const docker0 = addresses.find(({ dev }) => dev === "docker0")?.cidr;
    return {
      ...dockerd,
      serf,
      docker0,
      nodes: nodes.code === noClient ? undefined : addressesIn(nodes.stdout),
    };
  },
  present: (state, wanted): readonly PlanItem[] => {
    refuseClusterStore(state, wanted);
    if (state.dropIn.content !== dropInText(state, wanted)) {
      const write = step.file({
        was: state.dropIn,
        content: dropInText(state, wanted),
        causes: [daemonReload, restart("docker")],
      });
      const words = [write.to, openWords(wanted)];
      return [
        ...dockerStarts(state.unit, state.docker0),
        { ...write, to: words.filter(Boolean).join("; ") },
        later("Docker has not registered in the store yet"),
      ];
    }
    if (!state.unit.commandLine.endsWith(flags(state, wanted))) {
      const found =
        state.docker.state === "running"
          ? state.unit.commandLine.match(storeFlags)?.join("").trim() || "no store"
          : `Docker ${state.docker.state}`;
      return [owed(daemonReload, "docker.service"), owed(restart("docker"), found)];
    }
    const known = state.nodes?.includes(advertised(wanted)) ?? true;
    if (!known) return [later("Docker has not registered in the store yet")];
    return meetsOthers(state, wanted);
  },
});

/** Where the store knows no other Docker, there is none to meet; where nothing can ask it, that is not known. */
function meetsOthers(
  { nodes = [], serf: { aloneFor } }: State,
  wanted: ClusterStoreParams,
): readonly PlanItem[] {
  if (aloneFor === undefined || nodes.every((node) => node === advertised(wanted))) return [];
  if (aloneFor < patience) return [later("Docker has not connected to any other host's Docker yet")];
  return [
    owed(restart("docker"), "it connected to no other host's Docker when it started (TCP and UDP 7946)"),
  ];
}

export async function readDockerd(
  host: Reader,
  kind: StoreKind,
  tls: ClusterStoreParams["tls"],
): Promise<Dockerd> {
  const files = tls ? [tls.ca, tls.cert, tls.key] : [];
  const [docker, unit, dropIn, daemon, backend, missing] = await Promise.all([
    host.docker(),
    host.unit("docker.service"),
    host.file(dropInPath),
    host.file(daemonPath),
    host.read(hasBackend(kind), { looksAt: ["package"] }),
    host.read(sh`for f in ${files}; do [ -s "$f" ] || echo "$f"; done`, {
      looksAt: files.map((file) => `file:${file}`),
    }),
  ]);
  return {
    docker,
    unit,
    dropIn,
    daemon,
    backend: backend.code === 0,
    missing: missing.stdout.split("\n").filter(Boolean),
  };
}

/** What would be refused, for a playbook that asks it of all hosts before it touches the first. */
export function refuseClusterStore(state: Dockerd, wanted: ClusterStoreParams): void {
  refuseUnfit(state, wanted);
  refuseSwarm(state);
  refuseOthersStore(state);
  refuseUnitOfOthers(state.unit, dropInPath);
  refuseOtherListeners(state, wanted);
  refuseMissingFiles(state, wanted);
}

export type StoreKind = "consul" | "etcd";

function kindOf(store: string): StoreKind {
  return store.startsWith("consul:") ? "consul" : "etcd";
}

/** The backend's Go package is in the program, or it is not: Debian bookworm's 20.10.24 is built without consul. */
function hasBackend(kind: StoreKind): Script {
  return sh`grep -qa ${`libkv/store/${kind}`} "$(command -v dockerd)"`;
}

/** The code by which a read says that nothing here can ask etcd. */
const noClient = 111;

/** etcd's API v2 by its own client, or else by curl: a host that is no member may have neither. */
function nodesIn(store: string): Script {
  const urls = store
    .replace(/^\w+:\/\//, "")
    .split(",")
    .map((member) => `http://${member}`);
  if (kindOf(store) === "consul") return sh`timeout 5 consul kv get -keys docker/nodes/`;
  return sh`if command -v etcdctl >/dev/null; then ETCDCTL_API=2 timeout 5 etcdctl --endpoints ${urls.join(",")} ls --quorum /docker/nodes
elif command -v curl >/dev/null; then for url in ${urls}; do curl -sSf -m 3 "$url/v2/keys/docker/nodes?quorum=true" && break; done
else exit ${String(noClient)}; fi`;
}

/** `docker/nodes/10.0.0.200:2375`, as a line of consul's or etcdctl's, or somewhere in etcd's JSON. */
function addressesIn(text: string): string[] {
  return [...text.matchAll(/docker\/nodes\/([\d.]+:\d+)/g)].map(([, address = ""]) => address);
}

/** Where Docker's peers are told to find it; behind it nothing listens unless the API was opened. */
function advertised({ address, api }: ClusterStoreParams): string {
  return `${address}:${portOf(api)}`;
}

function portOf(api: ClusterStoreParams["api"]): number {
  return api === "tls" ? 2376 : 2375;
}

/** The kind of store to which this task joined Docker before. */
export function standingStore({ dropIn }: Dockerd): StoreKind | undefined {
  const now = / --cluster-store=(\S+)/.exec(dropIn.content)?.[1];
  return now === undefined ? undefined : kindOf(now);
}

/** What is added to the unit's own command line; the store's flag is the first, by which the rest is found again. */
function flags(state: Dockerd, wanted: ClusterStoreParams): string {
  const { api, address, api_address = address, tls } = wanted;
  // dockerd listens on its own socket by default, and no longer once it is told of another place.
  const local = hostFlag.test(ownCommand(state)) ? "" : " -H unix:///var/run/docker.sock";
  return [
    ` --cluster-store=${storeIn(state, wanted)} --cluster-advertise=${advertised(wanted)}`,
    api === "closed" ? "" : `${local} -H tcp://${api_address}:${portOf(api)}`,
    api === "tls" && tls
      ? ` --tlsverify --tlscacert=${tls.ca} --tlscert=${tls.cert} --tlskey=${tls.key}`
      : "",
  ].join("");
}

/** The store as it is written already, where it is the same one: its members may stand in another order. */
function storeIn({ dropIn }: Dockerd, { store }: ClusterStoreParams): string {
  const kind = `${kindOf(store)}://`;
  const members = (url: string) => url.slice(kind.length).split(",");
  const now = / --cluster-store=(\S+)/.exec(dropIn.content)?.[1];
  return kind + inStandingOrder(members(store), now?.startsWith(kind) ? members(now) : []).join(",");
}

/** The unit's command line without what this task added to it. */
function ownCommand({ unit, dropIn }: Dockerd): string {
  return dropIn.content.startsWith(marker)
    ? (unit.execStart.split(" --cluster-store=")[0] ?? "")
    : unit.execStart;
}

function dropInText(state: Dockerd, wanted: ClusterStoreParams): string {
  const service = `${kindOf(wanted.store)}.service`;
  return `${marker}
[Unit]
Wants=${service}
After=${service}

[Service]
ExecStart=
ExecStart=${ownCommand(state)}${flags(state, wanted)}
`;
}

function openWords(wanted: ClusterStoreParams): string {
  const { api, address, api_address = address } = wanted;
  if (api === "closed") return "";
  const how =
    api === "tls" ? "for clients with a certificate" : "WITHOUT TLS: anyone who can reach it is root";
  return `opens the API on ${api_address}:${portOf(api)} ${how}`;
}

function refuseUnfit({ docker, unit, backend }: Dockerd, { store }: ClusterStoreParams): void {
  if (docker.state === "missing" || !unit.present)
    throw new CausewayError("host", "Docker is not installed on this host", {
      advice: "install Docker first (Debian: apt-get install docker.io)",
    });
  const [major = 0] = versionParts(docker.version);
  if (major >= 23)
    throw new CausewayError("host", "this Docker no longer supports a cluster store", {
      found: `Docker ${docker.version}`,
      expected: "Docker before 23.0, which removed --cluster-store",
      advice:
        "use flannel, or Docker's own swarm: docker swarm init, docker network create -d overlay --attachable; for the embedded lab, -i lab-2022 has hosts with Docker 20.10",
    });
  if (backend) return;
  const kind = kindOf(store);
  throw new CausewayError("host", `this Docker is built without the ${kind} backend`, {
    found: `Docker ${docker.version || "(stopped)"}, whose dockerd has no libkv/store/${kind}`,
    expected: "a Docker with it, such as Debian bullseye's 20.10.5 or docker.com's up to 22",
    command: hasBackend(kind).text,
    advice:
      kind === "consul"
        ? "keep the networks in etcd: -e overlay_store=etcd; or use another scheme, such as flannel"
        : "use another scheme, such as flannel, or another build of Docker",
  });
}

/**
 * A Docker with a cluster store leaves its swarm: "--cluster-store and --cluster-advertise daemon configurations are incompatible
 * with swarm mode" (IsSwarmCompatible in moby's daemon/config). Each node of a swarm has networks of that scope.
 */
function refuseSwarm({ docker }: Dockerd): void {
  const networks = docker.networks.filter(({ scope }) => scope === "swarm").map(({ name }) => name);
  if (networks.length === 0) return;
  throw new CausewayError("host", "this host is in a swarm, which a cluster store would end", {
    found: `networks of the swarm: ${networks.join(", ")}`,
    restsOn: ["swarm:node"],
    expected: "a Docker that is in no swarm",
    command: "docker info -f '{{.Swarm.LocalNodeState}}'",
    advice:
      "use the swarm's own overlay networks (docker network create -d overlay --attachable), or, if nobody needs it: docker swarm leave",
  });
}

/** dockerd does not start with a key both as a flag and in its file; and a store that causeway did not set is in use. */
function refuseOthersStore(state: Dockerd): void {
  const { daemon, unit } = state;
  const keys = Object.keys(readJson(daemon)).filter((key) => key.startsWith("cluster-"));
  const flag = ownCommand(state).match(storeFlags)?.join("").trim();
  if (keys.length === 0 && flag === undefined) return;
  throw new CausewayError("host", "Docker already uses a cluster store that causeway did not set", {
    found: flag
      ? `${flag} in ${[unit.fragmentPath, ...unit.dropIns].join(", ")}`
      : `${keys.join(", ")} in ${daemonPath}`,
    expected: "no cluster store, or causeway's own drop-in",
    // A daemon that was given its socket by name removes the file when it ends: docker.socket has to create it again.
    advice: flag
      ? "remove the flags: systemctl edit --full docker.service, then systemctl daemon-reload && systemctl restart docker.socket docker.service"
      : `remove ${keys.join(", ")} from ${daemonPath}, then systemctl restart docker`,
  });
}

/** What dockerd would refuse to start with, and a port that somebody else opened to everyone. */
function refuseOtherListeners(state: Dockerd, { api }: ClusterStoreParams): void {
  const { daemon, unit } = state;
  const open = /-H[= ]?tcp:\/\/\S+|--host[= ]tcp:\/\/\S+/.exec(ownCommand(state))?.[0];
  if (open !== undefined)
    throw new CausewayError("host", "docker.service itself opens Docker's API", {
      found: `${open} in ${[unit.fragmentPath, ...unit.dropIns].join(", ")}`,
      expected: "a unit that listens on its own socket only; the API opened by docker_api, if at all",
      advice:
        "remove the flag: systemctl edit --full docker.service, then systemctl daemon-reload && systemctl restart docker.socket docker.service",
    });
  if (api === "closed") return;
  const ours = ["hosts", ...(api === "tls" ? ["tls", "tlsverify", "tlscacert", "tlscert", "tlskey"] : [])];
  const keys = Object.keys(readJson(daemon)).filter((key) => ours.includes(key));
  if (keys.length === 0) return;
  throw new CausewayError("host", `dockerd does not start with ${keys.join(", ")} in two places`, {
    found: `${keys.join(", ")} in ${daemonPath}; docker_api: ${api} sets them as flags in ${dropInPath}`,
    expected: "one of the two",
    advice: `remove ${keys.join(", ")} from ${daemonPath}, or leave the API to that file: docker_api: closed`,
  });
}

function refuseMissingFiles({ missing }: Dockerd, { api, tls }: ClusterStoreParams): void {
  if (api !== "tls") return;
  if (!tls)
    throw new CausewayError("playbook", "the API with TLS needs three files", {
      expected: "tls: { ca, cert, key }, paths on the host",
    });
  if (missing.length === 0) return;
  throw new CausewayError("host", "a TLS file for the API is missing on this host, or is empty", {
    found: `missing: ${missing.join(", ")}`,
    expected: "the CA, this host's certificate and its key, as PEM",
    advice: "put them there first; docs.docker.com/engine/security/protect-access explains how to make them",
  });
}
