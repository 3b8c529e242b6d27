import { CausewayError } from "../errors.ts";
import { here } from "../host/here.ts";

type Word = string | number | readonly (string | number)[];

/** Runs a command of this machine, ``command`ip link show ${name}` ``, and gives its output; one that fails is an error with what it said. */
export async function command(parts: TemplateStringsArray, ...words: Word[]): Promise<string> {
  const running = (await here())({ nothrow: true })(parts, ...words);
  const { exitCode, signal, stdout, stderr, cause } = await running;
  if (exitCode === 0) return stdout;
  const [file] = running.cmd.split(" ");
  throw new CausewayError("lab", `${file} failed with ${signal ?? `code ${exitCode}`}`, {
    command: running.cmd,
    output: stderr || stdout || String(cause ?? ""),
  });
}

/** The same, where a failure is an answer: true when it succeeded. */
export async function succeeds(parts: TemplateStringsArray, ...words: Word[]): Promise<boolean> {
  return command(parts, ...words).then(
    () => true,
    () => false,
  );
}

/** What goes before a command to run it on a lab host, by its init's process id. */
export function onHost(pid: number): readonly string[] {
  return ["nsenter", "-t", String(pid), "--mount", "--pid", "--net", "--uts", "--ipc", "--root"];
}
