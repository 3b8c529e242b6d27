import { resolve } from "node:path";
import { CausewayError } from "../errors.ts";
import type { WrittenReport } from "../report/written-report.ts";
import type { Reporter } from "../run/events.ts";
import { type outputOptions, type Values, wordOption } from "./arguments.ts";

/** The reporter that the command line and the terminal ask for, and a way to say a word that belongs to no host. */
export async function reporterFor(values: Values<typeof outputOptions>): Promise<{
  reporter: Reporter;
  message: (level: "info" | "warning", text: string) => void;
  /** Why files about the run are not there, once the reporter is closed. */
  unwritten: () => readonly CausewayError[];
}> {
  const asked = wordOption("output", values.output, ["pretty", "plain", "json"]);
  const { createReporter } = await import("../report/create.ts");
  const began = Date.now();
  const color = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  const written = await writtenReports(values);
  const reporter = await createReporter({
    output: asked ?? (process.stdout.isTTY && process.env.TERM !== "dumb" ? "pretty" : "plain"),
    verbose: values.verbose === true,
    diff: values.diff === true,
    color,
    stdout: process.stdout,
    stderr: process.stderr,
    written,
  });
  return {
    reporter,
    message: (level, text) => reporter.event({ type: "message", at: Date.now() - began, level, text }),
    unwritten: () => written.flatMap(({ failure }) => failure ?? []),
  };
}

/** Loaded only where a file is asked for. */
async function writtenReports({
  report,
  junit,
  diff,
}: Values<typeof outputOptions>): Promise<WrittenReport[]> {
  if (report === undefined && junit === undefined) return [];
  if (report !== undefined && junit !== undefined && resolve(report) === resolve(junit))
    throw new CausewayError("usage", "--report and --junit name the same file", {
      found: report,
      expected: "a file for each",
    });
  const { WrittenReport } = await import("../report/written-report.ts");
  const written: WrittenReport[] = [];
  if (report !== undefined) {
    const { htmlReport } = await import("../report/page/page.ts");
    written.push(new WrittenReport(htmlReport, report, diff === true));
  }
  if (junit !== undefined) {
    const { junitReport } = await import("../report/junit.ts");
    written.push(new WrittenReport(junitReport, junit, diff === true));
  }
  return written;
}
