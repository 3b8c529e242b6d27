import type { Reporter } from "../run/events.ts";
import type { ReporterOptions } from "./options.ts";
import { unfailing } from "./unfailing.ts";

/** The reporter that was asked for; the others are not even loaded. */
export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  return unfailing(await reporterOf(options), options);
}

async function reporterOf(options: ReporterOptions): Promise<Reporter> {
  switch (options.output) {
    case "json":
      return (await import("./json.ts")).jsonReporter(options);
    case "plain":
      return (await import("./plain.ts")).plainReporter(options);
    case "pretty":
      return (await import("./pretty.ts")).prettyReporter(options);
  }
}
