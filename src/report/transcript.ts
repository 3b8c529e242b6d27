import type { RunEvent } from "../run/events.ts";
import { diffLines } from "./diff.ts";
import { Failures } from "./failures.ts";
import { Fold } from "./fold.ts";
import type { ReporterOptions } from "./options.ts";
import { duration, type Paint, painter } from "./paint.ts";
import { recapLines } from "./recap.ts";
import { type Fact, Story } from "./story.ts";
import { Waits } from "./waits.ts";

/** On so many hosts every line is told; on more, equal lines become one with counts. */
export const fewHosts = 4;

export type TranscriptOptions = Pick<ReporterOptions, "verbose" | "diff" | "color"> & {
  /** The file that has every line, where there is one. */
  whole?: () => string | undefined;
};

/**
 * The lines that stay. On a few hosts, and with `-v`, each fact is a line with its host in front. On many, equal facts of a
 * play are one line with counts, said when the play has ended; the first of equal failures is said at once and in full.
 */
export class Transcript {
  readonly #options: TranscriptOptions;
  readonly #paint: Paint;
  readonly #story: Story;
  #many: { fold: Fold; failures: Failures; waits: Waits } | undefined;

  constructor(options: TranscriptOptions) {
    this.#options = options;
    this.#paint = painter(options.color);
    this.#story = new Story(options, this.#paint);
  }

  lines(event: RunEvent): string[] {
    switch (event.type) {
      case "run":
        this.#begin(event.hosts);
        return this.#said(event);
      case "play": {
        const before = this.rest();
        this.#many?.fold.of(event.hosts.length);
        this.#many?.waits.of(event.hosts.length);
        return [...before, ...this.#said(event)];
      }
      case "batch":
      case "probe":
      case "watched":
        return [...this.rest(), ...this.#said(event)];
      case "failed":
      case "unreachable":
        return this.#many?.failures.isKnown(event) ? [] : this.#said(event);
      case "recap":
        return [...this.rest(), "", ...this.#recap(event)];
      default:
        return this.#said(event);
    }
  }

  /** What was held back to be counted, as far as it has come. */
  rest(): string[] {
    if (!this.#many) return [];
    return [...this.#many.fold.take(), ...this.#many.failures.take()];
  }

  #begin(hosts: readonly string[]): void {
    if (this.#options.verbose || hosts.length <= fewHosts) return;
    const one = (fact: Fact) => this.#one(fact);
    this.#many = {
      fold: new Fold(hosts, { paint: this.#paint, diff: this.#options.diff, one }),
      failures: new Failures(this.#paint),
      waits: new Waits(hosts.length),
    };
  }

  #said(event: RunEvent): string[] {
    const lines: string[] = [];
    for (const said of this.#story.of(event)) {
      if (typeof said === "string") lines.push(said);
      else if (!this.#many) lines.push(...this.#one(said));
      else if (said.did === "waiting") lines.push(...this.#many.waits.add(said, event.at));
      else this.#many.fold.add(said);
    }
    return lines;
  }

  /** A fact as a line of its own, and its diff. */
  #one({ host, style, did, about, rest, ms = 0, step }: Fact): string[] {
    const words = about === "" ? [`${did}${took(ms, 1)}${rest}`] : [did, `${about}${rest}${took(ms, 1000)}`];
    const line = this.#story.on(host, ...words.filter(Boolean));
    return [
      style === "none" ? line : this.#paint(style, line),
      ...(step && this.#options.diff ? diffLines(step, this.#paint) : []),
    ];
  }

  #recap(event: Extract<RunEvent, { type: "recap" }>): string[] {
    const lines = recapLines(event, this.#paint, this.#many === undefined);
    const whole = this.#many && this.#options.whole?.();
    // The last line is how it ended.
    if (whole !== undefined) lines.splice(-1, 0, `every line is in ${whole}`);
    return lines;
  }
}

/** How long it took, where that is worth a word. */
function took(ms: number, from: number): string {
  return ms < from ? "" : `${from > 1 ? "  " : " "}(${duration(ms)})`;
}
