import { randomBytes } from "node:crypto";
import { CausewayError } from "../errors.ts";
import type { Channel, Start } from "./channel.ts";
import { noShell } from "./no-shell.ts";
import type { BecomeMethod, ConnectionTarget } from "./session.ts";

/** What our own words on standard error say of how far it came. */
interface Marks {
  started: string;
  prompt: string;
  ready: string;
}

/**
 * Starts one `sh` that reads its script from standard input, as root where the inventory asks for it. The password goes
 * out only after a prompt of our own was seen, and nothing else before a ready mark of our own: it can never become a
 * command or a guess.
 */
export async function startShell(target: ConnectionTarget, start: Start, deadline: number): Promise<Channel> {
  if (!target.become || target.user === "root") return start("sh");
  // Its second line would be read by whatever sudo starts.
  if (/[\r\n]/.test(target.becomePassword ?? "")) throw brokenPassword(target);
  const method = methodOf(target);
  if (method === "doas" && target.becomePassword !== undefined) throw doasWithPassword(target);
  const nonce = randomBytes(9).toString("hex");
  // su has no prompt of one's own; that of PAM is in English where the locale is.
  const prompt = method === "su" ? "Password: " : `password-${nonce}:`;
  const marks = { started: `started-${nonce}`, prompt, ready: `ready-${nonce}` };
  const channel = await start(asRoot(marks, method, target.becomePassword !== undefined));
  await converse(target, channel, marks, deadline);
  return channel;
}

/**
 * A command line that every login shell passes on as it stands: csh expands a `!` inside single quotes and takes no
 * newline there, fish takes backslashes, rbash knows no `exec`.
 */
function asRoot({ started, prompt, ready }: Marks, method: BecomeMethod, password: boolean): string {
  const shell = `echo ${ready} >&2; exec sh`;
  const programs: Readonly<Record<BecomeMethod, string>> = {
    sudo: `exec sudo ${password ? `-S -p ${prompt}` : "-n"} -- sh -c "${shell}"`,
    su: `exec env LC_ALL=C su root -c "unset LC_ALL; ${shell}"`,
    doas: `exec doas -n sh -c "${shell}"`,
  };
  // Who is root already needs none of them.
  return `sh -c 'if [ "$(id -u)" = 0 ]; then ${shell}; else echo ${started} >&2; ${programs[method]}; fi'`;
}

const methodOf = ({ becomeMethod = "sudo" }: ConnectionTarget) => becomeMethod;

function converse(
  target: ConnectionTarget,
  channel: Channel,
  { started, prompt, ready }: Marks,
  deadline: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let [said, aside] = ["", ""];
    let asked = false;
    const finish = (error?: CausewayError) => {
      clearTimeout(timer);
      channel.stderr.removeListener("data", listen);
      channel.removeListener("data", overhear);
      channel.stderr.removeListener("end", refuse);
      channel.removeListener("close", refuse);
      if (error) {
        channel.close();
        reject(error);
      } else resolve();
    };
    const refuse = () => {
      const [before = "", after] = said.split(`${started}\n`);
      const words = after?.replaceAll(prompt, "").trim();
      finish(
        words === undefined
          ? noShell(target.name, target.user, `${before}${aside}`.trim())
          : refusal(target, words),
      );
    };
    const timer = setTimeout(refuse, Math.max(1, deadline - Date.now()));
    const listen = (chunk: Buffer) => {
      said += chunk.toString("utf8");
      if (said.includes(ready)) return finish();
      const prompts = said.split(prompt).length - 1;
      if (prompts > 1) return refuse();
      if (prompts === 1 && target.becomePassword === undefined) return refuse();
      if (prompts === 1 && !asked) {
        asked = true;
        channel.write(`${target.becomePassword}\n`);
      }
    };
    // Nothing was asked yet: it is noise of the login shell, or why it does not start anything.
    const overhear = (chunk: Buffer) => {
      aside = `${aside}${chunk.toString("utf8")}`.slice(-2000);
    };
    channel.stderr.on("data", listen);
    channel.on("data", overhear);
    channel.stderr.once("end", refuse);
    channel.once("close", refuse);
  });
}

