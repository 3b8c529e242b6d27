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

/** The interface as it runs. */
export interface Running {
  publicKey: string;
  port: number;
  /** Subnets by the peer's public key. */
  peers: ReadonlyMap<string, readonly string[]>;
}

/**
 * Parses `wg show NAME dump` without the first column of its first line and the second of the others, which are secrets: what is
 * left is, parted by tabs, public key, port, fwmark; then a peer a line: public key, endpoint, allowed IPs, and counters (wg(8), "show").
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
        const [key = "", , allowed = ""] = line.split("\t");
        return [key, allowed === "(none)" ? [] : allowed.split(",")] as const;
      }),
    ),
  };
}

/** What the running interface was not told yet; its endpoints are not compared: a peer that moved is followed by itself. */
export function untold({ peers: there, port: now }: Running, port: number, wanted: readonly Peer[]): string {
  const same = (a: readonly string[] = [], b: readonly string[] = []) =>
    [...a].sort().join(" ") === [...b].sort().join(" ");
  const differs = wanted.find((peer) => !same(peer.subnets, there.get(peer.publicKey)));
  const stranger = [...there.keys()].find((key) => !wanted.some(({ publicKey }) => publicKey === key));
  if (now !== port) return `it listens on port ${now}`;
  if (differs)
    return `it lets ${there.get(differs.publicKey)?.join(", ") || "nothing"} through to ${differs.name}`;
  if (stranger !== undefined) return `it has a peer ${stranger} that is none`;
  return "";
}
