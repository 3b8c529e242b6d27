import { meet, type ProbeHost, sh, subnetOf } from "causeway";
import { ruleWords, shownRule, silentWay, tunnelDrop } from "../../tasks/ping-check/cause.ts";
import {
  type Cause,
  endsOf,
  type HostFacts,
  type PairFacts,
  shownBy,
  type Tunnel,
  type Wire,
} from "../../tasks/ping-check/wire.ts";
import { addressIn, askDump, type Running, readDump } from "../../tasks/wireguard-link/peers.ts";
import { startedByHand } from "../checks/traces.ts";
import { isRouted6, keysOf, type Place, type Ran, type Scheme } from "./scheme.ts";

/** What is known of the encrypted interface on a host of a pair that failed. */
export interface LinkState {
  /** Its unit, as systemd says it. */
  active: string;
  /** The host's clock, in seconds since 1970. */
  now: number;
  /** The interface as wg has it; undefined where it is gone. */
  running: Running | undefined;
}

type Pair = PairFacts<LinkState>;
type End = HostFacts<LinkState>;
type Device = Tunnel & { device: string };

/** No key of WireGuard's is used for longer, in seconds (its white paper, section 6.1, Reject-After-Time). */
const oldest = 180;

/** IPv4, UDP, and WireGuard's own 32 bytes; what is inside is filled up to a multiple of 16. */
const overhead = 60;

/** Messages as long as those of pings of 84 bytes, or of 104 in IPv6. What `udp[…]` says tcpdump asks of IPv4 alone. */
const messages = [
  "udp[8:4] = 0x04000000 and (udp[4:2] = 136 or udp[4:2] = 152)",
  "ip6[6] = 17 and ip6[48:4] = 0x04000000 and (ip6[44:2] = 136 or ip6[44:2] = 152)",
];

/** By the hosts' names, the addresses at which they are called; without one that is a name, and is looked up elsewhere. */
export type Endpoints = ReadonlyMap<string, string>;

function wireOf(device: string, port: number, endpoints: Endpoints): Wire<LinkState> {
  const tunnel: Device = { port, overhead, device, endpoints };
  return {
    name: "wireguard",
    routed: true,
    tunnel,
    sealed: true,
    filter: messages.map((one) => `(${one})`).join(" or "),
    cure: "run the playbook again",
    look: (host) => lookAt(host, device),
    first: (pair) => deviceGone(pair, device),
    silent: (pair) => otherPeers(pair, device) ?? noHandshake(pair, tunnel),
  };
}

/** Containers whose packets go through an encrypted interface. */
export function encryptedContainers(
  device: string,
  port: number,
  { withIpv6 = false, endpoints = new Map() }: { withIpv6?: boolean; endpoints?: Endpoints } = {},
): Ran {
  return {
    words: withIpv6 ? `wireguard (${device}, IPv4 and IPv6)` : `wireguard (${device})`,
    ...(withIpv6 ? { families: [4, 6] as const } : {}),
    proof: () => ({ network: "bridge", wire: wireOf(device, port, endpoints) }),
  };
}

/**
 * `@wireguard wg-causeway0 51820`: the ports of all interfaces of WireGuard's; `@endpoint docker-201 [fd00:10::201]:51820`: what our
 * own are told of their peers.
 */
const look = sh`! command -v wg >/dev/null || wg show all listen-port 2>/dev/null | while read -r device port; do
  echo "@wireguard $device $port"
done
for conf in /etc/wireguard/wg-causeway*.conf; do
  while read -r key is value; do
    case $key in '#') peer=$is ;; Endpoint) echo "@endpoint $peer $value" ;; esac
  done 2>/dev/null <"$conf"
done`;

function portsOn({ on }: Place): ReadonlyMap<string, number> {
  const pairs = (on.said.wireguard ?? []).map((words) => words.split(" "));
  return new Map(pairs.map(([device = "", port]) => [device, Number(port)]));
}

/** What the hosts say of each other. */
function endpointsOn({ reached }: Place): Endpoints {
  const lines = reached.flatMap(({ facts }) => facts.running.said.endpoint ?? []);
  return new Map(
    lines.flatMap((line) => {
      const [peer = "", at = ""] = line.split(" ");
      const address = addressIn(at);
      return address === undefined ? [] : [[peer, address]];
    }),
  );
}

