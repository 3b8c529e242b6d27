import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { ConnectionTarget } from "./session.ts";
import { defaultSshConfig, type SshConfig, sshConfigFor } from "./ssh-config.ts";

const thisMachine = "this machine";

/**
 * Where a connection ends, as far as it is known without asking a name server: `this machine`, or address, port and jump host.
 * Two targets with one endpoint are one machine; two with different ones may still be.
 */
export async function endpointOf(
  target: ConnectionTarget,
  known: KnownHere,
  sshConfigFile?: string,
): Promise<string> {
  if (target.kind === "local") return thisMachine;
  // Without ssh itself the connection fails later, and says why.
  const config = await sshConfigFor(target.address, sshConfigFile, target.sshArguments).catch(
    defaultSshConfig,
  );
  return endpointWith(target, config, known);
}

/** What this machine knows of names and addresses by itself. */
export interface KnownHere {
  /** Name → address, as /etc/hosts has it. */
  hosts: ReadonlyMap<string, string>;
  /** This machine's own addresses. */
  own: ReadonlySet<string>;
}

export function knownHere(): KnownHere {
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((a) => a.address));
  return { hosts: hostsFile(), own: new Set(own) };
}

/** The same, where ssh's configuration is known. */
export function endpointWith(
  { address, port }: Pick<ConnectionTarget, "address" | "port">,
  config: Pick<SshConfig, "hostName" | "port" | "proxyJump" | "proxyCommand">,
  { hosts, own }: KnownHere,
): string {
  const name = (config.hostName ?? address).toLowerCase();
  const at = hosts.get(name) ?? name;
  const number = port ?? config.port ?? 22;
  // Behind another machine an address is not what it is here.
  const through = config.proxyJump ?? config.proxyCommand;
  if (through !== undefined) return `${name} port ${number} through ${through}`;
  const isOwn = at === "localhost" || at === "::1" || at.startsWith("127.") || own.has(at);
  return isOwn && number === 22 ? thisMachine : `${isOwn ? thisMachine : at} port ${number}`;
}

/** The first address that /etc/hosts gives a name: the one that is connected to. */
export function parseHostsFile(text: string): ReadonlyMap<string, string> {
  const known = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    for (const name of names) if (!known.has(name.toLowerCase())) known.set(name.toLowerCase(), address);
  }
  return known;
}

function hostsFile(): ReadonlyMap<string, string> {
  try {
    return parseHostsFile(readFileSync("/etc/hosts", "utf8"));
  } catch {
    return new Map();
  }
}
