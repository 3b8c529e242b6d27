import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CausewayError } from "../errors.ts";
import { quote } from "../host/sh.ts";
import { ownCommand } from "../own-command.ts";
import { packageDir } from "../package-dir.ts";
import { helpOption, parse, wordOption } from "./arguments.ts";
import type { Commands } from "./commands.ts";
import { shells } from "./completion/shells.ts";

export const completionOptions = helpOption;

const usageLine = ownCommand("completion bash | zsh | fish");
/** What a shell starts from any folder. */
const program = /^\w+$/.test(ownCommand()) ? ownCommand() : quote(join(packageDir, "run"));
const howTo = `For bash, in ~/.bashrc: source <(${program} completion bash)
For zsh, in ~/.zshrc behind compinit: source <(${program} completion zsh)
For fish: ${program} completion fish > ~/.config/fish/completions/run.fish
`;

/** `run completion SHELL` prints what the shell has to read; that asks `run completion words -- WORD…` for what fits the last word. */
export async function completionCommand(args: readonly string[], commands: Commands): Promise<number> {
  if (args[0] === "words" && args[1] === "--") {
    const { completions } = await import("./completions.ts");
    const found = await completions(args.slice(2), commands);
    process.stdout.write(found.map(({ word, means }) => `${word}\t${means}\n`).join(""));
    return 0;
  }
  const { values, positionals } = parse(completionOptions, args);
  const [shell, more] = positionals;
  if (values.help) {
    process.stdout.write(`Usage: ${usageLine}\n\n${howTo}`);
    return 0;
  }
  const known = wordOption("completion", shell, shells);
  if (known === undefined || more !== undefined)
    throw new CausewayError("usage", "completion takes a shell", { expected: usageLine });
  process.stdout.write(readFileSync(join(packageDir, `src/cli/completion/run.${known}`), "utf8"));
  return 0;
}
