import { execFile } from "node:child_process";
import { join } from "node:path";
import { packageDir } from "../../src/package-dir.ts";

/** The command line, as a process of its own. */
export function runIn(
  cwd: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(join(packageDir, "run"), args, { cwd, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}
