import { CausewayError, CausewayErrors, describeError } from "../errors.ts";
import type { RunEvent } from "../run/events.ts";
import { withoutAddresses, withoutNames } from "./alike.ts";
import { someHosts } from "./host-names.ts";
import { count, type Paint } from "./paint.ts";

type Failure = Extract<RunEvent, { type: "failed" | "unreachable" }>;

interface Known {
  type: Failure["type"];
  /** The host whose error was shown in full. */
  first: string;
  text: string;
  others: string[];
  /** Whether the others read the same but for the name of the host. */
  same: boolean;
}

/** Failures of many hosts: the first of equal ones is shown at once, and later for which others it stands. */
export class Failures {
  readonly #known = new Map<string, Known>();
  readonly #paint: Paint;

  constructor(paint: Paint) {
    this.#paint = paint;
  }

  /** Whether an equal failure was shown in this play; then the host is named with it. */
  isKnown({ type, host, error }: Failure): boolean {
    const names = new Set([host]);
    const text = describeError(mapped(error, (words) => withoutNames(words, names)));
    const key = `${type} ${describeError(mapped(error, (words, of) => kernel(words, of, names)))}`;
    const known = this.#known.get(key);
    if (!known) {
      this.#known.set(key, { type, first: host, text, others: [], same: true });
      return false;
    }
    known.others.push(host);
    known.same &&= known.text === text;
    return true;
  }

  take(): string[] {
    const shared = [...this.#known.values()].filter(({ others }) => others.length > 0);
    this.#known.clear();
    return shared.map(({ type, first, others, same }) => {
      const but = same ? "" : ", but for addresses or numbers";
      const hosts = count(others.length, "more host");
      return this.#paint("red", `${type} on ${hosts}, as on ${first}${but}: ${someHosts(others)}`);
    });
  }
}

/** What makes two errors equal. A log has its times and process numbers; elsewhere a number is what it is about. */
function kernel(words: string, of: string, names: ReadonlySet<string>): string {
  const same = withoutNames(withoutAddresses(words), names);
  return of === "output" ? same.replaceAll(/\d+/g, "*") : same;
}

/** The error with each of its texts changed. */
function mapped(error: CausewayError, change: (text: string, of: string) => string): CausewayError {
  if (error instanceof CausewayErrors) {
    const [first, ...rest] = error.errors.map((e) => mapped(e, change));
    return first ? new CausewayErrors([first, ...rest]) : error;
  }
  const { at, values, cause: _, restsOn: __, ...texts } = error.detail;
  const changed = Object.entries(texts).map(([of, text]) => [of, change(text, of)] as const);
  return new CausewayError(error.code, change(error.message, "message"), {
    ...(at ? { at } : {}),
    ...(values ? { values } : {}),
    ...Object.fromEntries(changed),
  });
}
