import { type ProbeHost, type Standing, sh } from "causeway";
import { missingRoute, silentWay } from "../../tasks/ping-check/cause.ts";
import {
  type Cause,
  endsOf,
  type HostFacts,
  type PairFacts,
  shownBy,
  type Tunnel,
  type Wire,
} from "../../tasks/ping-check/wire.ts";
import { settings, wordOf } from "../checks/by-hand.ts";
import { edit, pattern, startedByHand, type Trace } from "../checks/traces.ts";
import { isRouted, keysOf, type Place, type Ran, type Running, type Scheme } from "./scheme.ts";
import { etcdOpen, etcdStarted } from "./stores.ts";

export type FlannelBackend = "udp" | "vxlan" | "host-gw";

/** What is known of flannel on a host of a pair that failed. */
export interface FlannelState {
  /** flanneld's, as systemd says it. */
  active: string;
  /** The lease; empty without one. */
  subnet: string;
  docker0: string;
  /** Of a tunnel of vxlan: to which MAC behind which host's address this one sends. */
  farEnds: readonly { mac: string; address: string }[];
}

const wireOf = (backend: FlannelBackend, tunnel?: Tunnel): Wire<FlannelState> => ({
  name: `flannel-${backend}`,
  routed: true,
  ...(tunnel ? { tunnel } : {}),
  // flanneld makes them at its start, and 0.20 loses word of a lease that is taken while it reads of another.
  cure: "restart flanneld there",
  look: lookAt,
  first: (pair) => noLease(pair, wires[backend]),
  ...(backend === "vxlan" && tunnel ? { silent: (pair) => otherFarEnd(pair, tunnel) } : {}),
});

const wires: Readonly<Record<FlannelBackend, Wire<FlannelState>>> = {
  udp: wireOf("udp", { port: 8285, overhead: 28, device: "flannel0" }),
  vxlan: wireOf("vxlan", { port: 8472, overhead: 50, device: "flannel.1" }),
  "host-gw": wireOf("host-gw"),
};

/** Containers with addresses of flannel's leases; the backend is not known where only docker0 tells. */
export function flannelOf(backend?: FlannelBackend): Ran {
  const [words, unsure] = backend === undefined ? ["flannel", true as const] : [`flannel (${backend})`];
  return {
    words,
    ...(unsure ? { unsure } : {}),
    proof: () => ({ network: "bridge", ...(backend === undefined ? {} : { wire: wires[backend] }) }),
  };
}

/** By what flanneld made: its device, or routes through the peers alone. */
function seen(place: Place): Ran {
  const has = (device: string) => place.on.links.some(({ name }) => name === device);
  if (has("flannel.1")) return flannelOf("vxlan");
  if (has("flannel0")) return flannelOf("udp");
  return flannelOf(isRouted(place) ? "host-gw" : undefined);
}

/** Whether docker0 has the address of a lease. */
export function isLeased({ said, addresses }: Running): boolean {
  const lease = wordOf(said, "flannel-subnet");
  return lease !== "" && addresses.find(({ dev }) => dev === "docker0")?.cidr === lease;
}

export function hasFlanneld(standing: readonly Standing[]): boolean {
  return standing.some(({ task }) => task === "flanneld-config");
}

/** The article's edit: without the “-” before the file, Docker does not start any more once flannel's file is gone. */
export const flannelOptions: Trace = {
  finds: ({ unit }) =>
    settings(unit, "EnvironmentFile")
      .filter(({ value }) => value.startsWith("/run/flannel/"))
      .map(({ path, value }) => ({
        message: "docker.service was edited by hand to read flannel's options",
        found: `EnvironmentFile=${value} in ${path}`,
        remove: edit(path, [
          "-e",
          `\\|^EnvironmentFile=${pattern(value)}|d`,
          "-e",
          "s| *\\$DOCKER_NETWORK_OPTIONS||g",
        ]),
      })),
};

export const flanneldStarted = startedByHand("flanneld", ({ command }) => command === "");

