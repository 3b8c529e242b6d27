import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Does the work while holding a lock on a file, and waits for whoever has it; `waits` is called where that takes longer than a moment. The lock is flock's, held by a
 * child whose standard input ends with this process: a kill -9 frees it.
 */
export async function withLock<T>(file: string, work: () => Promise<T>, waits = () => {}): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  let holder = hold(["-n", file]);
  if (!(await holds(holder))) {
    const late = setTimeout(waits, 1000);
    holder = hold([file]);
    const isHeld = await holds(holder).finally(() => clearTimeout(late));
    if (!isHeld) throw new Error(`flock ${file} failed`);
  }
  try {
    return await work();
  } finally {
    const ended = once(holder, "exit");
    holder.stdin.end();
    await ended;
  }
}

const hold = (how: readonly string[]) =>
  spawn("flock", [...how, "sh", "-c", "echo; exec cat"], { stdio: ["pipe", "pipe", "inherit"] });

/** Whether it got the lock, as soon as that is known. */
function holds(holder: ReturnType<typeof hold>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    holder.once("error", reject);
    holder.stdout.once("data", () => resolve(true));
    holder.once("exit", () => resolve(false));
  });
}
