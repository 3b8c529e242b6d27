import { chmod, copyFile, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Duplex } from "node:stream";
import { becomeRoot, type ShellStream } from "./become.ts";
import type { ConnectionTarget, Session, SessionOptions } from "./session.ts";
import { quote } from "./sh.ts";
import { Shell } from "./shell.ts";

/** A shell on this machine, through zx; the same framing and the same rights as over SSH. */
export async function connectLocal(target: ConnectionTarget, options: SessionOptions): Promise<Session> {
  const began = Date.now();
  const { $ } = await import("zx/core");
  const user = process.getuid?.() === 0 ? { user: "root" } : {};
  const spawn = async (command: string): Promise<ShellStream> => {
    // The command is a script of ours already: zx's own quoting is for bash and would not do in dash.
    const child = $({
      shell: "/bin/sh",
      prefix: "",
      postfix: "",
      quote: (word: string) => word,
      nothrow: true,
      verbose: false,
      quiet: true,
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
      cwd: "/",
    })([command] as unknown as TemplateStringsArray);
    void child.catch(() => {});
    const stream = Duplex.from({ writable: child.stdin, readable: child.stdout });
    child.stdin.on("error", () => {});
    stream.on("error", () => {});
    const end = new Promise<void>((resolve) => void child.then(() => resolve()));
    void end.then(() => stream.emit("close"));
    return Object.assign(stream, {
      stderr: child.stderr,
      close: () => void child.stdin.end(),
    }) as unknown as ShellStream;
  };
  const { stream, prefix } = await becomeRoot(
    { ...target, ...user },
    spawn,
    began + options.connectTimeoutMs,
  );
  const ended = new Promise<string>((resolve) =>
    stream.once("close", () => resolve("the local shell ended")),
  );
  const beside = async (script: string) =>
    void (await $({ shell: "/bin/sh", prefix: "", quote: (w: string) => w, nothrow: true, quiet: true })([
      `${prefix}sh -c ${quote(script)}`,
    ] as unknown as TemplateStringsArray));
  const shell = new Shell(
    target.name,
    { stdin: stream, stdout: stream, stderr: stream.stderr, ended, beside, close: () => stream.close() },
    options.commandTimeoutMs,
  );
  options.signal?.addEventListener("abort", () => void shell.abandon(), { once: true });
  const connectMs = Date.now() - began;
  return {
    name: target.name,
    run: (script, runOptions) => shell.run(script, runOptions),
    push: async (file, path) => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await copyFile(file, path);
      await chmod(path, 0o600);
    },
    close: async () => stream.close(),
    get stats() {
      return { ...shell.stats, connectMs };
    },
  };
}
