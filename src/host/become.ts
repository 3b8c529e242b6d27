import { randomBytes } from "node:crypto";
import { CausewayError } from "../errors.ts";
import type { Channel, Start } from "./channel.ts";
import type { ConnectionTarget } from "./session.ts";

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
  const nonce = randomBytes(9).toString("hex");
  const marks = { started: `started-${nonce}`, prompt: `password-${nonce}:`, ready: `ready-${nonce}` };
  const channel = await start(asRoot(marks, target.becomePassword !== undefined));
  await converse(target, channel, marks, deadline);
  return channel;
}

/**
 * A command line that every login shell passes on as it stands: csh expands a `!` inside single quotes and takes no
 * newline there, fish takes backslashes, rbash knows no `exec`.
 */
function asRoot({ started, prompt, ready }: Marks, password: boolean): string {
  const flags = password ? `-S -p ${prompt}` : "-n";
  const shell = `echo ${ready} >&2; exec sh`;
  // Who is root already needs no sudo.
  return `sh -c 'if [ "$(id -u)" = 0 ]; then ${shell}; else echo ${started} >&2; exec sudo ${flags} -- sh -c "${shell}"; fi'`;
}

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
      finish(words === undefined ? noShell(target, `${before}${aside}`.trim()) : refusal(target, words));
    };
    const timer = setTimeout(refuse, Math.max(1, deadline - Date.now()));
    const listen = (chunk: Buffer) => {
      said += chunk.toString("utf8");
      if (said.includes(ready)) return finish();
      const prompts = said.split(prompt).length - 1;
      if (prompts > 1) return refuse();
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
  return new CausewayError("unreachable", "the password for sudo has more than one line", {
    host: target.name,
    expected: "a password on one line, without a newline at its end",
    advice: "fix ansible_become_password; in YAML, a | block ends with a newline and a |- block does not",
  });
}

function noShell(target: ConnectionTarget, said: string): CausewayError {
  const user = target.user ?? "the user";
  return new CausewayError("unreachable", `the login shell of ${user} did not start sh`, {
    host: target.name,
    found: said || "no answer from the login shell",
    expected: "a login shell that runs the command it is given, and finds sh",
    advice: `check which shell it is: getent passwd ${target.user ?? "USER"}; then chsh -s /bin/sh ${target.user ?? "USER"}, or log in as another user`,
  });
}

function refusal(target: ConnectionTarget, said: string): CausewayError {
  const user = target.user ?? "the user";
  const absent = /^\S*sh: .*sudo\S*: (command )?(not found|permission denied)/im.test(said);
  const missing = target.becomePassword === undefined && !absent;
  const what = absent ? "sudo is not installed" : missing ? "sudo asks for a password" : "sudo refused";
  return new CausewayError("unreachable", what, {
    host: target.name,
    found: said || "no answer from sudo",
    expected: `permission for ${user} to run sh as root`,
    advice: absent
      ? "install sudo there, or log in as root"
      : missing
        ? "run with -K to enter it, or allow sudo without a password"
        : "check the password (-K) and the host's sudoers",
  });
}
