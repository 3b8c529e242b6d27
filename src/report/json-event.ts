import type { CausewayError, ErrorCode, ErrorDetail } from "../errors.ts";
import type { RunEvent } from "../run/events.ts";

interface OneError extends Omit<ErrorDetail, "restsOn" | "cause"> {
  code: ErrorCode;
  message: string;
}

/** An error as data; several that were found together are a list. */
export type JsonError = OneError | { errors: readonly JsonError[] };

type AsData<E> = E extends { error: CausewayError }
  ? Omit<E, "error"> & { error: JsonError }
  : E extends { error?: CausewayError }
    ? Omit<E, "error"> & { error?: JsonError }
    : E;

/** An event as `--output json` writes it and the reports read it; docs/events.schema.json is made from this type. */
export type JsonEvent = AsData<RunEvent>;

export type Json<T extends RunEvent["type"]> = Extract<JsonEvent, { type: T }>;
