/**
 * Cuts one stream of a shell into the outputs of its commands. The end of an output is a marker of its own,
 * `\n<nonce> <code>\n`; everything before it is output, byte for byte.
 */
export class FrameCutter {
  #chunks: Buffer[] = [];
  #size = 0;
  /** The last bytes that could be the beginning of a marker. */
  #tail = Buffer.alloc(0);
  #marker: Buffer | undefined;
  /** What came before anybody expected it: the other stream of the command before is not there yet. */
  #early: Buffer[] = [];
  readonly #onFrame: (output: Buffer, code: number) => void;
  readonly #onData: ((chunk: Buffer) => void) | undefined;

  constructor(onFrame: (output: Buffer, code: number) => void, onData?: (chunk: Buffer) => void) {
    this.#onFrame = onFrame;
    this.#onData = onData;
  }

  /** From here on the stream holds the output of the command with this nonce. */
  expect(nonce: string): void {
    this.#marker = Buffer.from(`\n${nonce} `);
    const early = this.#early;
    this.#early = [];
    for (const chunk of early) this.push(chunk);
  }

  push(chunk: Buffer): void {
    if (!this.#marker) {
      this.#early.push(chunk);
      return;
    }
    const hay = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk]);
    const offset = this.#size - this.#tail.length;
    const at = hay.indexOf(this.#marker);
    const end = at < 0 ? -1 : hay.indexOf(10, at + this.#marker.length);
    if (end < 0) {
      this.#chunks.push(chunk);
      this.#size += chunk.length;
      // An incomplete marker is at most its own length and four digits; one that began earlier is kept whole.
      const keep = at < 0 ? this.#marker.length + 4 : hay.length - at;
      this.#tail = Buffer.from(hay.subarray(Math.max(0, hay.length - keep)));
      this.#onData?.(chunk);
      return;
    }
    const code = Number(hay.toString("latin1", at + this.#marker.length, end));
    this.#chunks.push(chunk);
    const output = Buffer.concat(this.#chunks).subarray(0, offset + at);
    const rest = hay.subarray(end + 1);
    this.#chunks = [];
    this.#size = 0;
    this.#tail = Buffer.alloc(0);
    this.#marker = undefined;
    if (rest.length > 0) this.#early.push(Buffer.from(rest));
    this.#onFrame(output, code);
  }
}
