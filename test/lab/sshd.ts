import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { quote } from "../../src/host/sh.ts";
import { ensureImage } from "../../src/lab/image.ts";

/** An sshd on loopback, with what it wrote. */
export interface Sshd {
  port: number;
  /** Its host key as known_hosts has it: type and key. */
  publicKey: string;
  log(): string;
  /** How often a line of its log was written. */
  count(line: RegExp): number;
  stop(): Promise<void>;
}

/** What is special about one sshd. */
export interface SshdOptions {
  /** Lines of sshd_config; of a keyword that is there twice, sshd takes the first. */
  config?: readonly string[];
  /** Its users beside root, each with a login shell; all take the same key. */
  users?: Readonly<Record<string, string>>;
  rootShell?: string;
  /** Lines of sudoers. */
  sudoers?: readonly string[];
  /** Lines of doas.conf; without them it is not there. */
  doas?: readonly string[];
  address?: string;
  /** Of which image its sshd is; a newer one than the article's has newer algorithms. */
  image?: "trixie";
  /** A host key of its own, of a type that `ssh-keygen -t` makes; the known_hosts of these tests does not know it. */
  hostKey?: string;
}

/**
 * Starts the lab image's sshd over this machine's own files, where the login shells are. A mount namespace of its own gives it
 * its users, so nothing is left behind. Only this machine can log in, with the key that was made for it.
 */
export class Sshds {
  readonly keyFile: string;
  readonly knownHosts: string;
  readonly #folder: string;
  readonly #started: Sshd[] = [];

  constructor(folder: string) {
    this.#folder = folder;
    // Users other than root read their authorized_keys here.
    chmodSync(folder, 0o755);
    this.keyFile = join(folder, "id_ed25519");
    this.knownHosts = join(folder, "known_hosts");
    this.makeKey("id_ed25519");
    copyFileSync(`${this.keyFile}.pub`, join(folder, "authorized_keys"));
    // A file is read once a process: it knows all of them from the beginning.
    writeFileSync(this.knownHosts, `* ${publicKeyOf(this.makeKey("host_key"))}\n`);
  }

