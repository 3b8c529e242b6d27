import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CausewayError } from "../errors.ts";

const execute = promisify(execFile);

/** Runs a command of this machine and gives its output; one that fails is an error with what it said. */
export async function command(file: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await execute(file, args, { maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const {
      stderr = "",
      stdout = "",
      code,
    } = error as { stderr?: string; stdout?: string; code?: number | string };
    throw new CausewayError("lab", `${file} failed with code ${code}`, {
      command: [file, ...args].join(" "),
      output: stderr || stdout || String(error),
    });
  }
}

/** The same, where a failure is an answer: true when it succeeded. */
export async function succeeds(file: string, ...args: string[]): Promise<boolean> {
  return command(file, ...args).then(
    () => true,
    () => false,
  );
}
