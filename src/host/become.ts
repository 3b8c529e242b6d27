import { randomBytes } from "node:crypto";
import type { Duplex, Readable } from "node:stream";
import { CausewayError } from "../errors.ts";
import type { ConnectionTarget } from "./session.ts";
import { quote } from "./sh.ts";

/** A running shell's streams, as a channel or a child process gives them. */
export type ShellStream = Duplex & { stderr: Readable; close(): void };

export interface StartedShell<S extends ShellStream> {
  stream: S;
  /** Goes before a command on a channel of its own, so that it runs with the same rights. */
  prefix: string;
}

/**
 * Starts the session's one `sh`, or another command, as root where the inventory asks for it. The password goes out only
 * after a prompt of our own was seen, and nothing else before a ready mark of our own: it can never become a command or
 * a guess.
 */
export async function becomeRoot<S extends ShellStream>(
  target: ConnectionTarget,
  start: (command: string) => Promise<S>,
  deadline: number,
  command = "exec sh",
): Promise<StartedShell<S>> {
  if (!target.become || target.user === "root") return { stream: await start(command), prefix: "" };
  // Its second line would be read by whatever sudo starts.
  if (/[\r\n]/.test(target.becomePassword ?? "")) throw brokenPassword(target);
  const nonce = randomBytes(9).toString("hex");
  const ready = `ready-${nonce}`;
  const prompt = `password-${nonce}:`;
  const inside = quote(`echo ${ready} >&2; ${command}`);
  const flags = target.becomePassword === undefined ? "-n" : `-S -p ${prompt}`;
  // Who is root already needs no sudo.
  const stream = await start(
    `if [ "$(id -u)" = 0 ]; then echo ${ready} >&2; ${command}; else exec sudo ${flags} -- sh -c ${inside}; fi`,
  );
  await converse(target, stream, ready, prompt, deadline);
  return { stream, prefix: target.becomePassword === undefined ? "sudo -n " : "" };
}

function converse(
  target: ConnectionTarget,
  stream: ShellStream,
  ready: string,
  prompt: string,
  deadline: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    let asked = false;
    const finish = (error?: CausewayError) => {
      clearTimeout(timer);
      stream.stderr.removeListener("data", listen);
      stream.stderr.removeListener("end", closed);
      stream.removeListener("close", closed);
      if (error) {
        stream.close();
        reject(error);
      } else resolve();
    };
    const refuse = () => finish(refusal(target, said.replaceAll(prompt, "").trim()));
    const timer = setTimeout(refuse, Math.max(1, deadline - Date.now()));
    const closed = () => refuse();
    const listen = (chunk: Buffer) => {
      said += chunk.toString("utf8");
      if (said.includes(ready)) return finish();
      const prompts = said.split(prompt).length - 1;
      if (prompts > 1) return refuse();
      if (prompts === 1 && !asked) {
        asked = true;
        stream.write(`${target.becomePassword}\n`);
      }
    };
    stream.stderr.on("data", listen);
    // A channel closes only when its standard output was read, which nobody does yet.
    stream.stderr.once("end", closed);
    stream.once("close", closed);
  });
}

function brokenPassword(target: ConnectionTarget): CausewayError {
  return new CausewayError("unreachable", "the password for sudo has more than one line", {
    host: target.name,
    expected: "a password on one line, without a newline at its end",
    advice: "mend ansible_become_password; in YAML, a | block ends with a newline and a |- block does not",
  });
}

function refusal(target: ConnectionTarget, said: string): CausewayError {
  const missing = target.becomePassword === undefined;
  return new CausewayError("unreachable", missing ? "sudo asks for a password" : "sudo refused", {
    host: target.name,
    found: said || "no answer from sudo",
    expected: `that ${target.user ?? "the user"} may run sh as root`,
    advice: missing
      ? "run with -K to be asked for it, or allow sudo without a password"
      : "check the password (-K) and the host's sudoers",
  });
}
