import { existsSync } from "node:fs";
import { agentSocket, typesIn } from "./agent.ts";
import { namedFiles } from "./credentials.ts";
import type { HostKeyCheck } from "./host-key.ts";
import { knownLines, speaksOf } from "./known-hosts.ts";
import { expanded, type Hop } from "./way.ts";

/**
 * Whether a machine is logged in to, or known, by a certificate: one of ssh_config, one beside a key that is named, one that the
 * agent holds, or a known_hosts that knows the machine by an authority alone.
 */
export async function wantsCertificate(hop: Hop, check: HostKeyCheck): Promise<boolean> {
  const { target, config } = hop;
  // OpenSSH takes a password from a terminal alone.
  if (target.password !== undefined) return false;
  const beside = namedFiles(hop).map((file) => `${file.replace(/\.pub$/, "")}-cert.pub`);
  if ((config.certificateFiles ?? []).length > 0 || beside.some((file) => existsSync(file))) return true;
  if (isKnownByAuthority(check)) return true;
  const socket = agentSocket(config.identityAgent && expanded(config.identityAgent, hop));
  if (target.privateKeyFile || socket === undefined) return false;
  return (await typesIn(socket)).some((type) => type.endsWith("-cert-v01@openssh.com"));
}

function isKnownByAuthority({ name, files }: HostKeyCheck): boolean {
  const lines = knownLines(files, name).filter(({ marker }) => marker !== "revoked");
  if (!lines.some(({ marker }) => marker === "cert-authority")) return false;
  const its = lines.filter((line) => speaksOf(line, name));
  return its.length > 0 && its.every(({ marker }) => marker === "cert-authority");
}