  /** Makes a key in the folder, and gives its file. */
  makeKey(name: string, ...options: string[]): string {
    const file = join(this.#folder, name);
    const type = options.includes("-t") ? [] : ["-t", "ed25519"];
    execFileSync("ssh-keygen", ["-q", ...type, "-N", "", "-C", name, "-f", file, ...options]);
    return file;
  }

  async start(options: SshdOptions = {}): Promise<Sshd> {
    const { image = "bullseye" } = options;
    const newer = image === "trixie";
    const root = join(await ensureImage({ image }, () => {}), "root");
    const address = options.address ?? "127.0.0.1";
    const port = await freePort(address);
    const file = (name: string) => join(this.#folder, `${name}-${port}`);
    const { hostKey: type } = options;
    const hostKey = type ? this.makeKey(`host_key-${port}`, "-t", type) : join(this.#folder, "host_key");
    const parts = newer
      ? [`SshdSessionPath ${file("sshd-session")}`, `SshdAuthPath ${file("sshd-auth")}`]
      : [];
    const config = [...(options.config ?? []), ...parts];
    writeFileSync(file("config"), this.#configuration({ ...options, config }, address, port, hostKey));
    writeFileSync(file("passwd"), passwd(options));
    writeFileSync(file("shadow"), shadow(options), { mode: 0o600 });
    writeFileSync(file("sudoers"), [...(options.sudoers ?? []), ""].join("\n"), { mode: 0o440 });
    const loaded = (program: string) => [
      `${root}/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2`,
      "--library-path",
      `${root}/lib/x86_64-linux-gnu:${root}/usr/lib/x86_64-linux-gnu`,
      `${root}${program}`,
    ];
    // -r: it would start itself again for each connection, without the loader. A newer one starts two others instead.
    const sshd = [...loaded("/usr/sbin/sshd"), "-D", "-e", "-r", "-f", file("config")];
    for (const part of newer ? ["session", "auth"] : []) {
      const words = loaded(`/usr/lib/openssh/sshd-${part}`).map(quote).join(" ");
      writeFileSync(file(`sshd-${part}`), `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
    }
    const etc = quote(file("etc"));
    const mounts = [
      // A folder of its own, because a file that is not there cannot be mounted over.
      ...(options.doas === undefined ? [] : [`cp -a /etc ${etc}`, `mount --bind ${etc} /etc`]),
      ...(options.doas ?? []).map((line) => `echo ${quote(line)} >>/etc/doas.conf`),
      "mount -t tmpfs none /run",
      "mkdir /run/sshd",
      ...["passwd", "shadow", ...(existsSync("/etc/sudoers") ? ["sudoers"] : [])].map(
        (name) => `mount --bind ${quote(file(name))} /etc/${name}`,
      ),
    ];
    const script = `${mounts.join(" && ")} && exec ${sshd.map(quote).join(" ")}`;
    const child = spawn("unshare", ["--mount", "sh", "-c", script], { stdio: ["ignore", "ignore", "pipe"] });
    const one = await running(child, { address, port, publicKey: publicKeyOf(hostKey) });
    this.#started.push(one);
    return one;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#started.map((one) => one.stop()));
  }

  #configuration({ config = [] }: SshdOptions, address: string, port: number, hostKey: string): string {
    return `${config.join("\n")}
ListenAddress ${address.includes(":") ? `[${address}]` : address}
Port ${port}
HostKey ${hostKey}
AuthorizedKeysFile ${join(this.#folder, "authorized_keys")}
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
UseDNS no
PidFile none
LogLevel VERBOSE
`;
  }
}

/** The user id is the same for all: who it is matters to sudo and to the shell alone. */
function passwd({ users = {}, rootShell = "/bin/sh" }: SshdOptions): string {
  const others = readFileSync("/etc/passwd", "utf8")
    .replace(/^sshd:.*\n/m, "")
    .replace(/^(root:.*:)[^:]*$/m, `$1${rootShell}`);
  const lines = Object.entries(users).map(
    ([name, shell], i) => `${name}:x:${47000 + i}:65534::/tmp:${shell}\n`,
  );
  return `${others}${lines.join("")}sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n`;
}

function shadow({ users = {} }: SshdOptions): string {
  return ["root", ...Object.keys(users)].map((name) => `${name}:*:19000:0:99999:7:::\n`).join("");
}

function publicKeyOf(key: string): string {
  return readFileSync(`${key}.pub`, "utf8").split(" ").slice(0, 2).join(" ");
}

async function running(
  child: ChildProcess,
  { address, port, publicKey }: { address: string; port: number; publicKey: string },
): Promise<Sshd> {
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  const one: Sshd = {
    port,
    publicKey,
    log: () => said,
    count: (line) => said.split("\n").filter((text) => line.test(text)).length,
    stop: () => stopped(child),
  };
  for (let tries = 0; tries < 100; tries += 1) {
    if (child.exitCode !== null) break;
    // Its own word, and no connection: one that nobody logs in on would count.
    if (said.includes("Server listening")) return one;
    await sleep(50);
  }
  await one.stop();
  throw new Error(`sshd did not start on ${address} port ${port}:\n${said}`);
}

/** Ends it and all connections to it, each of which is a process with a session of its own. */
async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const { stdout } = spawnSync("pgrep", ["-P", String(child.pid)], { encoding: "utf8" });
  child.kill("SIGTERM");
  for (const pid of stdout.split("\n").filter(Boolean)) {
    try {
      process.kill(Number(pid));
    } catch {
      // It has just ended.
    }
  }
  await ended;
}

/** A port on which nothing listens at this moment. */
export function freePort(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, address, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
