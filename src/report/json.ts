import { CausewayError, CausewayErrors } from "../errors.ts";
import type { Reporter, ReporterOptions, RunEvent } from "./events.ts";

/** One event a line. What each says is in docs/json-events.md. */
export function jsonReporter({ stdout, diff }: ReporterOptions): Reporter {
  const replacer = (key: string, value: unknown) => {
    if (value instanceof CausewayError) return plainError(value);
    return key === "diff" && !diff ? undefined : value;
  };
  return {
    event: (event: RunEvent) => void stdout.write(`${JSON.stringify(event, replacer)}\n`),
    close: async () => {},
  };
}

function plainError(error: CausewayError): Record<string, unknown> {
  if (error instanceof CausewayErrors) return { code: error.code, errors: error.errors.map(plainError) };
  const { cause: _, ...detail } = error.detail;
  return { code: error.code, message: error.message, ...detail };
}
