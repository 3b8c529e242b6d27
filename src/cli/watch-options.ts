import type { RunOptions } from "../run/options.ts";
import { durationOption, type Options, type Values } from "./arguments.ts";

/** What a run costs the containers, and how much it may. */
export const watchOptions = {
  watch: {
    type: "boolean",
    help: "ping between the containers during the whole run, and tell what was lost when",
  },
  "max-gap": {
    type: "string",
    value: "DURATION",
    help: "watch, and end with exit code 3 when a pair had no answer for longer: 2s, 500ms",
  },
} as const satisfies Options;

/** What the two options ask for; a limit implies the watch. */
export function watchOf(values: Values<typeof watchOptions>): Pick<RunOptions, "watch"> {
  const limit = values["max-gap"];
  if (limit === undefined) return values.watch ? { watch: {} } : {};
  return { watch: { maxGapMs: durationOption("max-gap", limit) } };
}
