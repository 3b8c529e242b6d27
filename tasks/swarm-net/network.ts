import { CausewayError, type NetworkMember, type Reader, sh } from "causeway";

/** A network of a swarm as one host sees it; a worker sees it once a container of its own is on it. */
export interface SwarmNetSeen {
  /** Whether the host is a node of a swarm. */
  isNode: boolean;
  /** Driver, scope, subnets and options of the network of that name, where the host sees it. */
  seen: string | undefined;
  /** It is there, and has no driver. */
  isHalfMade: boolean;
  /** This host's containers on it, running or stopped. */
  members: readonly NetworkMember[];
}

export interface Wanted {
  name: string;
  subnet: string;
  encrypted?: boolean;
}

/** How a network that is as it should be is seen. */
export function wordsOf({ subnet, encrypted = false }: Omit<Wanted, "name">): string {
  return `overlay swarm ${subnet} attachable${encrypted ? " encrypted" : ""}`;
}

export async function readNetwork(host: Reader, name: string): Promise<SwarmNetSeen> {
  const [looked, members] = await Promise.all([
    host.read(
      sh`systemctl is-active -q docker && [ "$(docker info -f '{{.Swarm.LocalNodeState}}')" = active ] || exit 0
echo node
docker network inspect -f ${`{{.Driver}}|{{.Scope}}{{range .IPAM.Config}} {{.Subnet}}{{end}}{{if .Attachable}} attachable{{end}}{{range $key, $value := .Options}}{{if eq $key "encrypted"}} encrypted{{end}}{{end}}`} ${name} 2>/dev/null; true`,
      { looksAt: ["docker", "unit:docker", "shared:docker"] },
    ),
    host.networkMembers(name),
  ]);
  return { ...parseNetwork(looked.stdout), members };
}

export function parseNetwork(text: string): Omit<SwarmNetSeen, "members"> {
  const [node, line] = text.trim().split("\n");
  const [driver = "", rest = ""] = line?.split("|") ?? [];
  const isThere = line !== undefined && line !== "";
  return {
    isNode: node === "node",
    isHalfMade: isThere && driver === "",
    seen: isThere && driver !== "" ? `${driver} ${rest.trim()}` : undefined,
  };
}

/** Whether the network exists, and has to be made anew. */
export function differs({ seen }: Pick<SwarmNetSeen, "seen">, wanted: Omit<Wanted, "name">): boolean {
  return seen !== undefined && seen !== wordsOf(wanted);
}

/** Another network of that name. */
export function refuseNetwork(state: SwarmNetSeen, wanted: Wanted): void {
  const { seen = "" } = state;
  const { name } = wanted;
  if (differs(state, wanted) && !seen.startsWith("overlay swarm"))
    throw new CausewayError("host", `another network has the name ${name}`, {
      found: seen,
      restsOn: [`network:${name}`],
      expected: wordsOf(wanted),
      advice: `docker network rm ${name}, or choose another name: -e swarm_name=…`,
    });
}
