import { stripVTControlCharacters } from "node:util";

/** At most ten frames a second. */
const frameMs = 100;
const [hideCursor, showCursor] = ["\x1b[?25l", "\x1b[?25h"];
/** What is wider than it looks by its characters is cut off by the terminal itself. */
const [wrapOff, wrapOn] = ["\x1b[?7l", "\x1b[?7h"];

/** What is to be seen now, in no more rows than these. */
export type Draw = (rows: number, now: number) => readonly string[];
type Screen = Pick<NodeJS.WriteStream, "write" | "columns" | "rows">;

/** The last rows of the terminal, drawn anew while above them lines are added that stay. */
export class LiveArea {
  readonly #out: Screen;
  readonly #draw: Draw;
  /** Lines that are still to be said when the end comes. */
  readonly #last: () => readonly string[];
  #timer: NodeJS.Timeout | undefined;
  /** The widths of the rows that are drawn now. */
  #drawn: readonly number[] = [];
  #waiting: string[] = [];

  constructor(out: Screen, draw: Draw, last: () => readonly string[] = () => []) {
    this.#out = out;
    this.#draw = draw;
    this.#last = last;
  }

  start(): void {
    if (this.#timer) return;
    this.#out.write(hideCursor);
    process.once("exit", this.#onExit);
    this.#timer = setInterval(() => this.#frameOrNone(), frameMs);
    this.#timer.unref();
  }

  /** Lines that stay. They appear with the next frame, or at once when nothing is being drawn. */
  print(lines: readonly string[]): void {
    if (lines.length === 0) return;
    for (const line of lines) this.#waiting.push(line);
    if (!this.#timer) this.#frame();
  }

  stop(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    process.removeListener("exit", this.#onExit);
    try {
      this.print(this.#last());
      this.#frame();
    } finally {
      this.#out.write(showCursor);
    }
  }

  /** After a crash: the trace below the live rows stays as it is, nothing said is lost, and the cursor comes back. */
  readonly #onExit = () => {
    for (const line of this.#last()) this.#waiting.push(line);
    this.#out.write(`${this.#taken()}${showCursor}`);
  };

  /** No fault in a frame may end the run; the next one is drawn from scratch. */
  #frameOrNone(): void {
    try {
      this.#frame();
    } catch {
      this.#drawn = [];
    }
  }

  #frame(): void {
    const columns = this.#out.columns || 80;
    const rows = Math.max(0, (this.#out.rows || 24) - 1);
    const live = this.#timer ? this.#draw(rows, Date.now()).slice(0, rows) : [];
    if (live.length === 0 && this.#drawn.length === 0 && this.#waiting.length === 0) return;
    const cuts = live.map((line) => cut(line, columns));
    const above = this.#erase(columns) + this.#taken();
    this.#drawn = cuts.map((line) => stripVTControlCharacters(line).length);
    this.#out.write(`${above}${cuts.length > 0 ? `${wrapOff}${cuts.join("\n")}\n${wrapOn}` : ""}`);
  }

  #taken(): string {
    const lines = this.#waiting;
    this.#waiting = [];
    return lines.map((line) => `${line}\n`).join("");
  }

  /** Rows that were drawn on a wider terminal have been wrapped by one that is narrower now. */
  #erase(columns: number): string {
    const rows = this.#drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    return rows > 0 ? `\x1b[${rows}A\r\x1b[0J` : "";
  }
}

/** A line that does not wrap; a line that is too long loses its colours with its end. */
function cut(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length < columns ? line : `${plain.slice(0, Math.max(0, columns - 2))}…`;
}
