import type { Reporter } from "../run/events.ts";
import { type outputOptions, type Values, wordOption } from "./arguments.ts";

/** The reporter that the command line and the terminal ask for, and a way to say a word that belongs to no host. */
export async function reporterFor(values: Values<typeof outputOptions>): Promise<{
  reporter: Reporter;
  message: (level: "info" | "warning", text: string) => void;
}> {
  const asked = wordOption("output", values.output, ["pretty", "plain", "json"]);
  const { createReporter } = await import("../report/create.ts");
  const began = Date.now();
  const color = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  const reporter = await createReporter({
    output: asked ?? (process.stdout.isTTY && process.env.TERM !== "dumb" ? "pretty" : "plain"),
    verbose: values.verbose === true,
    diff: values.diff === true,
    color,
    stdout: process.stdout,
    stderr: process.stderr,
  });
  return {
    reporter,
    message: (level, text) => reporter.event({ type: "message", at: Date.now() - began, level, text }),
  };
}
