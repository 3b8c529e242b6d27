export interface DockerNetwork {
  id: string;
  name: string;
  driver: string;
  scope: string;
  /** Its IPv4 and IPv6 subnets, `172.18.0.0/16`; none for host and none. */
  subnets: readonly string[];
  /** The host's interface of a bridge network; undefined for the other drivers. */
  bridge?: string;
}

export interface DockerContainer {
  id: string;
  name: string;
  state: string;
  networks: readonly string[];
}

/** The daemon as it runs now. */
export interface DockerState {
  state: "missing" | "stopped" | "running";
  /** The daemon's version, `20.10.5+dfsg1`; empty unless it runs. */
  version: string;
  networks: readonly DockerNetwork[];
  containers: readonly DockerContainer[];
}

export interface NetworkMember {
  name: string;
  running: boolean;
  /** The address it has now; empty while it is stopped. */
  address: string;
  /** The address that was asked for with `--ip`; empty when Docker chose. */
  asked: string;
  /** The same of IPv6, where it has or asked for one. */
  six?: { address: string; asked: string };
}

/**
 * The label of containers that causeway itself started, to prove something, and takes away again: they are nobody's, stand in
 * nobody's way, and are not among the containers that a read gives.
 */
export const ownLabel = "causeway.probe";

/** Parses what the reader's script prints of a daemon: lines of its command line, or answers of its API. */
export function parseDocker(text: string): DockerState {
  const [head = "", ...lines] = text.split("\n");
  if (head.startsWith("HTTP/")) return parseAnswers(text);
  if (!head.startsWith("running ")) {
    return { state: head === "missing" ? "missing" : "stopped", version: "", networks: [], containers: [] };
  }
  const split = lines.indexOf("--");
  const networks = lines.slice(0, split).map((line) => {
    const [id = "", driver = "", scope = "", bridge = "", subnets = "", ...name] = line.split(" ");
    const own = { id, driver, scope, name: name.join(" "), subnets: subnets.split(",").filter(isNamed) };
    return { ...own, ...bridgeOf(own, isNamed(bridge) ? bridge : undefined) };
  });
  const containers = lines
    .slice(split + 1)
    .filter(Boolean)
    .map((line) => {
      const [id = "", state = "", name = "", attached = ""] = line.split(" ");
      return { id, state, name, networks: attached.split(",").filter(Boolean) };
    });
  return { state: "running", version: head.slice("running ".length).trim(), networks, containers };
}

/** Where Docker's command line has nothing to say, the reader has it say `-`. */
function isNamed(word: string): boolean {
  return word !== "" && word !== "-";
}

/** A bridge network's interface has the name that it was given, or one that begins like the network's id. */
function bridgeOf({ id, driver }: { id: string; driver: string }, given?: string): { bridge?: string } {
  return driver === "bridge" ? { bridge: given ?? `br-${id.slice(0, 12)}` } : {};
}

/** The answers to `/networks` and `/containers/json`, each a line behind its head (Docker Engine API). */
function parseAnswers(text: string): DockerState {
  const bodies = text.split("\r\n\r\n").slice(1);
  const [networks = "", containers = ""] = bodies.map((body) => body.split("\n", 1)[0] ?? "");
  type Named = {
    Id: string;
    Name: string;
    Driver: string;
    Scope: string;
    IPAM: { Config: readonly { Subnet?: string }[] | null };
    Options: Readonly<Record<string, string>> | null;
  };
  type Listed = {
    Id: string;
    State: string;
    Names: readonly string[];
    Labels?: Readonly<Record<string, string>> | null;
    NetworkSettings: { Networks: object };
  };
  const isNotOwn = ({ Labels }: Listed) => Labels?.[ownLabel] === undefined;
  // A link from another container is a name, too: `/other/alias`.
  const own = ({ Names }: Listed) => (Names.find((n) => n.lastIndexOf("/") === 0) ?? Names[0] ?? "").slice(1);
  return {
    state: "running",
    version: /^Server: Docker\/(\S+)/m.exec(text)?.[1] ?? "",
    networks: (JSON.parse(networks) as Named[]).map(({ Id: id, Name: name, Driver: driver, ...one }) => {
      const subnets = (one.IPAM.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []);
      const bridge = bridgeOf({ id, driver }, one.Options?.["com.docker.network.bridge.name"]);
      return { id, driver, scope: one.Scope, name, subnets, ...bridge };
    }),
    containers: (JSON.parse(containers) as Listed[]).filter(isNotOwn).map((one) => ({
      id: one.Id,
      state: one.State,
      name: own(one),
      networks: Object.keys(one.NetworkSettings.Networks),
    })),
  };
}

/** Parses the lines of `docker inspect` on a network's containers. */
export function parseMembers(text: string): NetworkMember[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", running = "", address = "", asked = "", address6 = "", asked6 = ""] = line.split(" ");
    if (name === "") return [];
    const six = address6 + asked6 === "" ? {} : { six: { address: address6, asked: asked6 } };
    return [{ name: name.replace(/^\//, ""), running: running === "true", address, asked, ...six }];
  });
}

/** The parts of a version that can be compared: `20.10.5+dfsg1` → [20, 10, 5]. */
export function versionParts(version: string): number[] {
  return (/^\d+(\.\d+)*/.exec(version)?.[0] ?? "0").split(".").map(Number);
}
