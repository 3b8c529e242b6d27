import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Does the work while holding a lock on a file, and waits for whoever has it. The lock is flock's, held by a child
 * whose standard input ends with this process: a kill -9 frees it.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  const holder = spawn("flock", [file, "sh", "-c", "echo; exec cat"], { stdio: ["pipe", "pipe", "inherit"] });
  await once(holder.stdout, "data");
  try {
    return await work();
  } finally {
    const ended = once(holder, "exit");
    holder.stdin.end();
    await ended;
  }
}
