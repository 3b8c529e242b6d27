import {
  CausewayError,
  type DockerState,
  defineTask,
  Ipv4,
  later,
  type Reader,
  type Static,
  sh,
  step,
  Type,
} from "causeway";

const word = Type.String({ minLength: 1, pattern: "^[^\\n]+$" });

const usualRestart = "unless-stopped";

const params = Type.Object(
  {
    name: Type.String({ pattern: "^[A-Za-z0-9][\\w.-]*$", description: "its name in Docker" }),
    image: Type.String({
      pattern: "^[^\\s-]\\S*$",
      description: "its image; it is pulled where it is missing",
    }),
    command: Type.Optional(Type.Array(word, { description: "what runs in it; default: the image's own" })),
    env: Type.Optional(
      Type.Record(Type.String(), Type.String({ pattern: "^[^\\n]*$" }), {
        description: "variables of its environment; Docker shows them to whoever may ask: no secrets",
      }),
    ),
    ports: Type.Optional(Type.Array(word, { description: "published ports, as `-p` takes them: `80:8080`" })),
    volumes: Type.Optional(
      Type.Array(word, { description: "folders and volumes, as `-v` takes them: `/srv/app:/data:ro`" }),
    ),
    network: Type.Optional(
      Type.String({
        pattern: "^[A-Za-z0-9][\\w.-]*$",
        description: "its network; default: Docker's own bridge",
      }),
    ),
    address: Type.Optional(Ipv4({ description: "its address on that network; default: Docker chooses" })),
    restart: Type.Optional(
      Type.String({
        pattern: "^(no|always|unless-stopped|on-failure(:\\d+)?)$",
        default: usualRestart,
        description: "when Docker starts it again, as `--restart` takes it",
      }),
    ),
    options: Type.Optional(
      Type.Array(word, { description: "any other words for `docker run`: `--cap-add=NET_ADMIN`" }),
    ),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

interface Seen {
  /** The words that made it; empty for a container of somebody else's. */
  words: string;
  running: boolean;
  /** `none` without a health check, else `starting`, `healthy`, `unhealthy`. */
  health: string;
  /** The id of its image, and the one that the image's name means now; empty where that is not on the host. */
  image: string;
  imageNow: string;
}

interface State {
  docker: DockerState;
  container: Seen | undefined;
}

/**
 * A container that runs in the background. It is made anew where it is to be another, or where its image's name means another
 * image by now; the old one comes back where the new one does not start. A container of somebody else's is never touched.
 * Volumes with a name stay when it goes.
 *
 * ```ts
 * import { dockerContainer } from "causeway/tasks";
 *
 * export const task = dockerContainer({
 *   name: "web",
 *   image: "nginx:1.27",
 *   ports: ["80:80"],
 *   volumes: ["/srv/web:/usr/share/nginx/html:ro"],
 *   restart: "unless-stopped",
 * });
 * ```
 */
export const dockerContainer = defineTask({
  name: "docker-container",
  summary: "A container that runs in the background",
  params,
  key: ({ name }) => name,
  settles: "60s",
  read: readContainer,
  present: ({ docker, container: now }, params) => {
    const { name, image, command } = params;
    if (docker.state === "missing")
      throw new CausewayError("host", "Docker is not installed on this host", {
        found: "no docker command",
        advice: "install it first, such as with the task package: docker.io on Debian",
      });
    if (docker.state === "stopped") return [later("Docker does not run yet")];
    if (now && now.words === "") throw ofSomebodyElse(name, now);
    const options = optionsOf(params);
    const wanted = [...options, image, ...(command ?? [])].join("\n");
    const differs = !now || now.words !== wanted || (now.imageNow !== "" && now.image !== now.imageNow);
    if (!differs && now.running) {
      if (now.health === "starting") return [later(`the container ${name} is not healthy yet`)];
      if (now.health !== "unhealthy") return [];
    }
    const given = { name, image, options, ...(command ? { command } : {}) };
    return [
      step.dockerContainer({ ...given, was: now ? wasWords(now) : null, to: wanted.replaceAll("\n", " ") }),
    ];
  },
});

function wasWords({ words, running, health, image, imageNow }: Seen): string {
  return [
    words.replaceAll("\n", " "),
    running ? "" : "stopped",
    health === "unhealthy" ? health : "",
    imageNow !== "" && image !== imageNow ? `of the image ${image.slice(0, 19)}` : "",
  ]
    .filter(Boolean)
    .join(", ");
}

function optionsOf({
  env = {},
  ports = [],
  volumes = [],
  network,
  address,
  restart = usualRestart,
  options = [],
}: Params): string[] {
  const each = (flag: string, values: readonly string[]) => values.flatMap((value) => [flag, value]);
  return [
    ...each("--restart", [restart]),
    ...each("--network", network ? [network] : []),
    ...each("--ip", address ? [address] : []),
    ...each("--publish", ports),
    ...each("--volume", volumes),
    ...each(
      "--env",
      Object.entries(env)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => `${key}=${value}`),
    ),
    ...options,
  ];
}

async function readContainer(host: Reader, { name, image }: Params): Promise<State> {
  const format = `{{.State.Running}}|{{with .State.Health}}{{.Status}}{{else}}none{{end}}|{{.Image}}|{{.Name}}
{{index .Config.Labels "causeway.words"}}`;
  // For an image that is not there Docker prints an empty line; it is one line in any case.
  const [docker, { stdout }] = await Promise.all([
    host.docker(),
    host.read(
      sh`systemctl is-active -q docker || exit 0
image=$(docker image inspect -f '{{.Id}}' ${image} 2>/dev/null); echo "$image"
docker container inspect -f ${format} ${name} 2>/dev/null`,
      { looksAt: ["docker", "unit:docker"] },
    ),
  ]);
  const [imageNow = "", state = "", ...words] = stdout.trimEnd().split("\n");
  const [running, health = "none", ofImage = "", itsName] = state.split("|");
  const isThere = itsName === `/${name}`;
  const seen = { running: running === "true", health, image: ofImage, imageNow, words: words.join("\n") };
  return { docker, container: isThere ? seen : undefined };
}

function ofSomebodyElse(name: string, { running }: Seen): CausewayError {
  return new CausewayError("host", `the container ${name} is somebody else's, and it is left as it is`, {
    found: `a container without the label causeway.words, ${running ? "running" : "stopped"}`,
    expected: "no container of that name, or one that this task made",
    command: `docker inspect ${name}`,
    advice: `give another name; or make room: docker rename ${name} OTHER, and stop it where it has the same ports`,
  });
}
