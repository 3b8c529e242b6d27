import { execFile } from "node:child_process";
import { packageDir } from "../../src/package-dir.ts";

/** The command line, as a process of its own, called by its name: it is on the PATH. */
export function runIn(
  cwd: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, PATH: `${packageDir}:${process.env.PATH}` };
  return new Promise((resolve) => {
    execFile("run", args, { cwd, env, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}
