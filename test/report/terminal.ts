import { EventEmitter } from "node:events";

/** A stdout that remembers what was written, and what a terminal would show of it. */
export class FakeTerminal extends EventEmitter {
  readonly isTTY = true;
  readonly writes: string[] = [];
  columns: number;
  rows: number;
  cursorVisible = true;
  /** The most rows that were ever taken back at once: the height of the live area. */
  tallest = 0;
  /** The widest row that was ever in it: live rows, and only they, are written with wrapping off. */
  widest = 0;
  #wraps = true;
  #lines: string[] = [""];

  constructor(columns = 80, rows = 24) {
    super();
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): boolean {
    this.writes.push(text);
    for (const [token] of text.matchAll(/\x1b\[[?\d;]*[A-Za-z]|[\n\r]|[^\x1b\n\r]+/g)) this.#take(token);
    return true;
  }

  /** Everything above the cursor, scrolled off or not. */
  get lines(): readonly string[] {
    return this.#lines.slice(0, -1);
  }

  /** As a stream, for those who ask for one. */
  get stream(): NodeJS.WriteStream {
    return this as unknown as NodeJS.WriteStream;
  }

  get text(): string {
    return this.writes.join("");
  }

  #take(token: string): void {
    const up = /^\x1b\[(\d+)A$/.exec(token)?.[1];
    if (up !== undefined) {
      this.tallest = Math.max(this.tallest, Number(up));
      this.#lines = [...this.#lines.slice(0, this.#lines.length - 1 - Number(up)), ""];
    } else if (token === "\n") this.#lines.push("");
    else if (token === "\x1b[?25l") this.cursorVisible = false;
    else if (token === "\x1b[?25h") this.cursorVisible = true;
    else if (token === "\x1b[?7l") this.#wraps = false;
    else if (token === "\x1b[?7h") this.#wraps = true;
    else if (!/^[\x1b\r]/.test(token)) {
      const line = `${this.#lines.pop()}${token}`;
      if (!this.#wraps) this.widest = Math.max(this.widest, line.length);
      this.#lines.push(line);
    }
  }
}

export const quiet = { verbose: false, diff: false, color: false };
