import type { Reporter } from "../run/events.ts";
import type { ReporterOptions } from "./options.ts";
import { Transcript, type TranscriptOptions } from "./transcript.ts";

/** Line by line, for logs and pipes. */
export function plainReporter(options: TranscriptOptions & Pick<ReporterOptions, "stdout">): Reporter {
  const transcript = new Transcript(options);
  const write = (lines: readonly string[]) => {
    if (lines.length > 0) options.stdout.write(`${lines.join("\n")}\n`);
  };
  const last = () => write(transcript.rest());
  return {
    event: (event) => {
      if (event.type === "run") process.once("exit", last);
      write(transcript.lines(event));
    },
    close: async () => {
      process.removeListener("exit", last);
      last();
    },
  };
}
