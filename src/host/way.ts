import { isIPv6 } from "node:net";
import { homedir, hostname, userInfo } from "node:os";
import { CausewayError } from "../errors.ts";
import type { ConnectionTarget, SessionOptions } from "./session.ts";
import { type SshConfig, sshConfigFor } from "./ssh-config.ts";

/** One machine of the way to a host, where it is reached and as whom. */
export interface Hop {
  /** What the inventory or ProxyJump says of it. */
  target: ConnectionTarget;
  config: SshConfig;
  host: string;
  port: number;
  username: string;
}

/** So many machines in a row are a circle. */
const mostHops = 16;

/**
 * The machines of the way to a host: its jump hosts in the order of their connecting, then the host itself. As in OpenSSH, each
 * has its own part of ssh_config, and the first of several jump hosts in a row may have a ProxyJump of its own.
 */
export async function wayTo(
  target: ConnectionTarget,
  { sshConfigFile }: Pick<SessionOptions, "sshConfigFile">,
): Promise<Hop[]> {
  const way: Hop[] = [];
  let [next, jumps]: [ConnectionTarget | undefined, string[]] = [target, []];
  while (next) {
    const hop = await hopTo(next, sshConfigFile);
    way.unshift(hop);
    if (way.length > mostHops) throw circle(way);
    if (jumps.length === 0) jumps = (hop.config.proxyJump ?? "").split(",").filter(Boolean);
    const before = jumps.pop();
    next = before === undefined ? undefined : jumpHost(expanded(before, hop));
  }
  return way;
}

async function hopTo(target: ConnectionTarget, file: string | undefined): Promise<Hop> {
  const config = await sshConfigFor(target.address, file, target.sshArguments);
  return {
    target,
    config,
    host: config.hostName ?? target.address,
    port: target.port ?? config.port ?? 22,
    username: target.user ?? config.user ?? userInfo().username,
  };
}

/** `user@host:port`, `[2001:db8::1]:22`, `ssh://user@host:port`. */
export function jumpHost(text: string): ConnectionTarget {
  const [, user, bracketed, plain, port] =
    /^(?:ssh:\/\/)?(?:(.+)@)?(?:\[([^\]]+)\]|([^@[\]]*?))(?::(\d+))?\/?$/.exec(text.trim()) ?? [];
  // Colons without brackets are those of an IPv6 address, and none is before a port.
  const whole = plain?.includes(":") && port ? `${plain}:${port}` : plain;
  const address = bracketed ?? whole ?? "";
  if (address === "" || (address.includes(":") && !isIPv6(address)))
    throw new CausewayError("unreachable", "a ProxyJump of ssh_config cannot be read", {
      found: text,
      expected: "user@host:port, [IPv6 address]:port or ssh://user@host:port",
    });
  const target: ConnectionTarget = { name: address, kind: "ssh", address, become: false };
  if (user) target.user = user;
  if (port && (bracketed ?? plain) === address) target.port = Number(port);
  return target;
}

/** A text of ssh_config with its tokens and `${VARIABLES}` replaced, as ssh_config(5) lists them. */
export function expanded(text: string, { target, host, port, username, config }: Hop): string {
  const of: Record<string, string | number> = {
    "%": "%",
    d: homedir(),
    h: host,
    i: process.getuid?.() ?? 0,
    k: config.hostKeyAlias ?? host,
    L: hostname().split(".")[0] ?? "",
    l: hostname(),
    n: target.address,
    p: port,
    r: username,
    u: userInfo().username,
  };
  return text
    .replaceAll(/%(.)/g, (token, name: string) => String(of[name] ?? token))
    .replaceAll(/\$\{(\w+)\}/g, (variable, name: string) => process.env[name] ?? variable);
}

/** How a person names a machine of a way: `user@host:port`. */
export function nameOf({ username, host, port }: Hop): string {
  const address = host.includes(":") ? `[${host}]` : host;
  return `${username}@${address}${port === 22 ? "" : `:${port}`}`;
}

function circle(way: readonly Hop[]): CausewayError {
  return new CausewayError("unreachable", "the jump hosts of ssh_config lead in a circle", {
    found: [...new Set(way.map(({ target }) => target.address))].join(", "),
    expected: "a jump host that is reached directly at the beginning",
    advice:
      "a ProxyJump for all hosts concerns the jump host, too: write Host * !JUMPHOST, or ProxyJump none for it",
  });
}
