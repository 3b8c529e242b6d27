import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { vi } from "vitest";
import { packageDir } from "../../src/package-dir.ts";

/** A command in a terminal of its own, which `script` of util-linux makes, and a person before it; `run` is on the PATH. */
export class Terminal {
  /** Everything that was to be seen. */
  shown = "";
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcessWithoutNullStreams;

  constructor(command: string, cwd: string, env: Readonly<Record<string, string>> = {}) {
    const path = `${packageDir}:${process.env.PATH}`;
    this.#child = spawn("script", ["-qefc", command, "/dev/null"], {
      cwd,
      env: { ...process.env, PATH: path, SHELL: "/bin/sh", TERM: "xterm", NO_COLOR: "1", ...env },
    });
    this.#child.stdout.on("data", (chunk: Buffer) => {
      this.shown += chunk.toString();
    });
    this.ended = new Promise((resolve) => this.#child.once("close", resolve));
  }

  /** Waits until something is to be seen, for the n-th time. */
  async sees(words: string, times = 1): Promise<void> {
    await vi.waitFor(
      () => {
        if (this.shown.split(words).length <= times) throw new Error(`no “${words}” in:\n${this.shown}`);
      },
      { timeout: 60_000, interval: 20 },
    );
  }

  /** Presses keys; `\x03` is Ctrl-C, `\r` the return key. */
  types(keys: string): void {
    this.#child.stdin.write(keys);
  }
}
