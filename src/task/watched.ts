/** A time in which a pair lost packets, or in which none could be sent because a container was away. */
export interface Gap {
  /** When the last answer before it came, in milliseconds of this machine's clock (`Date.now()`). */
  from: number;
  /** Until the first answer after it, or until the watch ended. */
  ms: number;
  /** No answer came any more. */
  open: boolean;
  /** Hosts of the pair whose own container went away meanwhile, and was started again: Docker's restart takes it along. */
  restarted: readonly string[];
}

/** What an ordered pair of hosts went through, from the first time that it worked. */
export interface WatchedPair {
  from: string;
  to: string;
  /** Whether the far container ever answered. */
  reached: boolean;
  /** Packets, of those that were sent since; the last one is not judged: its answer may be on its way. */
  sent: number;
  lost: number;
  /** In their order. */
  gaps: readonly Gap[];
}

export interface Watched {
  title: string;
  /** How often each pair was tried, in milliseconds. */
  everyMs: number;
  pairs: readonly WatchedPair[];
  /** Where not all pairs of the hosts were watched: how many ordered pairs they have. */
  sampleOf?: number;
  /** One line each, for a person. */
  notes: readonly string[];
}

/** What a run gives a watch. */
export interface WatchRun {
  /** Tells a person what it is doing. */
  say(doing: string): void;
  /** Told when it changes: which pairs worked before and do not answer now, as `from → to`. */
  silent(pairs: readonly string[]): void;
  /** Aborted when a person asks to stop: then nothing is worth waiting for. */
  readonly interrupted: AbortSignal;
}

export interface Watcher {
  /**
   * Ends the watch, takes away whatever it started on the hosts, and gives what was seen. Pairs that are silent now may take
   * so long to answer again.
   */
  stop(patienceMs: number): Promise<Watched>;
}
