import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** What OpenSSH would use for a host, as far as it is honoured here. */
export interface SshConfig {
  hostName?: string;
  user?: string;
  port?: number;
  identityFiles: readonly string[];
  identityAgent?: string;
  /** `user@host:port`, several in a row, as OpenSSH writes them. */
  proxyJump?: string;
  proxyCommand?: string;
  hostKeyAlias?: string;
  userKnownHostsFiles: readonly string[];
  globalKnownHostsFiles: readonly string[];
}

const defaultKeys = ["id_ed25519", "id_ecdsa", "id_rsa"];

/** Without any ssh_config: OpenSSH's own defaults. */
export function defaultSshConfig(): SshConfig {
  const ssh = join(homedir(), ".ssh");
  return {
    identityFiles: defaultKeys.map((name) => join(ssh, name)).filter((file) => existsSync(file)),
    userKnownHostsFiles: [join(ssh, "known_hosts"), join(ssh, "known_hosts2")],
    globalKnownHostsFiles: ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"],
  };
}

/**
 * The effective configuration, from `ssh -G` where somebody wrote one: OpenSSH itself is the only exact reader of it.
 * Nobody's configuration costs no process.
 */
export async function sshConfigFor(host: string, file: string | undefined): Promise<SshConfig> {
  const users = join(homedir(), ".ssh", "config");
  if (file === "none" || (file === undefined && !existsSync(users))) return defaultSshConfig();
  const files = file === undefined ? [users, "/etc/ssh/ssh_config"] : [file];
  const key = files.some(tellsHostsApart) ? `${files[0]} ${host}` : `${files[0]}`;
  const answer = answers.get(key) ?? effective(host, file).then((text) => parseSshConfig(text, host));
  answers.set(key, answer);
  return answer;
}

async function effective(host: string, file: string | undefined): Promise<string> {
  const args = file === undefined ? ["-G", "--", host] : ["-G", "-F", file, "--", host];
  return (await promisify(execFile)("ssh", args)).stdout;
}

/** One answer a host, and one for all of a configuration that says the same of every host: a thousand processes take seconds. */
const answers = new Map<string, Promise<SshConfig>>();

/** Whether a configuration may say different things of two hosts: a section, another file, or a token such as `%h`. */
export function tellsHostsApart(file: string): boolean {
  if (!existsSync(file)) return false;
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.some((line) => {
    const [keyword = "", ...rest] = line.trim().split(/[\s=]+/);
    if (keyword === "" || keyword.startsWith("#")) return false;
    const everyHost = /^(host \*|match all)$/.test(`${keyword} ${rest.join(" ")}`.toLowerCase());
    return (/^(host|match|include|canonicali[sz]e.*)$/i.test(keyword) && !everyHost) || line.includes("%");
  });
}

/** Parses what `ssh -G` prints. */
export function parseSshConfig(text: string, host: string): SshConfig {
  const all = (key: string) =>
    text
      .split("\n")
      .flatMap((line) => (line.startsWith(`${key} `) ? [line.slice(key.length + 1).trim()] : []));
  const one = (key: string) => all(key).find((value) => value !== "none" && value !== "");
  const home = (path: string) => path.replace(/^~(?=\/)/, homedir());
  const files = (key: string) =>
    all(key)
      .flatMap((line) => line.split(" "))
      .filter(Boolean)
      .map(home);
  const config: SshConfig = {
    identityFiles: all("identityfile")
      .map(home)
      .filter((f) => existsSync(f)),
    userKnownHostsFiles: files("userknownhostsfile"),
    globalKnownHostsFiles: files("globalknownhostsfile"),
  };
  const [hostName, user, port] = [one("hostname"), one("user"), one("port")];
  const [proxyJump, proxyCommand, alias, agent] = [
    one("proxyjump"),
    one("proxycommand"),
    one("hostkeyalias"),
    one("identityagent"),
  ];
  if (hostName && hostName !== host) config.hostName = hostName;
  if (user) config.user = user;
  if (port) config.port = Number(port);
  if (proxyJump) config.proxyJump = proxyJump;
  if (proxyCommand) config.proxyCommand = proxyCommand;
  if (alias) config.hostKeyAlias = alias;
  if (agent && agent !== "SSH_AUTH_SOCK") config.identityAgent = home(agent);
  return config;
}
