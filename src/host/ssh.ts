import { createRequire } from "node:module";
import { connect as connectTcp, type Socket } from "node:net";
import { userInfo } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeSSH } from "node-ssh";
import type { Client, ClientChannel } from "ssh2";
import { CausewayError } from "../errors.ts";
import type { Channel } from "./channel.ts";
import { credentialsFor } from "./credentials.ts";
import { timedOut, within } from "./deadline.ts";
import { refuseHostKey } from "./host-key.ts";
import { knownAlgorithms, knownLines, lookupName } from "./known-hosts.ts";
import type { ConnectionTarget, Session, SessionOptions } from "./session.ts";
import { sessionOn } from "./session-on.ts";
import { type SshConfig, sshConfigFor } from "./ssh-config.ts";

/** One connection of the way to a host: the host's own is the last. */
interface Hop {
  address: string;
  ssh: NodeSSH;
}

/** Opens the one SSH connection to a host, through its jump hosts, and a shell on it. */
export async function connectSsh(target: ConnectionTarget, options: SessionOptions): Promise<Session> {
  const began = Date.now();
  const deadline = began + options.connectTimeoutMs;
  const hops: Hop[] = [];
  try {
    const ssh = await openWithRetry(target, options, deadline, hops);
    return await sessionOver(ssh, target, options, began, hops);
  } catch (error) {
    for (const { ssh } of hops) ssh.dispose();
    throw asUnreachable(error, target, options);
  }
}

/** A refused or reset connection is tried again while there is time; a refused key or login never. */
async function openWithRetry(
  target: ConnectionTarget,
  options: SessionOptions,
  deadline: number,
  hops: Hop[],
): Promise<NodeSSH> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await open(target, options, deadline, hops);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      if (attempt > 0 || !["ECONNREFUSED", "ECONNRESET"].includes(code) || Date.now() + 1000 > deadline)
        throw error;
      await sleep(500);
    }
  }
}

async function open(
  target: ConnectionTarget,
  options: SessionOptions,
  deadline: number,
  hops: Hop[],
): Promise<NodeSSH> {
  const asked = sshConfigFor(target.address, options.sshConfigFile);
  // Where ssh itself is asked for its configuration, that takes as long as to load the packages.
  const { NodeSSH } = createRequire(import.meta.url)("node-ssh") as typeof import("node-ssh");
  const config = await asked;
  if (config.proxyCommand) throw noProxyCommand(config.proxyCommand);
  const host = config.hostName ?? target.address;
  const port = target.port ?? config.port ?? 22;
  const username = target.user ?? config.user ?? userInfo().username;
  const files = [
    ...(target.knownHostsFiles ?? []),
    ...config.userKnownHostsFiles,
    ...config.globalKnownHostsFiles,
  ];
  const check = { host: config.hostKeyAlias ?? host, port, files, mode: options.hostKeyChecking };
  let refused: CausewayError | undefined;
  // Before anything is opened: a key that cannot be used would leave it open, and this process waiting for it.
  const { methods, tried } = credentialsFor(target, config, username);
  const sock = config.proxyJump
    ? await jump(config.proxyJump, host, port, options, deadline, hops)
    : await tcp(host, port, deadline);
  const ssh = new NodeSSH();
  hops.push({ address: host, ssh });
  try {
    await ssh.connect({
      sock,
      username,
      // One after the other, as OpenSSH does; the server says when it has had enough.
      authHandler: methods,
      hostVerifier: (key: Buffer) => {
        refused = refuseHostKey(check, key);
        return refused === undefined;
      },
      algorithms: preferred(check.host, port, files),
      readyTimeout: Math.max(1, deadline - Date.now()),
      // A dead peer is noticed after fifteen seconds; one that is only short of processor time has answered by then.
      keepaliveInterval: 3000,
      keepaliveCountMax: 4,
    } as Parameters<NodeSSH["connect"]>[0]);
  } catch (error) {
    sock.destroy();
    throw refused ?? loginError(error, username, tried);
  }
  // node-ssh stops listening once it is ready; an error without a listener would end this process.
  ssh.connection?.on("error", () => {});
  return ssh;
}

/** Without its proxy command, the address may be another host's. */
function noProxyCommand(found: string): CausewayError {
  return new CausewayError("unreachable", "ssh_config has a ProxyCommand for it, which is not supported", {
    found,
    expected: "ProxyJump, or a host that is reached directly",
    advice: "for ssh -W through a jump host write: ProxyJump user@jump-host",
  });
}

/** A host known by one type of key has to be asked for that type, or it shows another and is refused. */
function preferred(host: string, port: number, files: readonly string[]) {
  const name = lookupName(host, port);
  const known = knownAlgorithms(knownLines(files, name), name);
  return known.length === 0 ? undefined : { serverHostKey: { prepend: known, append: [], remove: [] } };
}

