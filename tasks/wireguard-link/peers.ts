import { parseAddress, type Script, sh } from "causeway";
import type { Params, Peer } from "./params.ts";

/** The peers whose keys are known, in the order of their names. */
export function knownPeers({ peers }: Params): Peer[] {
  return peers
    .flatMap(({ name, public_key: publicKey, endpoint, subnets }) =>
      publicKey === undefined
        ? []
        : [{ name, publicKey, ...(endpoint === undefined ? {} : { endpoint }), subnets }],
    )
    .sort(byName);
}

/**
 * The same with what the interface has already: peers that are not among them, and subnets that no other is to get. Of a
 * peer that has another key now, only the new one stays.
 */
export function besideThose(wanted: readonly Peer[], there: readonly Peer[]): Peer[] {
  const taken = new Set(wanted.flatMap(({ subnets }) => subnets));
  const free = ({ subnets }: Peer) => subnets.filter((subnet) => !taken.has(subnet));
  const names = new Set(wanted.map(({ name }) => name));
  const grown = wanted.map((peer) => {
    const before = there.find(({ name }) => name === peer.name);
    return before ? { ...peer, subnets: [...peer.subnets, ...free(before)] } : peer;
  });
  const others = there
    .filter(({ name }) => !names.has(name))
    .map((peer) => ({ ...peer, subnets: free(peer) }));
  return [...grown, ...others].sort(byName);
}

const byName = (a: Peer, b: Peer) => (a.name < b.name ? -1 : 1);

/** The peers in a file of ours. */
export function peersIn(text: string): Peer[] {
  return text
    .split(/^(?=# .*\n\[Peer\]$)/m)
    .slice(1)
    .map((part) => {
      const word = (key: string) => new RegExp(`^${key} = (.*)$`, "m").exec(part)?.[1];
      const endpoint = word("Endpoint");
      return {
        name: /^# (.*)$/m.exec(part)?.[1] ?? "",
        publicKey: word("PublicKey") ?? "",
        ...(endpoint === undefined ? {} : { endpoint }),
        subnets: word("AllowedIPs")?.split(", ").filter(Boolean) ?? [],
      };
    });
}

/** The address in `10.0.0.201:51820` or `[fd00:10::201]:51820`; undefined where it is a name. */
export function addressIn(endpoint: string): string | undefined {
  const [, six, other = ""] = /^(?:\[(.*)\]|(.*)):\d+$/.exec(endpoint) ?? [];
  if (six !== undefined) return six;
  return parseAddress(other) === undefined ? undefined : other;
}

/** The interface as it runs. */
export interface Running {
  publicKey: string;
  port: number;
  /** By their public keys. */
  peers: ReadonlyMap<string, RunningPeer>;
}

interface RunningPeer {
  subnets: readonly string[];
  /** When they last agreed on keys, in seconds since 1970; 0 where they never did. */
  handshake: number;
}

/**
 * Prints what `readDump` reads. The secrets stay on the host: of `wg show NAME dump` the private key is the first word of the
 * first line, a peer's preshared key the second of its own.
 */
export function askDump(name: string): Script {
  return sh`wg show ${name} dump 2>/dev/null | { IFS= read -r own && printf '%s\n' "\${own#*	}"; cut -f 1,3-; }; true`;
}

/**
 * Parses that: parted by tabs, public key, port, fwmark; then a peer a line: public key, endpoint, allowed IPs, the time of the
 * last handshake, and counters (wg(8), "show"). Undefined where there is no such interface of WireGuard's.
 */
export function readDump(text: string): Running | undefined {
  const [own = "", ...peers] = text.split("\n").filter(Boolean);
  const [publicKey = "", port] = own.split("\t");
  if (port === undefined) return undefined;
  return {
    publicKey,
    port: Number(port),
    peers: new Map(
      peers.map((line) => {
        const [key = "", , allowed = "", handshake = "0"] = line.split("\t");
        const subnets = allowed === "(none)" ? [] : allowed.split(",");
        return [key, { subnets, handshake: Number(handshake) }] as const;
      }),
    ),
  };
}

/** What the running interface was not told yet; its endpoints are not compared: a peer that moved is followed by itself. */
export function untold({ peers: there, port: now }: Running, port: number, wanted: readonly Peer[]): string {
  const same = (a: readonly string[] = [], b: readonly string[] = []) =>
    [...a].sort().join(" ") === [...b].sort().join(" ");
  const differs = wanted.find((peer) => !same(peer.subnets, there.get(peer.publicKey)?.subnets));
  const stranger = [...there.keys()].find((key) => !wanted.some(({ publicKey }) => publicKey === key));
  if (now !== port) return `it listens on port ${now}`;
  if (differs)
    return `it lets ${there.get(differs.publicKey)?.subnets.join(", ") || "nothing"} through to ${differs.name}`;
  if (stranger !== undefined) return `it has a peer ${stranger} that is none`;
  return "";
}
