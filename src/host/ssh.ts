import { CausewayError } from "../errors.ts";
import { NoneInCommon } from "./algorithms.ts";
import { tryAgain } from "./attempts.ts";
import { learnKey, sshByHand } from "./by-hand.ts";
import { commonByOpenSsh, whyOpenSsh } from "./carrier.ts";
import { type Credentials, credentialsFor, openKeys } from "./credentials.ts";
import { type Carrying, dial } from "./dial.ts";
import type { HostKeyCheck } from "./host-key.ts";
import { shareOf } from "./jump-hosts.ts";
import { lookupName } from "./known-hosts.ts";
import { type Link, logIn } from "./link.ts";
import { logInByOpenSsh } from "./openssh.ts";
import type { ConnectionTarget, Session, SessionOptions } from "./session.ts";
import { sessionOn } from "./session-on.ts";
import { type Hop, nameOf, wayTo } from "./way.ts";

/** Opens the one SSH connection to a host, through its jump hosts, and a shell on it. */
export async function connectSsh(target: ConnectionTarget, options: SessionOptions): Promise<Session> {
  try {
    const way = await wayTo(target, options);
    const began = Date.now();
    const link = await reach(way, options);
    try {
      return await sessionOver(link, way, options, began);
    } catch (error) {
      link.close();
      throw error;
    }
  } catch (error) {
    throw asUnreachable(error, target, options);
  }
}

/**
 * A link to the last machine of a way, by ssh2, or by OpenSSH's own ssh where one of the way needs what only that has; `because`
 * says it for a jump host before such a machine.
 */
async function reach(way: readonly Hop[], options: SessionOptions, because?: string): Promise<Link> {
  const hop = way.at(-1) as Hop;
  const apart = strangers.get(nameOf(hop));
  const why =
    because ??
    (apart && (await commonByOpenSsh(apart, hop))) ??
    (await whyOpenSsh(hop, keyCheck(way, options)));
  if (why !== undefined) return reachByOpenSsh(way, options, why);
  try {
    return await reachBySsh2(way, options);
  } catch (error) {
    const common = error instanceof NoneInCommon ? await commonByOpenSsh(error, hop) : undefined;
    if (common === undefined) throw error;
    strangers.set(nameOf(hop), error as NoneInCommon);
    return reachByOpenSsh(way, options, common);
  }
}

/** Machines with which ssh2 has no algorithm in common, for whom it is not tried again. */
const strangers = new Map<string, NoneInCommon>();

function reachByOpenSsh(way: readonly Hop[], options: SessionOptions, why: string): Promise<Link> {
  return open(way, options, why, (jump, deadline) =>
    logInByOpenSsh(way.at(-1) as Hop, options, { deadline, why, proxyCommand: jump?.proxyCommand }),
  );
}

/** Where the login was refused and a key is still locked, it is tried once more with that key. */
async function reachBySsh2(way: readonly Hop[], options: SessionOptions): Promise<Link> {
  const hop = way.at(-1) as Hop;
  const openWith = async (credentials: Credentials) =>
    open(way, options, undefined, async (jump, deadline) => {
      const { stream, failure } = await (jump?.carry(hop, deadline) ?? dial(hop, deadline));
      return logIn(hop, stream, credentials.methods, keyCheck(way, options), deadline).catch(
        async (error) => {
          throw (await failure?.(error)) ?? loginError(error, hop, credentials);
        },
      );
    });
  const { locked, methods } = await credentialsFor(hop);
  // What was named, or is all there is, is asked for at once; anything else only where nothing else would do.
  await openKeys(
    methods.length === 0 ? locked : locked.filter((file) => file === hop.target.privateKeyFile),
    options,
  );
  const credentials = await credentialsFor(hop);
  try {
    return await openWith(credentials);
  } catch (error) {
    const isRefused = error instanceof CausewayError && isRefusedLogin(error.detail.cause);
    if (!options.ask || credentials.locked.length === 0 || !isRefused) throw error;
  }
  await openKeys(credentials.locked, options);
  return openWith(await credentialsFor(hop));
}

/** Opens the jump hosts before a machine, and then logs in to it, again where it may go well in a moment. */
async function open(
  way: readonly Hop[],
  options: SessionOptions,
  because: string | undefined,
  attempt: (jump: Jump | undefined, deadline: number) => Promise<Link>,
): Promise<Link> {
  const jump = way.length > 1 ? await jumpTo(way.slice(0, -1), options, because) : undefined;
  const deadline = Date.now() + options.connectTimeoutMs;
  try {
    const link = await tryAgain(deadline, () => attempt(jump, deadline));
    if (!jump) return link;
    // Not before: the end of the one goes by way of the other.
    void link.ended.then(jump.release);
    // When the jump host goes, the host's own connection ends by a plain close.
    return { ...link, reason: () => jump.reason() || link.reason() };
  } catch (error) {
    jump?.release();
    throw error;
  }
}

/** A share of the way through jump hosts. */
interface Jump {
  release(): void;
  reason(): string;
  carry(hop: Hop, deadline: number): Promise<Carrying>;
  proxyCommand: string | undefined;
}

