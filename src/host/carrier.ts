import { CausewayError } from "../errors.ts";
import { agentSocket, typesIn } from "./agent.ts";
import type { NoneInCommon } from "./algorithms.ts";
import { wantsCertificate } from "./certificates.ts";
import { namedFiles } from "./credentials.ts";
import type { HostKeyCheck } from "./host-key.ts";
import { isSecurityKey, keyFile } from "./keys.ts";
import { offeredByOpenSsh } from "./ssh-config.ts";
import { expanded, type Hop } from "./way.ts";

/**
 * What a machine needs that ssh2 has not and OpenSSH's own ssh has, in words; nothing where ssh2 makes the connection. ssh2 does
 * it wherever it can: it needs no process a host.
 */
export async function whyOpenSsh(hop: Hop, check: HostKeyCheck): Promise<string | undefined> {
  if (await wantsCertificate(hop, check)) return "a certificate";
  if (await wantsSecurityKey(hop)) return "a security key";
  return undefined;
}

/** Whether there is nothing to log in with but keys that sign only where somebody touches a token. */
async function wantsSecurityKey(hop: Hop): Promise<boolean> {
  const { target, config } = hop;
  if (target.password !== undefined) return false;
  const files = namedFiles(hop);
  if (files.some((file) => !isSecurityKey(file) && keyFile(file).state !== "unusable")) return false;
  if (files.some(isSecurityKey)) return true;
  const socket = agentSocket(config.identityAgent && expanded(config.identityAgent, hop));
  if (target.privateKeyFile || config.identitiesOnly || socket === undefined) return false;
  const types = await typesIn(socket);
  return types.length > 0 && types.every((type) => type.startsWith("sk-"));
}

/** Where ssh2 and a host have no algorithm in common: one that OpenSSH's own ssh has in common with it. */
export async function commonByOpenSsh(error: NoneInCommon, hop: Hop): Promise<string | undefined> {
  const own = await offeredByOpenSsh(hop.config, error.list);
  const common = error.offered.find((name) => own.includes(name));
  const { password, privateKeyFile } = hop.target;
  if (common === undefined || password === undefined || privateKeyFile !== undefined) return common;
  throw new CausewayError("unreachable", error.message, {
    ...error.detail,
    advice: `OpenSSH's own ssh has ${common}, and is used where the login is by key: let the host have a key instead of ansible_password`,
  });
}
