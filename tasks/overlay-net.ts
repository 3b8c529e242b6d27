import {
  CausewayError,
  Cidr,
  type DockerState,
  defineTask,
  later,
  type NetworkMember,
  type PlanItem,
  type Static,
  type Step,
  sh,
  step,
  Type,
} from "causeway";

const params = Type.Object(
  {
    name: Type.String({ minLength: 1, description: "the network's name in Docker, on all hosts" }),
    subnet: Cidr({ description: "the subnet that the containers of all hosts share" }),
    create: Type.Boolean({
      description: "whether this is the one host that makes it; the others only see it",
    }),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

/** The bridge by which containers of an overlay network reach the world; Docker makes it with the first of them. */
const gateway = "docker_gwbridge";

interface State {
  docker: DockerState;
  /** Driver, scope and subnets of the network, when this host sees it. */
  seen: string | undefined;
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
    const [docker, seen, members] = await Promise.all([
      host.docker(),
      host.read(
        sh`docker network inspect -f '{{.Driver}} {{.Scope}}{{range .IPAM.Config}} {{.Subnet}}{{end}}' ${name}`,
        { looksAt: ["docker", "unit:docker", "shared:docker"] },
      ),
      host.networkMembers(name),
    ]);
    return { docker, seen: answer(seen), members };
  },
  present: (state, wanted): readonly PlanItem[] => {
    const own = gatewayBridge(state.docker);
    const expected = `overlay global ${wanted.subnet}`;
    if (state.seen === expected) return own;
    if (state.seen !== undefined) {
      refuseUnlessOurs(state, wanted, expected);
      if (!wanted.create) return [...own, later(`the network is still ${state.seen}`)];
    }
    if (!wanted.create) return [...own, later(`the store has not told this host of ${wanted.name} yet`)];
    return [...own, create(state, wanted)];
  },
});

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
  throw new CausewayError("host", "Docker cannot ask its store", {
    command: "docker network ls",
    output: stderr,
    advice: "look at the store: consul members, consul operator raft list-peers",
  });
}

function create({ seen }: State, { name, subnet }: Params): Step {
  return step.dockerNetwork({ name, driver: "overlay", subnet, was: seen ?? null });
}

/** Made beforehand, as Docker's documentation has it for one with options of its own, so that an undo takes it away. */
function gatewayBridge({ networks }: DockerState): Step[] {
  if (networks.some((network) => network.name === gateway)) return [];
  const option = (name: string) => `com.docker.network.bridge.${name}`;
  return [
    step.dockerNetwork({
      name: gateway,
      driver: "bridge",
      options: {
        [option("name")]: gateway,
        [option("enable_icc")]: "false",
        [option("enable_ip_masquerade")]: "true",
      },
    }),
  ];
}

/** Another network of that name, or one whose containers, on whatever host, would lose their addresses. */
function refuseUnlessOurs({ seen = "", members }: State, { name }: Params, expected: string): void {
  if (!seen.startsWith("overlay global"))
    throw new CausewayError("host", `there is another network of the name ${name}`, {
      found: seen,
      expected,
      advice: `docker network rm ${name}, or take another name: -e overlay_name=…`,
    });
  if (members.length === 0) return;
  throw new CausewayError("host", `the network ${name} has to be made anew, and containers are on it`, {
    found: `${seen}; on it: ${members.map((m) => m.name).join(", ")}`,
    expected,
    advice: `take them off first: ${members.map((m) => `docker network disconnect ${name} ${m.name}`).join("; ")}`,
  });
}
