import {
  CausewayError,
  defineProbe,
  formatAddress,
  type Matrix,
  type MatrixCell,
  type ProbeHost,
  type Static,
  sh,
  Type,
} from "causeway";

const params = Type.Object(
  {
    network: Type.String({ default: "bridge", description: "the Docker network that the containers are on" }),
    image: Type.String({
      default: "busybox",
      description: "an image with busybox's ping and nc, already on every host; nothing is pulled",
    }),
    count: Type.Integer({ default: 3, minimum: 1, maximum: 100, description: "packets a pair" }),
    source: Type.Union([Type.Literal("preserved"), Type.Literal("any")], {
      default: "preserved",
      description: "whether the far side has to see the container's own address",
    }),
    wire: Type.Optional(
      Type.Union(
        [
          Type.Literal("routed"),
          Type.Literal("flannel-udp"),
          Type.Literal("flannel-vxlan"),
          Type.Literal("flannel-host-gw"),
          Type.Literal("overlay"),
          Type.Literal("macvlan"),
        ],
        {
          description:
            "how packets should cross the network between the hosts: what evidence and causes are judged by",
        },
      ),
    ),
    names: Type.Optional(
      Type.Boolean({
        default: false,
        description: "whether a container has to resolve the far one by its name, too",
      }),
    ),
    evidence: Type.Optional(
      Type.Boolean({
        default: false,
        description: "capture on the network between the hosts during the pings, as `--evidence` does",
      }),
    ),
    pairs: Type.Optional(
      Type.Array(
        Type.Object(
          {
            from: Type.String({ description: "the host that sends" }),
            to: Type.String({ description: "the host whose container is to be reached" }),
            expected: Type.Union([Type.Literal("reachable"), Type.Literal("unreachable")]),
          },
          { additionalProperties: false },
        ),
        {
          default: [],
          description:
            "pairs of which something else is expected than that containers of two hosts reach each other; from a host to itself is the host and its own container, which is only tried where it is named here",
        },
      ),
    ),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

/** A container that was started for the proof. */
interface ProbeContainer {
  host: ProbeHost;
  id: string;
  address: string;
}

/** The port on which a probe container says from where it was called. */
const port = 7777;
/** A container that nobody takes away ends by itself after so many seconds. */
const lifetime = 120;

/**
 * Proves with real packets which containers reach which: every ordered pair of hosts, container to container, with
 * loss, round-trip time, and the source address that the far side saw. The containers are always removed.
 */
export const pingCheck = defineProbe({
  name: "ping-check",
  summary: "Every ordered pair of hosts, container to container",
  params,
  run: async (hosts, wanted, { say }): Promise<Matrix> => {
    const label = `causeway.probe=${process.pid}-${Date.now().toString(36)}`;
    try {
      say(`starting a container on each of ${hosts.length} hosts`);
      const containers = await everyOf(hosts.map((host) => startContainer(host, label, wanted)));
      const pairs = hosts.length * (hosts.length - 1);
      say(`pinging ${pairs} ordered pairs`);
      const cells = await everyOf(
        containers.flatMap((from) => [pingAll(from, containers, wanted), pingOwn(from, label, wanted)]),
      );
      return {
        title: `containers on ${wanted.network}`,
        hosts: hosts.map((h) => h.name),
        cells: cells.flat(),
        notes: [],
      };
    } finally {
      await Promise.allSettled(hosts.map((host) => removeContainers(host, label)));
    }
  },
});

/** Waits for all of them, so that nothing is still starting when the removal begins; then the first error counts. */
async function everyOf<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/** Says over TCP which address a call came from: the connection is found in the kernel's table by its socket. */
const sayCaller = `i=$(readlink /proc/$$/fd/0); i=\${i#*[}; i=\${i%]}
cat /proc/net/tcp /proc/net/tcp6 | while read -r n l r s q t x u o j k; do [ "$j" = "$i" ] && echo "$r"; done`;

async function startContainer(
  host: ProbeHost,
  label: string,
  { network, image }: Params,
): Promise<ProbeContainer> {
  const inside = sh`nc -ll -p ${port} -e sh -c ${sayCaller} & exec sleep ${lifetime}`;
  const { stdout, stderr, code } = await host.sh(
    sh`docker image inspect ${image} >/dev/null 2>&1 || { echo 'no such image on this host' >&2; exit 40; }
id=$(docker run -d --rm --label ${label} --network ${network} ${image} sh -c ${inside.text}) || exit 41
echo "$id $(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$id")"`,
    { timeoutMs: 60_000 },
  );
  if (code === 0) {
    const [id = "", address = ""] = stdout.trim().split(" ");
    return { host, id, address };
  }
  throw new CausewayError("verify", "the probe container could not be started", {
    host: host.name,
    task: "ping-check",
    command: `docker run --rm --network ${network} ${image} true`,
    output: stderr,
    ...(code === 40
      ? {
          found: `no image ${image}`,
          advice: `docker pull ${image}; without a registry: docker save ${image} | ssh ${host.address} docker load`,
        }
      : {}),
  });
}

async function removeContainers(host: ProbeHost, label: string): Promise<void> {
  await host.sh(
    sh`ids=$(docker ps -aq --filter label=${label}); [ -z "$ids" ] || docker rm -f $ids >/dev/null 2>&1; true`,
    { timeoutMs: 60_000 },
  );
}

/** All pings of one container at once, each answer in a file of its own on the host. */
async function pingAll(
  from: ProbeContainer,
  all: readonly ProbeContainer[],
  wanted: Params,
): Promise<MatrixCell[]> {
  const peers = all.filter((c) => c !== from);
  if (peers.length === 0) return [];
  const one = (to: ProbeContainer, index: number) =>
    sh`(docker exec ${from.id} sh -c ${`ping -c ${wanted.count} -w ${wanted.count + 2} ${to.address}; echo "@caller $(nc -w 2 ${to.address} ${port} </dev/null 2>/dev/null)"`} >"$d/${index}" 2>&1) &`
      .text;
  const script = `d=$(mktemp -d) || exit 1\n${peers.map(one).join("\n")}\nwait\nfor i in ${peers.map((_, i) => i).join(" ")}; do echo "@pair $i"; cat "$d/$i"; done\nrm -rf "$d"`;
  const { stdout } = await from.host.sh(
    { text: script, secrets: [] },
    { timeoutMs: (wanted.count + 30) * 1000 + peers.length * 500 },
  );
  const answers = new Map(
    stdout
      .split(/^@pair /m)
      .slice(1)
      .map((part) => [Number.parseInt(part, 10), part] as const),
  );
  return Promise.all(peers.map((to, index) => judge(from, to, answers.get(index) ?? "", wanted)));
}

/** Whether a host itself reaches its container, from a container in the host's own network: hosts need no ping. */
async function pingOwn(
  { host, address }: ProbeContainer,
  label: string,
  { pairs, image, count }: Params,
): Promise<MatrixCell[]> {
  const expected = pairs?.find(({ from, to }) => from === host.name && to === host.name)?.expected;
  if (expected === undefined) return [];
  const { stdout, stderr } = await host.sh(
    sh`docker run --rm --label ${label} --network host ${image} ping -c ${count} -w ${count + 2} ${address}`,
    { timeoutMs: 60_000 },
  );
  const loss = /(\d+)% packet loss/.exec(stdout)?.[1];
  // A ping that could not be tried proves nothing, least of all that they are kept apart.
  const lossPercent = Number(loss ?? 100);
  const rtt = /= [\d.]+\/([\d.]+)\//.exec(stdout)?.[1];
  const ok = loss !== undefined && lossPercent === (expected === "reachable" ? 0 : 100);
  const cell: MatrixCell = {
    from: host.name,
    to: host.name,
    ok,
    expected,
    lossPercent,
    ...(rtt === undefined ? {} : { rttMs: Number(rtt) }),
  };
  if (ok) return [cell];
  const command = `ip route get ${address}`;
  if (loss === undefined)
    return [{ ...cell, cause: `the ping could not be tried: ${stderr.trim()}`, command }];
  if (expected === "reachable")
    return [{ ...cell, cause: "the host does not reach its own container", command }];
  return [
    {
      ...cell,
      cause: "the host reaches its own container: over a shim, or a router that sends it back",
      command,
    },
  ];
}

async function judge(
  from: ProbeContainer,
  to: ProbeContainer,
  answer: string,
  wanted: Params,
): Promise<MatrixCell> {
  const loss = Number(/(\d+)% packet loss/.exec(answer)?.[1] ?? 100);
  const rtt = /= [\d.]+\/([\d.]+)\//.exec(answer)?.[1];
  const caller = callerAddress(/^@caller [0-9A-F]*([0-9A-F]{8}):/m.exec(answer)?.[1]);
  const preserved = caller === undefined ? undefined : caller === from.address;
  const reached = loss < 100;
  const ok = loss === 0 && (wanted.source === "any" || preserved === true);
  const cell: MatrixCell = {
    from: from.host.name,
    to: to.host.name,
    ok,
    expected: "reachable",
    lossPercent: loss,
    ...(rtt === undefined ? {} : { rttMs: Number(rtt) }),
    ...(caller === undefined ? {} : { sourceSeen: caller }),
    ...(preserved === undefined ? {} : { sourcePreserved: preserved }),
  };
  return ok ? cell : { ...cell, ...(await causeOf(from, to, { reached, caller })) };
}

/** `0264A8C0`, as /proc/net/tcp and the end of a tcp6 address write 192.168.100.2 on a little-endian machine. */
function callerAddress(hex: string | undefined): string | undefined {
  if (hex === undefined) return undefined;
  const bytes = hex.match(/../g) ?? [];
  return formatAddress(bytes.reverse().reduce((sum, byte) => sum * 256 + Number.parseInt(byte, 16), 0));
}

async function causeOf(
  from: ProbeContainer,
  to: ProbeContainer,
  { reached, caller }: { reached: boolean; caller: string | undefined },
): Promise<{ cause: string; command: string }> {
  if (reached && caller !== undefined && caller !== from.address) {
    return {
      cause: `masqueraded: the far side saw ${caller} instead of ${from.address}`,
      command: "iptables -t nat -S POSTROUTING",
    };
  }
  if (reached && caller === undefined) {
    return {
      cause: "it answers pings, and no TCP connection: which address it sees is not known",
      command: `nc -w 2 ${to.address} ${port}   # inside a container`,
    };
  }
  const { stdout } = await from.host.sh(sh`ip -4 route get ${to.address} 2>&1 | head -n 1`);
  const command = `ip route get ${to.address}`;
  if (!stdout.includes(to.host.address))
    return { cause: `no route to it: ${stdout.trim() || "unreachable"}`, command };
  return { cause: `no answer, although it is routed to ${to.host.name}`, command: "iptables -vnL FORWARD" };
}
