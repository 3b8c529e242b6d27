import { CausewayError } from "../errors.ts";
import { askHidden } from "./ask-hidden.ts";

/** Reads a password from the terminal without showing it. `instead` is what to do where there is no terminal. */
export async function askSecret(question: string, option: string, instead: string): Promise<string> {
  if (!process.stdin.isTTY)
    throw new CausewayError("usage", `${option} asks for a password, and there is no terminal to ask on`, {
      advice: instead,
    });
  const secret = await askHidden(question);
  if (secret === undefined) throw new CausewayError("interrupted", "stopped before anything was done");
  return secret;
}
