import { StringDecoder } from "node:string_decoder";
import { masked } from "../host/sh.ts";

/** So much of what one step or restart says is told as it comes, in bytes, and so much of those of one script. */
const [bytesOfOne, bytesOfAll] = [256 * 1024, 4 * 1024 * 1024];
/** More lines of one are left out, and more of one line. */
const [linesAtMost, lineAtMost] = [2000, 1000];

/** How much of each of so many steps and restarts a host tells as it comes, in bytes: a session keeps what a script prints. */
export function liveBytes(parts: number): number {
  return Math.min(bytesOfOne, Math.floor(bytesOfAll / Math.max(1, parts)));
}

/** What one step or restart says while it goes on, as it comes in pieces: whole lines, without secrets, up to a number of them. */
export class LiveOutput {
  readonly #secrets: readonly string[];
  readonly #decoder = new StringDecoder("utf8");
  #linesLeft = linesAtMost;
  /** The beginning of a line whose end has not come yet. */
  #open = "";

  constructor(secrets: readonly string[]) {
    this.#secrets = secrets;
  }

  /** Whether all was told that is to be, and what comes is left out. */
  get isFull(): boolean {
    return this.#linesLeft <= 0;
  }

  /** Takes a piece in Base64; gives the lines that are whole now. */
  take(piece: string): string[] {
    const text = this.#open + this.#decoder.write(Buffer.from(piece, "base64"));
    const lines = text.split("\n");
    this.#open = lines.pop() ?? "";
    return this.#told(lines);
  }

  /** What came without the end of its line. */
  rest(): string[] {
    const line = this.#open + this.#decoder.end();
    this.#open = "";
    return line === "" ? [] : this.#told([line]);
  }

  #told(lines: readonly string[]): string[] {
    const told = lines.slice(0, this.#linesLeft).map((line) => this.#line(line));
    this.#linesLeft -= told.length;
    return told;
  }

  /** Of a line that was written over, such as a bar that grows, what a terminal shows of it. */
  #line(line: string): string {
    const text = line.replace(/\r+$/, "");
    const plain = masked(text.slice(text.lastIndexOf("\r") + 1), this.#secrets);
    return plain.length > lineAtMost ? `${plain.slice(0, lineAtMost)}…` : plain;
  }
}
