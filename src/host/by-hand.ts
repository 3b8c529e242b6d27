import type { ConnectionTarget } from "./session.ts";
import { quote } from "./sh.ts";
import type { Hop } from "./way.ts";

/** The command by which a person reaches a target with OpenSSH, by the same ssh_config and the same key. */
export function sshByHand(
  { address, port, user, privateKeyFile, sshArguments = [] }: ConnectionTarget,
  sshConfigFile?: string,
  more: readonly string[] = [],
): string {
  const words = [
    ...(sshConfigFile === undefined ? [] : ["-F", sshConfigFile]),
    ...more,
    ...sshArguments,
    ...(privateKeyFile === undefined ? [] : ["-i", privateKeyFile]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    user === undefined ? address : `${user}@${address}`,
  ];
  return `ssh ${words.map(quote).join(" ")}`;
}

/** The command by which a person adds a host's key to a file: asked for from where the host is reached. */
export function learnKey(way: readonly Hop[], sshConfigFile: string | undefined, file: string): string {
  const [hop, last, ...before] = [...way].reverse();
  if (!hop) return "";
  if (hop.config.proxyCommand && !last)
    return `${sshByHand(hop.target, sshConfigFile)}, which asks, and remembers the answer`;
  const scan = `ssh-keyscan -p ${hop.port} ${quote(hop.host)}`;
  const jumps = before.length === 0 ? [] : ["-J", before.reverse().map(spec).join(",")];
  const asked = last ? `${sshByHand(last.target, sshConfigFile, jumps)} ${scan}` : scan;
  const alias = hop.config.hostKeyAlias;
  return `${asked}${alias ? ` | sed ${quote(`s/^[^ ]*/${alias}/`)}` : ""} >> ${quote(file)}`;
}

/** A jump host as ssh's `-J` takes it. */
function spec({ target: { address, port, user } }: Hop): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return `${user ? `${user}@` : ""}${host}${port ? `:${port}` : ""}`;
}
