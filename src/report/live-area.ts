import { stripVTControlCharacters } from "node:util";

/** At most ten frames a second. */
const frameMs = 100;

/** The last rows of the terminal, drawn anew while above them lines are added that stay. */
export class LiveArea {
  readonly #out: NodeJS.WriteStream;
  readonly #draw: (columns: number, rows: number, now: number) => readonly string[];
  readonly #restore = () => void this.#out.write("\x1b[?25h");
  #timer: NodeJS.Timeout | undefined;
  #drawn = 0;
  #waiting: string[] = [];

  constructor(
    out: NodeJS.WriteStream,
    draw: (columns: number, rows: number, now: number) => readonly string[],
  ) {
    this.#out = out;
    this.#draw = draw;
  }

  start(): void {
    if (this.#timer) return;
    this.#out.write("\x1b[?25l");
    // However this process ends, the cursor comes back.
    process.once("exit", this.#restore);
    this.#timer = setInterval(() => this.#frame(), frameMs);
    this.#timer.unref();
  }

  /** Lines that stay. They appear with the next frame, or at once when nothing is being drawn. */
  print(lines: readonly string[]): void {
    if (lines.length === 0) return;
    this.#waiting.push(...lines);
    if (!this.#timer) this.#frame();
  }

  stop(): void {
    const wasDrawing = this.#timer !== undefined;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#frame();
    if (!wasDrawing) return;
    process.removeListener("exit", this.#restore);
    this.#restore();
  }

  #frame(): void {
    const columns = this.#out.columns || 80;
    const rows = this.#out.rows || 24;
    const live = this.#timer ? this.#draw(columns, rows - 1, Date.now()).slice(0, rows - 1) : [];
    if (live.length === 0 && this.#drawn === 0 && this.#waiting.length === 0) return;
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A\r\x1b[0J` : "";
    const stay = this.#waiting.map((line) => `${line}\n`).join("");
    const below = live.map((line) => `${cut(line, columns)}\n`).join("");
    this.#waiting = [];
    this.#drawn = live.length;
    this.#out.write(up + stay + below);
  }
}

/** A line that does not wrap; a line that is too long loses its colours with its end. */
function cut(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length < columns ? line : `${plain.slice(0, columns - 2)}…`;
}
