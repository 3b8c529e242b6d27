import type { Reporter } from "../run/events.ts";
import type { ReporterOptions } from "./options.ts";
import { Transcript } from "./transcript.ts";

/** Line by line, for logs and pipes. */
export function plainReporter(options: Omit<ReporterOptions, "output" | "stderr">): Reporter {
  const transcript = new Transcript(options);
  return {
    event: (event) => {
      const lines = transcript.lines(event);
      if (lines.length > 0) options.stdout.write(`${lines.join("\n")}\n`);
    },
    close: async () => {},
  };
}
