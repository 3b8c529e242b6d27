import type { Reporter, RunEvent } from "../run/events.ts";
import { shownData } from "../vault/never-shown.ts";
import { KeptTranscript } from "./kept-transcript.ts";
import type { ReporterOptions } from "./options.ts";
import { unfailing } from "./unfailing.ts";

/** The reporter that was asked for, beside the transcript that a run of many hosts keeps; the others are not even loaded. */
export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  let now = 0;
  const warn = (text: string) => shown.event({ type: "message", at: now, level: "warning", text });
  const kept = new KeptTranscript(options, warn);
  const shown = await reporterOf(options, () => kept.path);
  const { renderer, pause } = shown;
  return unfailing(
    {
      ...(renderer ? { renderer } : {}),
      ...(pause ? { pause } : {}),
      event: (given: RunEvent) => {
        const event = shownData(given);
        now = event.at;
        for (const report of options.written ?? []) report.event(event);
        try {
          kept.event(event);
        } finally {
          shown.event(event);
        }
      },
      close: async () => {
        for (const report of options.written ?? []) report.close();
        kept.close();
        await shown.close();
      },
    },
    options,
  );
}

async function reporterOf(options: ReporterOptions, whole: () => string | undefined): Promise<Reporter> {
  switch (options.output) {
    case "json":
      return (await import("./json.ts")).jsonReporter(options);
    case "plain":
      return (await import("./plain.ts")).plainReporter({ ...options, whole });
    case "pretty":
      return (await import("./pretty.ts")).prettyReporter({ ...options, whole });
  }
}