/** Of two generations the one that the routes lead over. */
function held(place: Place): Ran[] {
  const devices = keysOf(place.on, "wireguard-link");
  const device = devices.find((name) => place.on.routes.some(({ dev }) => dev === name)) ?? devices.at(-1);
  if (device === undefined) return [];
  const port = portsOn(place).get(device) ?? 51820;
  return [
    encryptedContainers(device, port, { withIpv6: isRouted6(place.on), endpoints: endpointsOn(place) }),
  ];
}

/** An interface of WireGuard's over which the way to another host's docker0 leads: not somebody's VPN. */
function shown(place: Place): Ran[] {
  const subnets = place.reached.flatMap(({ facts }) =>
    facts.running.addresses.flatMap(({ dev, cidr }) => (dev === "docker0" ? [subnetOf(cidr)] : [])),
  );
  return [...portsOn(place)]
    .filter(([device]) => place.on.routes.some(({ dst, dev }) => dev === device && subnets.includes(dst)))
    .map(([device, port]) => encryptedContainers(device, port));
}

export const wireguard: Scheme = {
  name: "wireguard",
  wires: [wireOf("wg-causeway0", 51820, new Map())],
  held,
  shown,
  look,
  processes: ["wireguard-go"],
  traces: [startedByHand("wireguard-go")],
  makes: ({ task, key }, name) => task === "wireguard-link" && key === name,
};

async function lookAt(host: ProbeHost, device: string): Promise<LinkState> {
  const { stdout } = await host.sh(sh`date +%s; systemctl is-active ${device}
${askDump(device)}`);
  const [now = "", active = "", ...dump] = stdout.split("\n");
  return { active, now: Number(now), running: readDump(dump.join("\n")) };
}

function deviceGone(pair: Pair, device: string): Cause | undefined {
  if (pair.tried?.loss !== 100) return undefined;
  const without = endsOf(pair).find(({ own }) => own !== undefined && own.running === undefined);
  if (!without) return undefined;
  return {
    cause: `device gone: ${without.name} has no ${device}, and its unit is ${without.own?.active}`,
    ...shownBy(`systemctl status ${device}`, without, pair),
  };
}

/** The peer that a host sends to for an address, and from which alone it takes what comes from there. */
function peerFor({ own }: End, address: string) {
  const peers = [...(own?.running?.peers ?? [])].map(([publicKey, peer]) => ({ publicKey, ...peer }));
  return peers.find(({ subnets }) => subnets.some((subnet) => meet(subnet, address)));
}

/** WireGuard drops without a word what no peer is to have, and what comes from another than the one that has it. */
function otherPeers(pair: Pair, device: string): Cause | undefined {
  if (pair.tried?.loss !== 100) return undefined;
  for (const [here, there] of [
    [pair.from, pair.to],
    [pair.to, pair.from],
  ] as const) {
    const key = there.own?.running?.publicKey;
    if (here.own?.running === undefined || key === undefined) continue;
    const peer = peerFor(here, there.container);
    if (peer?.publicKey === key) continue;
    const found = peer ? `it is the peer's with the key ${peer.publicKey}, not ${key}` : "it is no peer's";
    return {
      cause: `AllowedIPs: ${here.name} has no way to ${there.container} by ${there.name}: ${found}; run the playbook again`,
      ...shownBy(`wg show ${device} allowed-ips`, here, pair),
    };
  }
  return undefined;
}

/** Two that never agreed on a key, or whose last one is too old: no packet of either gets through to the other, or one way only. */
function noHandshake(pair: Pair, tunnel: Device): Cause | undefined {
  if (pair.tried?.loss !== 100) return undefined;
  const { from, to } = pair;
  const handshake = peerFor(from, to.container)?.handshake;
  if (from.own === undefined || handshake === undefined) return undefined;
  const age = from.own.now - handshake;
  if (handshake > 0 && age <= oldest) return undefined;
  const since = handshake === 0 ? "have never met" : `last met ${Math.round(age / 60)} minutes ago`;
  const [sender, receiver] = silentWay(pair);
  // Of handshakes there are few: one packet that a rule drops tells.
  const guilty = tunnelDrop(sender, receiver, tunnel, 1) ?? tunnelDrop(receiver, sender, tunnel, 1);
  const by = guilty ? `; ${guilty.end.name} drops it by ${ruleWords(guilty.rule)}` : "";
  const command = guilty
    ? shownRule(guilty)
    : `wg show ${tunnel.device}; tcpdump -ni any udp port ${tunnel.port}`;
  return {
    cause: `no handshake: ${from.name} and ${to.name} ${since}: UDP ${tunnel.port} does not get through, or not both ways${by}`,
    ...shownBy(command, guilty?.end ?? from, pair),
  };
}
