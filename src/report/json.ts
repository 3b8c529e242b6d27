import { type CausewayError, CausewayErrors } from "../errors.ts";
import type { Reporter, RunEvent } from "../run/events.ts";
import type { ShownStep } from "../task/shown-step.ts";
import type { JsonError, JsonEvent } from "./json-event.ts";
import type { ReporterOptions } from "./options.ts";

/** One event a line. What each says is in docs/json-events.md. */
export function jsonReporter({ stdout, diff }: Pick<ReporterOptions, "stdout" | "diff">): Reporter {
  return {
    event: (event) => void stdout.write(`${JSON.stringify(plainEvent(event, diff))}\n`),
    close: async () => {},
  };
}

/** The event as data: what is no part of its description, such as a step's script, stays behind. */
export function plainEvent(event: RunEvent, diff: boolean): JsonEvent {
  switch (event.type) {
    case "task":
      return event.steps ? { ...event, steps: event.steps.map((step) => plainStep(step, diff)) } : event;
    case "step":
      return { ...event, step: plainStep(event.step, diff) };
    case "failed":
    case "unreachable":
    case "refused":
      return { ...event, error: plainError(event.error) };
    case "probe": {
      const { error, ...rest } = event;
      return error ? { ...rest, error: plainError(error) } : rest;
    }
    default:
      return event;
  }
}

/** Field by field: what runs hand over are whole steps, whose scripts have secrets in them. */
function plainStep(step: ShownStep, withDiff: boolean): ShownStep {
  const { kind, what, from, to, irreversible, diff } = step;
  return {
    kind,
    what,
    from,
    to,
    ...(irreversible === undefined ? {} : { irreversible }),
    ...(withDiff && diff ? { diff: { path: diff.path, before: diff.before, after: diff.after } } : {}),
  };
}

/** An error as data, without its stack. */
export function plainError(error: CausewayError): JsonError {
  if (error instanceof CausewayErrors) return { errors: error.errors.map(plainError) };
  const { restsOn: _, cause: __, ...detail } = error.detail;
  return { code: error.code, message: error.message, ...detail };
}
