/** Where a fault stands in a text that a person wrote; lines and columns count from 1. */
export interface Position {
  file: string;
  line: number;
  column: number;
}

/** A value that takes part in a fault, and where it was written. */
export interface GivenValue {
  /** The variable's name, or `address` for that of a host. */
  name: string;
  /** As it is shown; of a secret, only that there is one. Absent where the variable is not set. */
  value?: string;
  /** The host that has it. */
  host: string;
  /** In a file of the inventory, or in `-e` or `-i`; absent for the playbook's default. */
  at?: Position;
}

/** The stable classes of expected errors, and the exit code of each. Anything else is a bug of causeway, exit 70. */
export const exitCodes = {
  usage: 5,
  inventory: 6,
  playbook: 6,
  variables: 6,
  /** A task failed, or a host was refused. */
  host: 2,
  unreachable: 4,
  verify: 3,
  lab: 1,
  /** What was to be written to standard output did not get there: a full disk. */
  output: 1,
  interrupted: 130,
} as const;

export type ErrorCode = keyof typeof exitCodes;

export interface ErrorDetail {
  /** Where in a file the fault stands. */
  at?: Position;
  /** The values that do not go together, each with its place. */
  values?: readonly GivenValue[];
  /** What was found, in the words of the one who wrote it. */
  found?: string;
  /** What would have been right. */
  expected?: string;
  /** What to do, or to write instead. */
  advice?: string;
  /** The host on which it happened. */
  host?: string;
  /** The task that asked for it, as the report names it. */
  task?: string;
  /** The command, as one could paste it into a shell on that host. */
  command?: string;
  /** What the command or the daemon said, already free of secrets. */
  output?: string;
  /**
   * For a refusal by what causeway itself may have set, such as another playbook's keys: the resources that it is about, in
   * the words of src/host/resources.ts. Where these are undone first, it is no refusal yet.
   */
  restsOn?: readonly string[];
  cause?: unknown;
}

/**
 * An expected error: it says what was found, where, what was expected and what to do.
 * It is shown without a stack trace.
 */
export class CausewayError extends Error {
  override name = "CausewayError";
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.detail = detail;
  }
}

/** Several faults that were found together; none hides another. All have the same code. */
export class CausewayErrors extends CausewayError {
  override name = "CausewayErrors";
  readonly errors: readonly CausewayError[];

  constructor(errors: readonly [CausewayError, ...CausewayError[]]) {
    super(errors[0].code, errors.map((e) => e.message).join("\n"));
    this.errors = errors;
  }
}

/** Throws what was found, as one error or as several together; does nothing when nothing was. */
export function throwAll(errors: readonly CausewayError[]): void {
  const [first, ...rest] = errors;
  if (!first) return;
  throw rest.length === 0 ? first : new CausewayErrors([first, ...rest]);
}

/** The error as a person reads it: position, message, found, expected, advice, command and output; no stack. */
export function describeError(error: CausewayError): string {
  if (error instanceof CausewayErrors) return error.errors.map(describeError).join("\n\n");
  const { at, host, task, values = [], found, expected, advice, command, output } = error.detail;
  const where = [at && placeWords(at), host, task && `[${task}]`].filter(Boolean).join(" ");
  const line = (label: string, text: string | undefined) =>
    text === undefined || text === ""
      ? []
      : [`  ${label.padEnd(9)} ${text.trimEnd().replaceAll("\n", `\n${" ".repeat(12)}`)}`];
  return [
    where ? `${where}: ${error.message}` : error.message,
    ...line("found", [...(found ? [found] : []), ...values.map(valueWords)].join("\n")),
    ...line("expected", expected),
    ...line("do", advice),
    ...line("command", command),
    ...line("output", output),
  ].join("\n");
}

function placeWords({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

/** `docker-200: bip 192.168.100.1/24 (hosts.yaml:5:14)`. */
function valueWords({ name, value, host, at }: GivenValue): string {
  const place = at ? placeWords(at) : value === undefined ? "not set" : "the playbook's default";
  return [`${host}: ${name}`, value, `(${place})`].filter(Boolean).join(" ");
}