export const flannel: Scheme = {
  name: "flannel",
  wires: Object.values(wires),
  held: (place) => (keysOf(place.on, "flanneld-config").length > 0 ? [seen(place)] : []),
  shown: (place) => (isLeased(place.on) ? [seen(place)] : []),
  look: sh`while IFS= read -r line; do
  case $line in
    FLANNEL_NETWORK=*) echo "@flannel-network \${line#*=}" ;;
    FLANNEL_SUBNET=*) echo "@flannel-subnet \${line#*=}" ;;
  esac
done 2>/dev/null </run/flannel/subnet.env`,
  processes: ["etcd", "flanneld"],
  traces: [flannelOptions, flanneldStarted, etcdStarted, etcdOpen],
  makes: ({ task }, name) => task === "flanneld-config" && /^(docker0$|flannel)/.test(name),
  serves: ({ standing, said }) => (hasFlanneld(standing) ? wordOf(said, "flannel-network") : undefined),
};

async function lookAt(host: ProbeHost): Promise<FlannelState> {
  const { stdout } = await host.sh(
    sh`systemctl is-active flanneld; sed -n 's/^FLANNEL_SUBNET=/subnet /p' /run/flannel/subnet.env 2>/dev/null
ip -o -4 addr show dev docker0 2>/dev/null | sed -n 's/.* inet \([^ ]*\).*/docker0 \1/p'
bridge fdb show dev flannel.1 2>/dev/null; true`,
  );
  const word = (name: string) => new RegExp(`^${name} (\\S+)`, "m").exec(stdout)?.[1] ?? "";
  const farEnds = [...stdout.matchAll(/^(\S+) dst (\S+) /gm)].map(([, mac = "", address = ""]) => ({
    mac,
    address,
  }));
  return { active: stdout.split("\n")[0] ?? "", subnet: word("subnet"), docker0: word("docker0"), farEnds };
}

/** A flanneld that is down does no harm as long as its lease, device and routes stand. */
function noLease(pair: PairFacts<FlannelState>, wire: Wire): Cause | undefined {
  for (const end of endsOf(pair)) {
    if (!end.own) continue;
    const { active, subnet, docker0 } = end.own;
    const isDown = active !== "active" && (end.unstarted !== undefined || missingRoute(pair, wire));
    const without =
      subnet === ""
        ? `${end.name} has no /run/flannel/subnet.env, and flanneld is ${active}`
        : docker0 !== subnet
          ? `docker0 of ${end.name} has ${docker0 || "no address"} where the lease is ${subnet}`
          : isDown
            ? `flanneld is ${active} on ${end.name}`
            : undefined;
    if (without !== undefined)
      return { cause: `no lease: ${without}`, ...shownBy("systemctl status flanneld", end, pair) };
  }
  return undefined;
}

/** A flanneld that missed word of a far device sends to none, or to the one before it, which nobody has any more. */
function otherFarEnd(pair: PairFacts<FlannelState>, { port, device }: Tunnel): Cause | undefined {
  if (pair.tried?.loss !== 100) return undefined;
  const [sender, receiver] = silentWay(pair);
  const astray = farEndWords(sender, receiver, device);
  if (astray === undefined) return undefined;
  const way = `UDP ${port} from ${sender.name} to ${receiver.name}`;
  return {
    cause: `one-way tunnel: ${way} does not get through: ${astray}; restart flanneld on ${sender.name}`,
    ...shownBy(`bridge fdb show dev ${device}`, sender, pair),
  };
}

function farEndWords(
  { name, own }: HostFacts<FlannelState>,
  receiver: HostFacts<FlannelState>,
  device: string | undefined,
): string | undefined {
  const there = receiver.links.find((link) => link.name === device)?.mac;
  if (own === undefined || there === undefined) return undefined;
  const ends = own.farEnds.filter(({ address }) => address === receiver.address);
  if (ends.some(({ mac }) => mac === there)) return undefined;
  const sent = ends.length === 0 ? "no MAC" : ends.map(({ mac }) => mac).join(", ");
  return `${name} knows ${sent} for ${receiver.name}, whose ${device} has ${there}`;
}
