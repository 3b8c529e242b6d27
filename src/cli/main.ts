import { CausewayError, describeError, exitCodes } from "../errors.ts";
import { tame } from "../report/paint.ts";
import { shown } from "../vault/never-shown.ts";
import { commands } from "./commands.ts";

/** Does what the command line asks for and gives the exit code. What one command does not need is not loaded. */
async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args;
  // Behind -- stand another program's words.
  if (upTo("--", args).includes("--version")) return version();
  switch (first) {
    case undefined:
    case "help":
    case "-h":
    case "--help":
      return help();
    default: {
      const command = await commands[first]?.();
      if (command) return command.start(rest, commands);
      return (await import("./playbook-command.ts")).playbookCommand(args);
    }
  }
}

function upTo(end: string, args: readonly string[]): readonly string[] {
  const at = args.indexOf(end);
  return at < 0 ? args : args.slice(0, at);
}

async function help(): Promise<number> {
  const { overview, optionLines } = await import("./help.ts");
  const { playbookOptions } = await import("./playbook-options.ts");
  process.stdout.write(`${overview}\nOptions of a playbook:\n${optionLines(playbookOptions)}\n`);
  return 0;
}

async function version(): Promise<number> {
  const { readFileSync } = await import("node:fs");
  const { packageDir } = await import("../package-dir.ts");
  const { version } = JSON.parse(readFileSync(`${packageDir}/package.json`, "utf8")) as { version: string };
  process.stdout.write(`causeway ${version}\n`);
  return 0;
}

async function report(error: unknown): Promise<number> {
  if (error instanceof CausewayError) {
    process.stderr.write(`${tame(shown(describeError(error)))}\n`);
    return exitCodes[error.code];
  }
  const { inSources } = await import("./source-places.ts");
  const stack = error instanceof Error ? inSources(error.stack ?? error.message) : String(error);
  process.stderr.write(
    shown(
      `This is a bug in causeway. Please report it with the command line and the lines below.\n${stack}\n`,
    ),
  );
  return 70;
}

/** Whether something that was written to standard output did not get there, and somebody may miss it. */
let isIncomplete = false;
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // A pipe that nobody reads any more, or a terminal that is closed.
    if (error.code === "EPIPE" || error.code === "EIO" || stream === process.stderr) return;
    // The report of a run says so itself.
    if (!isIncomplete && stream.listenerCount("error") === 1)
      process.stderr.write(`the output is incomplete: ${error.message}\n`);
    isIncomplete = true;
    process.exitCode ||= exitCodes.output;
  });

let ended = false;
// A playbook can end the process, or wait for ever while it is loaded: Node would call both a success or 13.
process.once("exit", (code) => {
  if (ended || (code !== 0 && code !== 13)) return;
  process.stderr.write(
    "the playbook called process.exit or awaits a promise that never settles, while it is loaded\n",
  );
  process.exitCode = exitCodes.playbook;
});
const code = await main(process.argv.slice(2)).catch(report);
process.exitCode = code === 0 && isIncomplete ? exitCodes.output : code;
ended = true;