function brokenPassword(target: ConnectionTarget): CausewayError {
  return new CausewayError("unreachable", `the password for ${methodOf(target)} has more than one line`, {
    host: target.name,
    expected: "a password on one line, without a newline at its end",
    advice: "fix ansible_become_password; in YAML, a | block ends with a newline and a |- block does not",
  });
}

/** doas reads a password from a terminal alone, and the session's shell has none. */
function doasWithPassword(target: ConnectionTarget): CausewayError {
  return new CausewayError("unreachable", "doas takes no password from a program", {
    host: target.name,
    found: "a password for becoming root, and doas as the method",
    expected: "sudo or su, or doas without a password",
    advice: `write permit nopass ${target.user ?? "USER"} into the host's doas.conf and leave the password out; or --become-method sudo`,
  });
}

interface Meaning {
  what: string;
  advice: string;
}

/** What sudo, su and doas say, and what it means; words in another language than English come to `otherwise`. */
const meanings: readonly (readonly [RegExp, (user: string, method: BecomeMethod) => Meaning])[] = [
  [
    /^\S*sh: .*(sudo|su|doas)\S*: (command )?(not found|permission denied)/im,
    (_user, method) => ({
      what: `${method} is not installed`,
      advice: `install ${method} there, or log in as root`,
    }),
  ],
  [
    /must have a tty/i,
    (user, method) => ({
      what: `${method} wants a terminal (requiretty)`,
      advice: `add this line to the host's sudoers with visudo: Defaults:${user} !requiretty`,
    }),
  ],
  [
    /not in the sudoers|may not run sudo|not allowed to (execute|run)/i,
    (user, method) => ({
      what: `${method} does not let ${user} become root`,
      advice: `allow it with visudo: ${user} ALL=(ALL) ALL; or log in as another user`,
    }),
  ],
  [/doas: Authentication required/i, (user) => ofDoas(user, "doas asks for a password")],
  [/doas: Operation not permitted/i, (user) => ofDoas(user, `doas does not let ${user} become root`)],
  [/doas is not enabled|doas\.conf: No such file/i, (user) => ofDoas(user, "doas has no doas.conf")],
];

/** The words of opendoas 6.8, and what each of them means. */
function ofDoas(user: string, what: string): Meaning {
  return { what, advice: `add this line to the host's /etc/doas.conf: permit nopass ${user}` };
}

function otherwise(method: BecomeMethod, hasPassword: boolean, said: string): Meaning {
  if (hasPassword) return { what: `${method} refused`, advice: refusedPassword[method] };
  // Nothing is said where a password is waited for without a terminal.
  const asks = /^$|passwor[dt]/i.test(said);
  const asked = method === "su" ? "su asks for root's password" : `${method} asks for a password`;
  return { what: asks ? asked : `${method} refused`, advice: withoutPassword[method] };
}

function refusal(target: ConnectionTarget, said: string): CausewayError {
  const user = target.user ?? "the user";
  const method = methodOf(target);
  const meant =
    meanings.find(([words]) => words.test(said))?.[1](user, method) ??
    otherwise(method, target.becomePassword !== undefined, said);
  return new CausewayError("unreachable", meant.what, {
    host: target.name,
    found: said || `no answer from ${method}`,
    expected: `permission for ${user} to run sh as root`,
    advice: meant.advice,
  });
}

const refusedPassword: Readonly<Record<BecomeMethod, string>> = {
  sudo: "check the password (-K) and the host's sudoers",
  su: "check root's password (-K), and that su is allowed for this user",
  doas: "check the host's doas.conf",
};

const withoutPassword: Readonly<Record<BecomeMethod, string>> = {
  sudo: "run with -K to enter it, or allow sudo without a password",
  su: "run with -K to enter it, or use sudo: --become-method sudo",
  doas: "allow it without a password: permit nopass USER in the host's doas.conf",
};