function tcp(host: string, port: number, deadline: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port, noDelay: true, keepAlive: true });
    const timer = setTimeout(
      () => socket.destroy(timedOut(`${host}:${port}`)),
      Math.max(1, deadline - Date.now()),
    );
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeListener("error", reject);
      resolve(socket);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

/** Through `a,b` to the host: each hop is a connection of its own, with its own host key check. */
async function jump(
  proxyJump: string,
  host: string,
  port: number,
  options: SessionOptions,
  deadline: number,
  hops: Hop[],
): Promise<Socket> {
  const last = proxyJump.split(",").at(-1) ?? "";
  const before = proxyJump.split(",").slice(0, -1).join(",");
  const [, user, address = "", hopPort] =
    /^(?:ssh:\/\/)?(?:([^@]+)@)?\[?([^\]:]+)\]?(?::(\d+))?$/.exec(last.trim()) ?? [];
  const target: ConnectionTarget = { name: address, kind: "ssh", address, become: false };
  if (user) target.user = user;
  if (hopPort) target.port = Number(hopPort);
  if (before)
    throw new CausewayError("unreachable", `several jump hosts in a row are not supported`, {
      found: proxyJump,
      advice: "give the jump host its own ProxyJump in ssh_config",
    });
  const hop = await open(target, options, deadline, hops);
  // The jump host itself waits for minutes for a host that is off.
  const way = hop.forwardOut("127.0.0.1", 0, host, port);
  return (await within(deadline, `${host}:${port} through ${address}`, way)) as unknown as Socket;
}

function sessionOver(
  ssh: NodeSSH,
  target: ConnectionTarget,
  options: SessionOptions,
  began: number,
  hops: readonly Hop[],
): Promise<Session> {
  const client = ssh.connection as Client;
  let reason = "";
  client.on("error", (error: Error & { level?: string }) => {
    reason ||= error.level === "client-timeout" ? "the host stopped answering" : error.message;
  });
  const closed = new Promise<string>((resolve) => {
    client.once("close", () => resolve(reason || "the connection was closed"));
  });
  return sessionOn(target, options, {
    began,
    // In the order of their connecting, the host itself last; what failed at first is there, too, and is no harm.
    through: hops.map(({ address }) => address).filter((address) => address !== hops.at(-1)?.address),
    start: (command) => channelFor(client, command),
    ended: (shell) => Promise.race([shell.ended.then(() => reason || "the remote shell ended"), closed]),
    close: () => {
      for (const { ssh } of [...hops].reverse()) ssh.dispose();
    },
  });
}

function channelFor(client: Client, command: string): Promise<Channel> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, stream) => {
      if (error) return reject(error);
      resolve(Object.assign(stream, { ended: endOf(stream) }));
    });
  });
}

function endOf(stream: ClientChannel): Promise<number> {
  return new Promise((resolve) => {
    let code = -1;
    stream.once("exit", (status: number | null) => {
      code = status ?? -1;
    });
    stream.once("close", () => resolve(code));
  });
}

function loginError(error: unknown, username: string, tried: readonly string[]): unknown {
  if (!(error instanceof Error) || (error as { level?: string }).level !== "client-authentication")
    return error;
  return new CausewayError("unreachable", `the host refused the login of ${username}`, {
    found: tried.length > 0 ? `tried ${tried.join(", ")}` : "no key, no agent and no password to try",
    expected: "a key that the host's authorized_keys names",
    advice: "set ansible_user and ansible_ssh_private_key_file in the inventory, or start an ssh-agent",
  });
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens on its SSH port",
  ECONNRESET: "the connection was reset while it was made",
  EHOSTUNREACH: "there is no route to it",
  ENETUNREACH: "there is no route to its network",
  ENOTFOUND: "its name is not known",
  EAI_AGAIN: "its name could not be looked up",
};

function asUnreachable(error: unknown, target: ConnectionTarget, options: SessionOptions): CausewayError {
  if (error instanceof CausewayError) {
    return new CausewayError(error.code, error.message, { ...error.detail, host: target.name });
  }
  const { code = "", message, level } = error as NodeJS.ErrnoException & { level?: string };
  const late = code === "ETIMEDOUT" || level === "client-timeout";
  const where = `${target.address}${target.port ? `:${target.port}` : ""}`;
  const why = late ? `no answer within ${options.connectTimeoutMs / 1000} s` : (words[code] ?? message);
  return new CausewayError("unreachable", `the host cannot be reached: ${why}`, {
    host: target.name,
    found: `${where}: ${message}`,
    advice: `try by hand: ssh ${target.port ? `-p ${target.port} ` : ""}${target.user ? `${target.user}@` : ""}${target.address}`,
    cause: error,
  });
}

export type { SshConfig };
