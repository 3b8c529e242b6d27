import {
  CausewayError,
  Cidr,
  type DockerState,
  defineTask,
  gatewayBridge,
  later,
  leftFile,
  lostAddresses,
  memberWords,
  type NetworkMember,
  type PlanItem,
  type Reader,
  type Static,
  type Step,
  sh,
  step,
  Type,
} from "causeway";

const params = Type.Object(
  {
    name: Type.String({
      pattern: "^\\w[\\w.-]*$",
      description: "the network's name in Docker, on all hosts",
    }),
    subnet: Cidr({ description: "the subnet that the containers of all hosts share" }),
    part: Type.Union([Type.Literal("leave"), Type.Literal("make"), Type.Literal("see")], {
      description:
        "three plays: leave disconnects every host's containers from a network that differs; make creates the network on one host; see checks that every host sees it, adds the bridge through which its containers reach other networks, and reconnects the containers",
    }),
  },
  { additionalProperties: false },
);

export type OverlayNetParams = Static<typeof params>;
type Wanted = Pick<OverlayNetParams, "name" | "subnet">;

interface State extends OverlaySeen {
  docker: DockerState;
  /** The containers of this host that left the network while it is recreated. */
  left: readonly string[];
}

/** An overlay network as one host sees it. */
export interface OverlaySeen {
  /** Driver, scope and subnets of the network, when this host sees it. */
  seen: string | undefined;
  /** The running containers on it, of all hosts. */
  endpoints: readonly string[];
  /** This host's containers on it, running or stopped. */
  members: readonly NetworkMember[];
}

/** An overlay network: made on one host, seen on all through the store that their Dockers share. */
export const overlayNet = defineTask({
  name: "overlay-net",
  summary: "An overlay network that all hosts see",
  params,
  key: ({ name }) => name,
  settles: "30s",
  read: async (host, { name }): Promise<State> => {
    const [docker, overlay, left] = await Promise.all([
      host.docker(),
      readOverlay(host, name),
      host.file(leftFile(name)),
    ]);
    const names = left.content.split("\n").flatMap((line) => line.split(" ")[0] || []);
    return { ...overlay, docker, left: names };
  },
  present: (state, wanted): readonly PlanItem[] => {
    const { name, part } = wanted;
    const same = state.seen === expected(wanted);
    if (part === "leave") {
      refuseOverlay(state, wanted);
      const who = state.members.map(memberWords).join(", ");
      return same || who === "" ? [] : [step.leaveNetwork({ name, who })];
    }
    // The network is the fleet's, whichever host makes it; the bridge is each host's own.
    if (part === "make") return same ? [] : [make(state, wanted)];
    const own = gatewayBridge(state.docker);
    if (!same)
      return [
        ...own,
        later(
          state.seen ? `it is still ${state.seen}` : `this host has not received ${name} from the store yet`,
        ),
      ];
    const who = state.left.join(", ");
    return who === "" ? own : [...own, step.returnToNetwork({ name, who })];
  },
});

export async function readOverlay(host: Reader, name: string): Promise<OverlaySeen> {
  const [inspected, members] = await Promise.all([
    host.read(
      sh`systemctl is-active -q docker || { echo 'not found: a running Docker' >&2; exit 1; }
inspect() { docker network inspect -f '{{.Driver}} {{.Scope}}{{range .IPAM.Config}} {{.Subnet}}{{end}}{{range .Containers}}
{{.Name}}{{end}}' ${name}; }
# A thread that is stuck in the namespace of a network that is gone cannot ask the store: another one can.
if [ -n "$(docker info -f '{{.ClusterStore}}' 2>/dev/null)" ]; then
  for try in 1 2; do inspect 2>/dev/null >/dev/null && break; sleep 0.3; done
fi
inspect`,
      { looksAt: ["docker", "unit:docker", "shared:docker"] },
    ),
    host.networkMembers(name),
  ]);
  const [seen, ...endpoints] = answer(inspected)?.split("\n") ?? [];
  return { seen, endpoints: endpoints.filter(Boolean), members };
}

/** Absent is a value; a store or a daemon that does not answer is an error, never "absent". */
function answer({
  code,
  stdout,
  stderr,
}: {
  code: number;
  stdout: string;
  stderr: string;
}): string | undefined {
  if (code === 0) return stdout.trim();
  if (/No such network|not found|Cannot connect|executable/i.test(stderr)) return undefined;
  throw new CausewayError("host", "Docker cannot reach its store", {
    command: "docker network ls",
    output: stderr,
    advice: "check the store: consul members, consul operator raft list-peers",
  });
}

function expected({ subnet }: Wanted): string {
  return `overlay global ${subnet}`;
}

/** Whether the network exists, and has to be recreated. */
export function differs({ seen }: OverlaySeen, wanted: Wanted): boolean {
  return seen !== undefined && seen !== expected(wanted);
}

function make(state: State, { name, subnet }: OverlayNetParams): Step {
  return step.dockerNetwork({ name, driver: "overlay", subnet, was: state.seen ?? null });
}

/** Another network of that name, or one whose containers would lose the addresses that they were started with. */
export function refuseOverlay(state: OverlaySeen, wanted: Wanted): void {
  if (!differs(state, wanted)) return;
  const { seen = "", members } = state;
  const { name, subnet } = wanted;
  if (!seen.startsWith("overlay global"))
    throw new CausewayError("host", `another network has the name ${name}`, {
      found: seen,
      restsOn: [`network:${name}`],
      expected: expected(wanted),
      advice: `docker network rm ${name}, or choose another name: -e overlay_name=…`,
    });
  const lost = lostAddresses(members, subnet);
  if (lost.length === 0) return;
  throw new CausewayError("host", "containers would lose the addresses that they were started with", {
    found: lost.map((m) => `${m.name} has ${m.asked}`).join(", "),
    expected: `addresses in ${subnet}`,
    advice: `disconnect them first: ${lost.map((m) => `docker network disconnect ${name} ${m.name}`).join("; ")}`,
  });
}
