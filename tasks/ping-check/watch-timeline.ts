/** An answer that takes longer than this counts as none: whoever waits so long has noticed. Milliseconds. */
const lateMs = 1000;
/** The packets of one ping are numbered by 16 bits. */
const numbers = 65_536;

/** A time without answers on the sender's clock, in milliseconds. */
export interface Silence {
  from: number;
  to: number;
  open: boolean;
}

export interface PairSeen {
  reached: boolean;
  sent: number;
  lost: number;
  silences: readonly Silence[];
}

interface Answer {
  at: number;
  /** Counted from 0 since its ping began. */
  number: number;
}

/** One ping from its start to its end. */
interface Life {
  /** Whether it was shown that it is the right container that answers. */
  met: boolean;
  /** Answers until then. */
  held: Answer[];
  /** The packet that was answered last, and the one that was counted last; -1 before the first. */
  newest: number;
  counted: number;
}

/**
 * What became of the packets of one ordered pair, told line by line. Several pings come one after the other: each time that
 * one of the two containers is started again, a new one begins. Packets before the first answer of all do not count.
 */
export class PairTimeline {
  /** How often a packet is sent, in milliseconds. */
  everyMs = 0;
  readonly #silences: Silence[] = [];
  #life: Life | undefined;
  #lastAnswer: number | undefined;
  #sent = 0;
  #lost = 0;
  /** Since the last answer: packets that were lost, and whether a ping ended or began, so that none were sent meanwhile. */
  #since = { lost: 0, paused: false };

  /** A ping begins. */
  begin(): void {
    this.#life = { met: false, held: [], newest: -1, counted: -1 };
    this.#since.paused = true;
  }

  /** The far side has said who it is: what it answered since the ping began counts. */
  meet(): void {
    if (!this.#life) return;
    this.#life.met = true;
    for (const answer of this.#life.held.splice(0)) this.#count(this.#life, answer);
  }

  /** A packet was answered. `sequence` is the number that stands in it; `at` is a time of the sender's clock. */
  answer(at: number, sequence: number, rttMs: number): void {
    const life = this.#life;
    if (!life || rttMs >= lateMs) return;
    const step = (sequence - life.newest + numbers) % numbers;
    // The same once more, or one that a later one has overtaken.
    if (step === 0 || (step > numbers / 2 && life.newest >= 0)) return;
    life.newest += step;
    if (life.met) this.#count(life, { at, number: life.newest });
    else life.held.push({ at, number: life.newest });
  }

  /** The ping has ended, after so many packets. */
  end(transmitted: number): void {
    // The last packet is not judged: its answer may be on its way.
    if (this.#life && this.#lastAnswer !== undefined)
      this.#lose(Math.max(0, transmitted - this.#life.counted - 2));
    this.#life = undefined;
  }

  /** The sender was killed: what it sent last is not known. */
  cut(): void {
    this.#life = undefined;
    this.#since.paused = true;
  }

  /** When the last answer came; undefined before the first. */
  get lastAnswer(): number | undefined {
    return this.#lastAnswer;
  }

  /** What was seen by the end, which is a time of the same clock. */
  seen(end: number): PairSeen {
    const last = this.#lastAnswer;
    const open =
      last !== undefined && this.#isSilence(last, end) ? [{ from: last, to: end, open: true }] : [];
    return {
      reached: last !== undefined,
      sent: this.#sent,
      lost: this.#lost,
      silences: [...this.#silences, ...open],
    };
  }

  #count(life: Life, { at, number }: Answer): void {
    const last = this.#lastAnswer;
    if (last !== undefined) {
      this.#lose(number - life.counted - 1);
      if (this.#isSilence(last, at)) this.#silences.push({ from: last, to: at, open: false });
    }
    this.#sent += 1;
    this.#lastAnswer = at;
    this.#since = { lost: 0, paused: false };
    life.counted = number;
  }

  #lose(packets: number): void {
    this.#sent += packets;
    this.#lost += packets;
    this.#since.lost += packets;
  }

  /** A machine that is busy is late, and has lost nothing: only a lost packet, or a pause, makes a silence of some time. */
  #isSilence(from: number, to: number): boolean {
    return this.#since.lost > 0 || (this.#since.paused && to - from > 2 * this.everyMs);
  }
}
