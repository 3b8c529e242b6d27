import type { Reporter } from "../run/events.ts";
import type { ReporterOptions } from "./options.ts";

/** A reporter whose own faults cost lines of the report, never the run. The first is told on stderr. */
export function unfailing(
  reporter: Reporter,
  { stdout, stderr }: Pick<ReporterOptions, "stdout" | "stderr">,
): Reporter {
  let told = false;
  const tell = (error: unknown) => {
    if (told) return;
    told = true;
    try {
      stderr.write(`the report is incomplete: ${error instanceof Error ? error.message : String(error)}\n`);
    } catch {
      // Nobody is left to tell.
    }
  };
  // A pipe that nobody reads any more is no error of the run, and nobody misses what is not written to it.
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") tell(error);
  });
  const { renderer, pause } = reporter;
  return {
    ...(renderer ? { renderer } : {}),
    ...(pause ? { pause } : {}),
    event: (event) => {
      try {
        reporter.event(event);
      } catch (error) {
        tell(error);
      }
    },
    close: async () => {
      await reporter.close().catch(tell);
      if (stdout.writableLength > 0) await new Promise<void>((resolve) => stdout.write("", () => resolve()));
    },
  };
}
