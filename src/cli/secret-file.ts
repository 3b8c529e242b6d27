import { execFileSync } from "node:child_process";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { CausewayError } from "../errors.ts";

/**
 * A password that lies in a file, or that a program prints when it is executed, without the blanks around it.
 * Source: `get_file_vault_secret` in lib/ansible/parsing/vault of ansible-core 2.14, which does the same for vaults.
 */
export function secretFromFile(option: string, given: string, args: readonly string[] = []): string {
  const file = resolve(given.replace(/^~(?=\/)/, homedir()));
  const secret = (
    isProgram(option, file) ? printedBy(option, file, args) : readFileSync(file, "utf8")
  ).trim();
  if (secret !== "") return secret;
  throw new CausewayError("usage", `${option} ${given} gives no password`, { found: "nothing but blanks" });
}

function isProgram(option: string, file: string): boolean {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat || stat.isDirectory())
    throw new CausewayError("usage", `${option}: ${stat ? "this is a folder" : "the file does not exist"}`, {
      found: file,
      expected: "a file with the password, or a program that prints it",
    });
  try {
    accessSync(file, constants.X_OK);
    return (stat.mode & 0o111) !== 0;
  } catch {
    return false;
  }
}

function printedBy(option: string, file: string, args: readonly string[]): string {
  try {
    // What it asks a person for, it asks on the terminal itself.
    return execFileSync(file, args, { encoding: "utf8", stdio: ["inherit", "pipe", "pipe"] });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new CausewayError("usage", `${option}: the program that should print the password failed`, {
      command: [file, ...args].join(" "),
      output: stderr?.trim() || (message.split("\n")[0] ?? ""),
      advice: "an executable file is run; for one that only holds the password: chmod -x",
    });
  }
}