/** The last jump host of a way, shared by all hosts behind it. */
async function jumpTo(way: readonly Hop[], options: SessionOptions, because?: string): Promise<Jump> {
  const hop = way.at(-1) as Hop;
  const name = nameOf(hop);
  const { hostKeyChecking, sshConfigFile, anew } = options;
  const key = JSON.stringify([
    way.map(nameOf),
    hostKeyChecking,
    sshConfigFile,
    anew === true,
    because !== undefined,
  ]);
  const { link, release } = await shareOf(key, () => reach(way, options, because)).catch((error: unknown) =>
    Promise.reject(ofJumpHost(asUnreachable(error, hop.target, options), name)),
  );
  let isOver = false;
  void link.ended.then(() => {
    isOver = true;
  });
  return {
    release,
    proxyCommand: link.proxyCommand,
    reason: () => (isOver ? `the jump host ${name}: ${link.reason() || "the connection was closed"}` : ""),
    carry: async ({ host, port }, deadline) => {
      try {
        return { stream: await link.forward(host, port, deadline) };
      } catch (error) {
        throw notPassedOn(error, name, { host, port });
      }
    },
  };
}

/** Who it has to be at the other end, and the command that makes its key known. */
function keyCheck(way: readonly Hop[], { hostKeyChecking, sshConfigFile }: SessionOptions): HostKeyCheck {
  const { target, config, host, port } = way.at(-1) as Hop;
  const own = [...config.userKnownHostsFiles, ...config.globalKnownHostsFiles];
  return {
    // As in OpenSSH, an alias stands in known_hosts without the port.
    name: config.hostKeyAlias?.toLowerCase() ?? lookupName(host, port),
    files: [...(target.knownHostsFiles ?? []), ...own],
    mode: hostKeyChecking,
    learn: (file) => learnKey(way, sshConfigFile, file),
  };
}

function sessionOver(
  link: Link,
  way: readonly Hop[],
  options: SessionOptions,
  began: number,
): Promise<Session> {
  const { target, username } = way.at(-1) as Hop;
  return sessionOn({ ...target, user: username }, options, {
    began,
    // A jump host may be in the inventory by its name in ssh_config, or by its address.
    through: way.slice(0, -1).flatMap(({ host, target: { address } }) => [host, address]),
    start: link.start,
    ended: (shell) =>
      Promise.race([
        link.ended.then(() => link.reason() || "the connection was closed"),
        shell.ended.then(() => link.reason() || "the remote shell ended"),
      ]),
    close: () => link.close(),
  });
}

function isRefusedLogin(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return (error as { level?: string }).level === "client-authentication" || isTooManyTries(error);
}

/** sshd lets go after MaxAuthTries attempts, with these words. */
function isTooManyTries({ message }: Error): boolean {
  return /too many authentication failures/i.test(message);
}

function loginError(error: unknown, { target, username }: Hop, { tried, locked }: Credentials): unknown {
  if (error instanceof CausewayError || !isRefusedLogin(error)) return error;
  const found = tried.length > 0 ? `tried ${tried.join(", ")}` : "no key, no agent and no password to try";
  if (isTooManyTries(error))
    return new CausewayError("unreachable", `the host ended the login of ${username} after too many keys`, {
      found,
      expected: "the key that it accepts among the first few (MaxAuthTries of its sshd_config, 6 by default)",
      cause: error,
      advice:
        "name the key: ansible_ssh_private_key_file in the inventory, or IdentityFile with IdentitiesOnly yes in ssh_config",
    });
  return new CausewayError("unreachable", `the host refused the login of ${username}`, {
    found,
    expected:
      target.password === undefined
        ? "a key that the host's authorized_keys names"
        : `the password of ${username}, or a key that the host's authorized_keys names`,
    cause: error,
    advice: toLogIn(target, locked),
  });
}

function toLogIn({ password }: ConnectionTarget, locked: readonly string[]): string {
  if (locked.length > 0) return `open the key: eval "$(ssh-agent)" && ssh-add ${locked.join(" ")}`;
  return password === undefined
    ? "set ansible_user and ansible_ssh_private_key_file in the inventory, or start an ssh-agent"
    : "check the password (-k, or ansible_password in the inventory) and the user, and that the host takes passwords (PasswordAuthentication in its sshd_config)";
}

/** What a jump host says of an address that it does not pass a connection on to, as the errors of Node's own sockets. */
const notPassed: readonly (readonly [RegExp, string])[] = [
  [/connection refused/i, "ECONNREFUSED"],
  [/no route to host/i, "EHOSTUNREACH"],
  [/network is unreachable/i, "ENETUNREACH"],
  [/timed out/i, "ETIMEDOUT"],
  [/name or service not known|not known|resolve/i, "ENOTFOUND"],
];

function notPassedOn(error: unknown, jump: string, { host, port }: Pick<Hop, "host" | "port">): unknown {
  const { message, reason } = error as Error & { reason?: number | string };
  if (reason === 1)
    return new CausewayError("unreachable", `the jump host ${jump} does not pass connections on`, {
      found: message,
      expected: `leave to connect to ${host} port ${port}`,
      advice:
        "see AllowTcpForwarding, DisableForwarding and PermitOpen in its sshd_config, and the options of the key in its authorized_keys",
    });
  const code = notPassed.find(([words]) => words.test(message))?.[1];
  return code ? Object.assign(new Error(`${jump} says: ${message}`), { code }) : error;
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
    advice: `try by hand: ${sshByHand(target, options.sshConfigFile)}`,
    cause: error,
  });
}

/** The same error, with the name of the jump host that it is about. */
function ofJumpHost(error: CausewayError, name: string): CausewayError {
  return new CausewayError(error.code, `jump host ${name}: ${error.message}`, error.detail);
}
