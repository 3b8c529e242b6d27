import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { CausewayError } from "../errors.ts";
import type { RunEvent } from "../run/events.ts";
import { writeWholeFile } from "../whole-file.ts";
import { plainEvent } from "./json.ts";
import type { JsonEvent } from "./json-event.ts";

/** A report that is written when the run has ended. */
export interface ReportKind {
  /** As the command line has it: `--report`. */
  option: string;
  /** Among the first characters of each file, so that one of somebody else's is known from it. */
  mark: string;
  /** The whole file. */
  render(events: readonly JsonEvent[], began: Date): string;
}

const markWithin = 300;

/** A file that is there and is no report of this kind is not overwritten. */
function refuseForeignFile({ option, mark }: Omit<ReportKind, "render">, file: string): void {
  let found: string;
  try {
    found = statSync(file).isFile() ? readFileSync(file, "utf8") : "no file";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw unwritable(option, file, error);
  }
  if (found === "" || found.slice(0, markWithin).includes(mark)) return;
  throw new CausewayError("usage", `${option}: ${file} is there, and is no such report`, {
    expected: "a file that is not there yet, or a report of an earlier run",
    advice: "name another file, or remove this one",
  });
}

/**
 * A file about a run, made from the events that `--output json` writes: whole or not at all, and also of a run that failed, was
 * interrupted or only checks. An earlier one goes when the run begins, so that none passes for that of a run that was killed.
 */
export class WrittenReport {
  readonly #kind: ReportKind;
  readonly #file: string;
  readonly #diff: boolean;
  #events: JsonEvent[] = [];
  #began = new Date();
  #isWritten = false;
  /** Why there is none. */
  failure: CausewayError | undefined;

  constructor(kind: ReportKind, file: string, diff: boolean) {
    [this.#kind, this.#file, this.#diff] = [kind, file, diff];
    refuseForeignFile(kind, file);
    try {
      writeWholeFile(file, "");
      rmSync(file);
    } catch (error) {
      throw unwritable(kind.option, file, error);
    }
    process.once("exit", this.#write);
  }

  event(event: RunEvent): void {
    if (event.type === "run") this.#begin();
    if (event.type !== "command" && event.type !== "output") this.#events.push(plainEvent(event, this.#diff));
  }

  close(): void {
    process.removeListener("exit", this.#write);
    this.#write();
  }

  /** A plan that was asked about first is a run of its own: only the last one counts. */
  #begin(): void {
    const before = this.#events.findIndex(({ type }) => type === "run");
    if (before >= 0) this.#events = this.#events.slice(0, before);
    this.#began = new Date();
  }

  readonly #write = () => {
    if (this.#isWritten) return;
    this.#isWritten = true;
    try {
      writeWholeFile(this.#file, this.#kind.render(this.#events, this.#began));
    } catch (error) {
      this.failure = unwritable(this.#kind.option, this.#file, error);
    }
  };
}

function unwritable(option: string, file: string, error: unknown): CausewayError {
  return new CausewayError("output", `${option}: ${file} cannot be written`, {
    found: (error as Error).message,
    ...(existsSync(file) ? {} : { expected: "a file in a folder that is there and can be written to" }),
    cause: error,
  });
}
