import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { CausewayError } from "../errors.ts";
import type { Channel } from "./channel.ts";
import { timedOut } from "./deadline.ts";
import type { Link } from "./link.ts";
import type { SessionOptions } from "./session.ts";
import { quote } from "./sh.ts";
import { type Hop, nameOf } from "./way.ts";

/**
 * Runs ssh until it ends or the input does, and removes the folder of its socket. The input ends also when this process is
 * killed: a master by itself would stay.
 */
const untilInputEnds = `exec 3<&0
folder=$1; shift
ssh "$@" </dev/null 3<&- & master=$!
{ cat <&3; kill $master; } >/dev/null 2>&1 &
wait $master; rm -rf "$folder"`;

/** Out of this process's group: Ctrl-C asks this process to stop after the step, and ends no connection. */
function spawnApart(file: string, args: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn(file, args, { stdio: "pipe", detached: true });
  child.stdin.on("error", () => {});
  return child;
}

/** How often it is looked whether ssh is logged in: it says so only by its control socket. */
const lookEveryMs = 25;

/**
 * Logs in by OpenSSH's own ssh, which can what ssh2 cannot: certificates of users and of hosts, security keys, and some
 * algorithms. It stays as a master without a command (`-M -N`), and each channel is another ssh that uses its connection by the
 * control socket.
 */
export async function logInByOpenSsh(
  hop: Hop,
  options: SessionOptions,
  { deadline, why, proxyCommand }: { deadline: number; why: string; proxyCommand: string | undefined },
): Promise<Link> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-link-"));
  const socket = join(folder, "s");
  const words = [...wordsFor(hop, options), ...(proxyCommand ? ["-o", `ProxyCommand=${proxyCommand}`] : [])];
  const args = ["-M", "-S", socket, "-N", "-T", ...words, hop.target.address];
  const master = spawnApart("/bin/sh", ["-c", untilInputEnds, "sh", folder, ...args]);
  let [said, reason, hasEnded] = ["", "", false];
  master.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk.toString("utf8")}`.slice(-2000);
  });
  const ended = new Promise<void>((resolve) => {
    const end = (why: string) => {
      reason ||= why;
      hasEnded = true;
      resolve();
    };
    master.once("error", (error) => end(error.message));
    master.once("close", () => end(said.trim()));
  });
  while (!existsSync(socket)) {
    if (hasEnded) throw refusedByOpenSsh(hop, words, reason, why);
    if (Date.now() > deadline) {
      master.stdin.end();
      throw timedOut(nameOf(hop));
    }
    await sleep(lookEveryMs);
  }
  // One whose master has gone would log in by itself.
  const through = [
    "-S",
    socket,
    "-T",
    "-o",
    "LogLevel=ERROR",
    "-o",
    "ProxyCommand=false",
    ...fileOf(options),
  ];
  const open = (...more: string[]) => spawnApart("ssh", [...through, ...more]);
  return {
    start: async (command) => channelOf(open("--", hop.target.address, command)),
    forward: async (host, port) => channelOf(open("-W", toAddress(host, port), "--", hop.target.address)),
    proxyCommand: `ssh ${through.map(quote).join(" ").replaceAll("%", "%%")} -W [%h]:%p -- ${quote(hop.target.address)}`,
    ended,
    reason: () => reason,
    close: () => void master.stdin.end(),
  };
}

function toAddress(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function fileOf({ sshConfigFile }: SessionOptions): string[] {
  return sshConfigFile === undefined ? [] : ["-F", sshConfigFile];
}

/** What the inventory and the command line say, for ssh; the rest it reads in its ssh_config by itself. */
function wordsFor({ target, port, username }: Hop, options: SessionOptions): string[] {
  const checking = { strict: "yes", "accept-new": "accept-new", off: "no" }[options.hostKeyChecking];
  const given = {
    BatchMode: "yes",
    ControlPersist: "no",
    // What nobody needs of a connection that runs commands alone.
    ForwardAgent: "no",
    RemoteCommand: "none",
    PermitLocalCommand: "no",
    StrictHostKeyChecking: checking,
    ConnectTimeout: String(Math.ceil(options.connectTimeoutMs / 1000)),
    // A dead peer is noticed within fifteen seconds.
    ServerAliveInterval: "3",
    ServerAliveCountMax: "4",
    ...(target.knownHostsFiles ? { UserKnownHostsFile: target.knownHostsFiles.map(quote).join(" ") } : {}),
  };
  return [
    ...fileOf(options),
    ...Object.entries(given).flatMap(([keyword, value]) => ["-o", `${keyword}=${value}`]),
    ...(target.sshArguments ?? []),
    ...(target.privateKeyFile ? ["-i", target.privateKeyFile] : []),
    ...["-p", String(port), "-l", username],
  ];
}

function channelOf(child: ChildProcessWithoutNullStreams): Channel {
  const stream = Duplex.from({ writable: child.stdin, readable: child.stdout });
  stream.on("error", () => {});
  const ended = new Promise<number>((resolve) => {
    child.once("error", () => resolve(-1));
    // 255 is ssh's own: the connection was lost.
    child.once("close", (code) => resolve(code === null || code === 255 ? -1 : code));
  });
  const close = () => void child.kill();
  return Object.assign(stream, { stderr: child.stderr, ended, close }) as unknown as Channel;
}

function refusedByOpenSsh(hop: Hop, words: readonly string[], said: string, why: string): CausewayError {
  return new CausewayError("unreachable", `ssh did not log in to ${nameOf(hop)}`, {
    command: `ssh ${[...words, hop.target.address].map(quote).join(" ")}`,
    output: said,
    expected: `a login without a question; OpenSSH's ssh is used because of ${why}`,
    advice:
      "run the command by hand; a key with a passphrase or a PIN has to be in an agent, a security key has to be plugged in and touched, and a certificate that has expired shows with: ssh-keygen -L -f FILE-cert.pub",
  });
}
