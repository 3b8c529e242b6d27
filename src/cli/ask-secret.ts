import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { CausewayError } from "../errors.ts";

/** Reads a password from the terminal without showing it. `instead` is what to do where there is no terminal. */
export async function askSecret(question: string, option: string, instead: string): Promise<string> {
  if (!process.stdin.isTTY)
    throw new CausewayError("usage", `${option} asks for a password, and there is no terminal to ask on`, {
      advice: instead,
    });
  process.stderr.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  return new Promise((resolve, reject) => {
    const stopped = () => {
      lines.close();
      process.stderr.write("\n");
      reject(new CausewayError("interrupted", "stopped before anything was done"));
    };
    lines.once("SIGINT", stopped);
    lines.once("close", stopped);
    lines.question("", (answer) => {
      lines.removeListener("close", stopped);
      lines.close();
      process.stderr.write("\n");
      resolve(answer);
    });
  });
}
