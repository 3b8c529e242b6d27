import { CausewayError } from "../errors.ts";
import type { RunOptions } from "../run/options.ts";
import type { Options, Values } from "./arguments.ts";

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

const units = { ms: 1, s: 1000, m: 60_000 } as const;

/** What the two options ask for; a limit implies the watch. */
export function watchOf(values: Values<typeof watchOptions>): Pick<RunOptions, "watch"> {
  const limit = values["max-gap"];
  if (limit === undefined) return values.watch ? { watch: {} } : {};
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(limit) ?? [];
  const ms = Number(number) * units[unit as keyof typeof units];
  if (!(ms > 0) || !Number.isFinite(ms))
    throw new CausewayError("usage", "--max-gap takes a time of more than nothing, with its unit", {
      found: limit,
      expected: "a number and ms, s or m: 500ms, 2s, 1m",
    });
  return { watch: { maxGapMs: ms } };
}
