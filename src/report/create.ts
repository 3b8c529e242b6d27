import type { Reporter, ReporterOptions } from "./events.ts";

/** The reporter that was asked for. Events that it cannot show never end a run. */
export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  // A pipe that nobody reads any more is no error of the run.
  options.stdout.on("error", () => {});
  switch (options.output) {
    case "json":
      return (await import("./json.ts")).jsonReporter(options);
    case "plain":
      return (await import("./plain.ts")).plainReporter(options);
    case "pretty":
      return (await import("./pretty.ts")).prettyReporter(options);
  }
}
