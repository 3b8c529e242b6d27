import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { CausewayError } from "../errors.ts";

/** What OpenSSH would use for a host, as far as it is honoured here. Tokens such as `%h` are still in it. */
export interface SshConfig {
  hostName?: string;
  user?: string;
  port?: number;
  identityFiles: readonly string[];
  /** Certificates of the keys, where CertificateFile names them. */
  certificateFiles?: readonly string[];
  /** Of an agent, only the keys that `identityFiles` name. */
  identitiesOnly?: boolean;
  /** A socket, or `none`; without it `SSH_AUTH_SOCK` says which. */
  identityAgent?: string;
  /** `user@host:port`, several in a row, as OpenSSH writes them. */
  proxyJump?: string;
  proxyCommand?: string;
  hostKeyAlias?: string;
  userKnownHostsFiles: readonly string[];
  globalKnownHostsFiles: readonly string[];
  /** 4 or 6, where AddressFamily says it. */
  family?: 4 | 6;
  bindAddress?: string;
  /** Lists of algorithms that differ from OpenSSH's own, the preferred first. */
  algorithms: Partial<Record<AlgorithmList, readonly string[]>>;
}

/** The keywords of ssh_config that list algorithms, as `ssh -G` prints them. */
export type AlgorithmList = (typeof algorithmLists)[number];
const algorithmLists = ["kexalgorithms", "hostkeyalgorithms", "ciphers", "macs"] as const;

const defaultKeys = ["id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk"];
const systemFile = "/etc/ssh/ssh_config";

/** Without any ssh_config: OpenSSH's own defaults. */
export function defaultSshConfig(): SshConfig {
  const ssh = join(homedir(), ".ssh");
  return {
    identityFiles: defaultKeys.map((name) => join(ssh, name)).filter((file) => existsSync(file)),
    userKnownHostsFiles: [join(ssh, "known_hosts"), join(ssh, "known_hosts2")],
    globalKnownHostsFiles: ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"],
    algorithms: {},
  };
}

/**
 * The effective configuration, from `ssh -G` where somebody wrote one: OpenSSH itself is the only exact reader of it.
 * Nobody's configuration costs no process.
 */
export async function sshConfigFor(
  host: string,
  file: string | undefined,
  args: readonly string[] = [],
): Promise<SshConfig> {
  const users = join(homedir(), ".ssh", "config");
  const isNobodys = file === undefined && !existsSync(users) && !saysMuch(systemFile);
  if (args.length === 0 && (file === "none" || isNobodys)) return defaultSshConfig();
  const files = file === undefined ? [users, systemFile] : [file];
  const isApart = files.some(tellsHostsApart) || args.some((word) => word.includes("%"));
  const key = JSON.stringify([files[0], args, isApart ? host : ""]);
  const answer = answers.get(key) ?? ask(host, file, args);
  answers.set(key, answer);
  return answer;
}

/** One answer a host, and one for all of a configuration that says the same of every host: a thousand processes take seconds. */
const answers = new Map<string, Promise<SshConfig>>();

async function ask(host: string, file: string | undefined, args: readonly string[]): Promise<SshConfig> {
  ownDefaults ??= printed(["-F", "none", "--", "localhost"]);
  const [text, defaults] = await Promise.all([
    printed([...(file === undefined ? [] : ["-F", file]), ...args, "--", host]),
    ownDefaults,
  ]);
  return parseSshConfig(text, host, defaults);
}

/** What `ssh -G` says where nobody configured anything. */
let ownDefaults: Promise<string> | undefined;

/** What OpenSSH's own ssh would offer to a host; nothing where it is not installed. */
export async function offeredByOpenSsh(config: SshConfig, list: AlgorithmList): Promise<readonly string[]> {
  const asked = config.algorithms[list];
  if (asked) return asked;
  ownDefaults ??= printed(["-F", "none", "--", "localhost"]);
  const text = await ownDefaults.catch(() => "");
  const [, names = ""] = new RegExp(`^${list} (.*)$`, "m").exec(text) ?? [];
  return names.split(",");
}

