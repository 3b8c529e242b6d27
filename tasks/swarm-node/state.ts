import { type Reader, Secret, sh } from "causeway";

/** What a host's Docker says of its place in a swarm. */
export interface SwarmSeen {
  /** Docker's word, or that it cannot be asked: then whether the host was a node when it last ran. */
  state: "missing" | "stopped" | "inactive" | "pending" | "active" | "locked" | "error";
  /** Why it is pending or an error, or a manager without a quorum. */
  error: string;
  /** Its node's id and address, where it is one. */
  node: string;
  address: string;
  isManager: boolean;
  /** What only managers know; undefined elsewhere, and where they have no quorum. */
  swarm: Swarm | undefined;
  liveRestore: boolean;
}

/** A swarm, as a manager has it. */
export interface Swarm {
  id: string;
  pools: readonly string[];
  dataPort: number;
  isAutolocked: boolean;
  nodes: readonly NodeSeen[];
  tokens: { readonly manager: Secret; readonly worker: Secret };
}

/** A node, as the managers have it. */
export interface NodeSeen {
  id: string;
  hostname: string;
  /** ready, down, disconnected or unknown. */
  state: string;
  role: "manager" | "worker";
  /** Where it was last seen; managers are `0.0.0.0` to themselves until they have met another (moby/moby#35437). */
  address: string;
  /** Of a manager: reachable or unreachable; `-` of a worker. */
  reachability: string;
}

/**
 * Its lines: Docker's own words as JSON, then, on a manager with a quorum, a node each and the two tokens. Never by `docker info`
 * where Docker does not run: that would start it.
 */
const look = sh`command -v docker >/dev/null || { echo missing; exit 0; }
systemctl is-active -q docker || { [ -s /var/lib/docker/swarm/docker-state.json ] && echo stopped node || echo stopped; exit 0; }
docker info -f '{"swarm":{{json .Swarm}},"liveRestore":{{json .LiveRestoreEnabled}}}' || { echo stopped; exit 0; }
[ "$(docker info -f '{{.Swarm.ControlAvailable}}')" = true ] || exit 0
ids=$(timeout 20 docker node ls -q 2>/dev/null) || exit 0
docker node inspect -f '@node {{.ID}} {{.Status.State}} {{.Spec.Role}} {{or .Status.Addr "-"}} {{with .ManagerStatus}}{{.Reachability}} {{.Addr}}{{else}}- -{{end}} {{.Description.Hostname}}' $ids 2>/dev/null || exit 0
echo "@manager $(docker swarm join-token -q manager 2>/dev/null)"
echo "@worker $(docker swarm join-token -q worker 2>/dev/null)"
true`;

export async function readSwarm(host: Reader): Promise<SwarmSeen> {
  const { stdout } = await host.read(look, { looksAt: ["docker", "unit:docker", "shared:docker"] });
  return parseSwarm(stdout);
}

const nothing = { error: "", node: "", address: "", isManager: false, swarm: undefined, liveRestore: false };

interface Said {
  swarm: {
    NodeID?: string;
    NodeAddr?: string;
    LocalNodeState?: SwarmSeen["state"];
    ControlAvailable?: boolean;
    Error?: string;
    Cluster?: {
      ID?: string;
      DefaultAddrPool?: readonly string[] | null;
      DataPathPort?: number;
      Spec?: { EncryptionConfig?: { AutoLockManagers?: boolean } };
    } | null;
  };
  liveRestore?: boolean;
}

export function parseSwarm(text: string): SwarmSeen {
  const [head = "", ...lines] = text.trim().split("\n");
  if (!head.startsWith("{")) {
    if (head === "missing") return { ...nothing, state: "missing" };
    return {
      ...nothing,
      state: "stopped",
      error: head === "stopped node" ? "it was a node when it stopped" : "",
    };
  }
  const { swarm, liveRestore = false } = JSON.parse(head) as Said;
  return {
    state: swarm.LocalNodeState || "inactive",
    error: swarm.Error ?? "",
    node: swarm.NodeID ?? "",
    address: swarm.NodeAddr ?? "",
    isManager: swarm.ControlAvailable === true,
    swarm: parseCluster(swarm.Cluster, lines),
    liveRestore,
  };
}

function parseCluster(cluster: Said["swarm"]["Cluster"], lines: readonly string[]): Swarm | undefined {
  const token = (role: string) => lines.find((line) => line.startsWith(`@${role} `))?.split(" ")[1] ?? "";
  const [manager, worker] = [token("manager"), token("worker")];
  if (!cluster?.ID || manager === "" || worker === "") return undefined;
  return {
    id: cluster.ID,
    pools: cluster.DefaultAddrPool ?? [],
    // A swarm of before 19.03 has none.
    dataPort: cluster.DataPathPort || 4789,
    isAutolocked: cluster.Spec?.EncryptionConfig?.AutoLockManagers === true,
    nodes: lines.filter((line) => line.startsWith("@node ")).map(parseNode),
    tokens: { manager: new Secret(manager), worker: new Secret(worker) },
  };
}

function parseNode(line: string): NodeSeen {
  const [, id = "", state = "", role, seenAt = "", reachability = "-", managesAt = "", ...hostname] =
    line.split(" ");
  const own = managesAt.replace(/:\d+$/, "");
  return {
    id,
    state,
    role: role === "manager" ? "manager" : "worker",
    address: own !== "" && own !== "-" ? own : seenAt,
    reachability,
    hostname: hostname.join(" "),
  };
}
