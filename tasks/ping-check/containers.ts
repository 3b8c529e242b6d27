import { CausewayError, type ProbeHost, sh } from "causeway";

/** A container that was started for the proof. */
export interface ProbeContainer {
  host: ProbeHost;
  id: string;
  name: string;
  address: string;
  mac: string;
  /** Per peer, the host's device on the way to it. */
  ways: ReadonlyMap<string, Way>;
}

export interface Way {
  device: string;
  mtu: number;
}

/** A host on which the container did not start, and what Docker said. */
export interface Unstarted {
  host: ProbeHost;
  said: string;
}

/** The port on which a probe container says from where it was called. */
export const callerPort = 7777;
/** A container that nobody takes away ends by itself after so many seconds. */
export const lifetime = 180;

/** Says over TCP which address a call came from: the connection is found in the kernel's table by its socket. */
const sayCaller = `i=$(readlink /proc/$$/fd/0); i=\${i#*[}; i=\${i%]}
cat /proc/net/tcp /proc/net/tcp6 | while read -r n l r s q t x u o j k; do [ "$j" = "$i" ] && echo "$r"; done`;

/** Starts a host's container. An image that is not there is an error; whatever else Docker says is what is proved. */
export async function startContainer(
  host: ProbeHost,
  peers: readonly ProbeHost[],
  { label, name, network, image }: { label: string; name: string; network: string; image: string },
): Promise<ProbeContainer | Unstarted> {
  const inside = sh`nc -ll -p ${callerPort} -e sh -c ${sayCaller} & exec sleep ${lifetime}`;
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.MacAddress}}{{end}}";
  const [{ stdout, stderr, code }, links, ...routes] = await Promise.all([
    host.sh(
      sh`said=$(docker image inspect ${image} 2>&1 >/dev/null) || case $said in
  *[Nn]'o such '*) exit 40 ;;
  *) echo "$said" >&2; exit 41 ;;
esac
id=$(timeout 50 docker run -d --rm --name ${name} --label ${label} --network ${network} ${image} sh -c ${inside.text}) || exit 41
echo "$id $(docker inspect -f ${format} "$id")"`,
      { timeoutMs: 60_000 },
    ),
    host.reader.links(),
    ...peers.map((peer) => host.reader.routeTo(peer.address)),
  ]);
  if (code === 40) throw noImage(host, network, image);
  const [id = "", address = "", mac = ""] = stdout.trim().split(" ");
  if (code !== 0 || address === "") return { host, said: lastLine(stderr) };
  const mtuOf = (device: string) => links.find((link) => link.name === device)?.mtu;
  const ways = peers.flatMap((peer, index) => {
    const device = routes[index]?.dev ?? "";
    const mtu = mtuOf(device);
    return mtu === undefined ? [] : [[peer.name, { device, mtu }] as const];
  });
  return { host, id, name, address, mac, ways: new Map(ways) };
}

function noImage(host: ProbeHost, network: string, image: string): CausewayError {
  return new CausewayError("verify", "the probe container could not be started", {
    host: host.name,
    task: "ping-check",
    command: `docker run --rm --network ${network} ${image} true`,
    found: `no image ${image}`,
    advice: `docker pull ${image}; without a registry: docker save ${image} | ssh ${host.address} docker load`,
  });
}

/** The word that counts: Docker's own hint on how to use it comes after it. */
function lastLine(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("See 'docker run"));
  return lines.at(-1)?.trim() ?? "it has no address";
}

/** Takes a run's container away, whether it started or not. */
export async function removeContainers(host: ProbeHost, label: string): Promise<void> {
  await host.sh(
    sh`ids=$(docker ps -aq --filter label=${label}); [ -z "$ids" ] || docker rm -f $ids >/dev/null 2>&1; true`,
    { timeoutMs: 60_000 },
  );
}

export function isStarted(one: ProbeContainer | Unstarted): one is ProbeContainer {
  return "id" in one;
}
