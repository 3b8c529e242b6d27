import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { quote } from "../src/host/sh.ts";
import { imageFolder } from "../src/lab/image.ts";
import type { LabSpec } from "../src/lab/types.ts";

const port = 22022;

/** Many addresses of loopback that one sshd answers for. */
export interface ManyHosts {
  port: number;
  keyFile: string;
  knownHosts: string;
  /** From now on every host has a route to each of so many peers, as far as `ip` tells. */
  pretendRoutes: (peers: number) => void;
  stop: () => Promise<void>;
}

/**
 * Starts the lab image's sshd on 127.1.0.0/16. It runs over this machine's own files, where Mitogen finds the Python
 * that it needs; a mount namespace of its own gives it the user and the folder that it wants, so nothing is left behind.
 */
export async function startSshd(folder: string, image: LabSpec): Promise<ManyHosts> {
  const root = join(await imageFolder(image), "root");
  const [hostKey, keyFile] = [join(folder, "host_key"), join(folder, "id_ed25519")];
  for (const file of [hostKey, keyFile])
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
  copyFileSync(`${keyFile}.pub`, join(folder, "authorized_keys"));
  const config = join(folder, "sshd_config");
  writeFileSync(config, configuration(folder, hostKey));
  const [programs, routes] = [join(folder, "programs"), join(folder, "routes")];
  mkdirSync(programs, { recursive: true });
  const passwd = join(folder, "passwd");
  // Root's shell is sh here: what somebody's .bashrc starts at every connection is not what is measured.
  const others = readFileSync("/etc/passwd", "utf8")
    .replace(/^sshd:.*\n/m, "")
    .replace(/^(root:.*:)[^:]*$/m, "$1/bin/sh");
  writeFileSync(passwd, `${others}sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n`);
  const knownHosts = join(folder, "known_hosts");
  const publicKey = readFileSync(`${hostKey}.pub`, "utf8").split(" ").slice(0, 2).join(" ");
  writeFileSync(
    knownHosts,
    addresses(1000)
      .map((a) => `[${a}]:${port} ${publicKey}\n`)
      .join(""),
  );

  const loader = [
    `${root}/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2`,
    "--library-path",
    `${root}/lib/x86_64-linux-gnu:${root}/usr/lib/x86_64-linux-gnu`,
  ];
  // -r: it would start itself again for each connection, without the loader.
  const sshd = [...loader, `${root}/usr/sbin/sshd`, "-D", "-e", "-r", "-f", config];
  const script = `mount -t tmpfs none /run && mkdir /run/sshd && mount --bind ${quote(passwd)} /etc/passwd && exec ${sshd.map(quote).join(" ")}`;
  const child = spawn("unshare", ["--mount", "sh", "-c", script], { stdio: ["ignore", "ignore", "pipe"] });
  // It does not outlive a bench that was interrupted.
  process.once("exit", () => child.kill());
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk).slice(-2000);
  });
  try {
    await answering(child);
  } catch (error) {
    await stop(child);
    throw new Error(`the sshd of the bench did not start: ${(error as Error).message}\n${said}`);
  }
  const pretendRoutes = (peers: number) => {
    const lines = Array.from(
      { length: peers },
      (_, i) => `${subnet(i)} via ${addresses(peers)[i]} dev eth0 \n`,
    );
    writeFileSync(routes, lines.join(""));
    const ip = join(programs, "ip");
    writeFileSync(
      ip,
      `#!/bin/sh\n[ "$*" = "-4 route show table main" ] && exec cat ${routes}\nexec /sbin/ip "$@"\n`,
    );
    chmodSync(ip, 0o755);
  };
  return { port, keyFile, knownHosts, pretendRoutes, stop: () => stop(child) };
}

/** Only this machine itself can log in, and only with the key made for it. */
function configuration(folder: string, hostKey: string): string {
  return `ListenAddress 0.0.0.0:${port}
HostKey ${hostKey}
AuthorizedKeysFile ${join(folder, "authorized_keys")}
AllowUsers root@127.0.0.0/8
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
UseDNS no
PidFile none
LogLevel ERROR
MaxStartups 2000
MaxSessions 20
SetEnv PATH=${join(folder, "programs")}:/usr/sbin:/usr/bin:/sbin:/bin
`;
}

/** 127.1.0.1 and on, 250 to a net. */
export function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `127.1.${Math.floor(i / 250)}.${(i % 250) + 1}`);
}

/** The container subnet of one of many hosts. */
export function subnet(host: number): string {
  return `10.${100 + Math.floor(host / 250)}.${host % 250}.0/24`;
}

async function answering(child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 50; tries += 1) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    const answers = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: "127.1.0.1", port });
      socket.once("data", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (answers) return;
    await sleep(100);
  }
  throw new Error("no answer within 5 s");
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGTERM");
  await ended;
}