async function printed(args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)("ssh", ["-G", ...args])).stdout;
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string };
    const isAbsent = code === "ENOENT";
    const what = isAbsent
      ? "ssh is not installed, and there is an ssh_config"
      : "ssh cannot read its ssh_config";
    throw new CausewayError("unreachable", what, {
      command: `ssh -G ${args.join(" ")}`,
      output: stderr || message,
      expected: "OpenSSH's own ssh, which reads ssh_config for causeway",
      advice: isAbsent
        ? "install openssh-client here, or leave ssh_config out: --ssh-config none"
        : "correct the file, or leave it out: --ssh-config none",
      cause: error,
    });
  }
}

/** Whether a system's ssh_config says more than Debian's own does, which concerns no connection of ours. */
function saysMuch(file: string): boolean {
  const folder = `${file}.d`;
  if (existsSync(folder) && readdirSync(folder).some((name) => name.endsWith(".conf"))) return true;
  const idle =
    /^(host \*|match all|include \/etc\/ssh\/ssh_config\.d\/\*\.conf|(sendenv|hashknownhosts|gssapi\w+) .*)$/;
  return wordsOf(file).some((words) => !idle.test(words.join(" ").toLowerCase()));
}

/** The lines of a file that say something, as words: the keyword first. */
function wordsOf(file: string): string[][] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines
    .map((line) => line.trim().split(/[\s=]+/))
    .filter(([keyword = ""]) => keyword !== "" && !keyword.startsWith("#"));
}

/** Whether a configuration may say different things of two hosts: a section, another file, or a token such as `%h`. */
export function tellsHostsApart(file: string): boolean {
  return wordsOf(file).some((words) => {
    const everyHost = /^(host \*|match all)$/.test(words.join(" ").toLowerCase());
    const isApart = /^(host|match|include|canonicali[sz]e.*)$/i.test(words[0] ?? "") && !everyHost;
    return isApart || words.some((word) => word.includes("%"));
  });
}

/** Parses what `ssh -G` prints for a host; `defaults` is what it prints where nothing is configured. */
export function parseSshConfig(text: string, host: string, defaults = ""): SshConfig {
  const all = (key: string, from = text) =>
    from
      .split("\n")
      .flatMap((line) => (line.startsWith(`${key} `) ? [line.slice(key.length + 1).trim()] : []));
  const one = (key: string) => all(key).find((value) => value !== "none" && value !== "");
  const home = (path: string) => path.replace(/^~(?=\/)/, homedir());
  const files = (key: string) =>
    all(key)
      .flatMap((line) => line.split(" "))
      .filter((word) => word !== "" && word !== "none")
      .map(home);
  const config: SshConfig = {
    identityFiles: all("identityfile")
      .filter((file) => file !== "none")
      .map(home),
    userKnownHostsFiles: files("userknownhostsfile"),
    globalKnownHostsFiles: files("globalknownhostsfile"),
    algorithms: {},
  };
  const [hostName, user, port] = [one("hostname"), one("user"), one("port")];
  const [proxyJump, proxyCommand, alias] = [one("proxyjump"), one("proxycommand"), one("hostkeyalias")];
  const [agent] = all("identityagent");
  const [family, bindAddress] = [one("addressfamily"), one("bindaddress")];
  if (hostName && hostName !== host) config.hostName = hostName;
  if (user) config.user = user;
  if (port) config.port = Number(port);
  if (one("identitiesonly") === "yes") config.identitiesOnly = true;
  const certificates = all("certificatefile");
  if (certificates.length > 0) config.certificateFiles = certificates.map(home);
  if (proxyJump) config.proxyJump = proxyJump;
  if (proxyCommand) config.proxyCommand = proxyCommand;
  if (alias) config.hostKeyAlias = alias;
  if (agent && agent !== "SSH_AUTH_SOCK") config.identityAgent = agentSocket(home(agent));
  if (family?.startsWith("inet")) config.family = family === "inet6" ? 6 : 4;
  if (bindAddress) config.bindAddress = bindAddress;
  for (const list of algorithmLists) {
    const asked = one(list);
    if (asked && asked !== all(list, defaults)[0]) config.algorithms[list] = asked.split(",");
  }
  return config;
}

/** OpenSSH takes the name of an environment variable, too; one that is not set is no agent. */
function agentSocket(agent: string): string {
  return agent.startsWith("$") ? (process.env[agent.slice(1).replace(/^\{(.*)\}$/, "$1")] ?? "none") : agent;
}
