export interface FrameOptions {
  /**
   * An output and its exit code, once its marker has come. An output beyond the limit is empty; where it is `cut`, it is its
   * beginning, and `left` bytes came behind that.
   */
  onFrame: (output: Buffer, code: number, left: number) => void;
  /** Each piece of an output that is not complete yet. */
  onData?: (chunk: Buffer) => void;
  /** Bytes of one output that are kept. */
  limit: number;
  /** Called once for an output that is longer; what comes of it from then on is dropped. */
  onExcess: () => void;
  /** An output that is longer is cut there, and nobody is called. */
  cut?: boolean;
}

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
  #earlySize = 0;
  #exceeded = false;
  readonly #options: FrameOptions;

  constructor(options: FrameOptions) {
    this.#options = options;
  }

  /** What has come and is not an output yet. */
  get pending(): string {
    return Buffer.concat([...this.#chunks, ...this.#early]).toString("utf8");
  }

  /** From here on the stream holds the output of the command with this nonce. */
  expect(nonce: string): void {
    this.#marker = Buffer.from(`\n${nonce} `);
    const early = this.#early;
    this.#early = [];
    this.#earlySize = 0;
    for (const chunk of early) this.push(chunk);
  }

  push(chunk: Buffer): void {
    if (!this.#marker) {
      this.#wait(chunk);
      return;
    }
    const hay = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk]);
    const offset = this.#size - this.#tail.length;
    const at = hay.indexOf(this.#marker);
    const end = at < 0 ? -1 : hay.indexOf(10, at + this.#marker.length);
    if (end < 0) {
      this.#size += chunk.length;
      // An incomplete marker is at most its own length and four digits; one that began earlier is kept whole.
      const keep = at < 0 ? this.#marker.length + 4 : hay.length - at;
      this.#tail = Buffer.from(hay.subarray(Math.max(0, hay.length - keep)));
      const wasWithin = !this.#exceeded;
      if (this.#size > this.#options.limit) this.#exceed();
      if (this.#exceeded) {
        if (this.#options.cut && wasWithin) this.#chunks.push(chunk);
        return;
      }
      this.#chunks.push(chunk);
      this.#options.onData?.(chunk);
      return;
    }
    const code = Number(hay.toString("latin1", at + this.#marker.length, end));
    this.#chunks.push(chunk);
    const size = offset + at;
    const kept = this.#options.cut ? Math.min(size, this.#options.limit) : this.#exceeded ? 0 : size;
    const output = Buffer.concat(this.#chunks).subarray(0, kept);
    const rest = hay.subarray(end + 1);
    this.#chunks = [];
    this.#size = 0;
    this.#tail = Buffer.alloc(0);
    this.#marker = undefined;
    this.#exceeded = false;
    if (rest.length > 0) this.#wait(Buffer.from(rest));
    this.#options.onFrame(output, code, size - kept);
  }

  #wait(chunk: Buffer): void {
    this.#earlySize += chunk.length;
    if (this.#earlySize > this.#options.limit) this.#options.onExcess();
    else this.#early.push(chunk);
  }

  #exceed(): void {
    if (this.#exceeded) return;
    this.#exceeded = true;
    if (this.#options.cut) return;
    this.#chunks = [];
    this.#options.onExcess();
  }
}
