/** One ordered pair of the connectivity matrix. Times in milliseconds, loss in percent. */
export interface MatrixCell {
  from: string;
  to: string;
  /** Whether it behaved as it should: reached, or not reached where that is expected. */
  ok: boolean;
  expected: "reachable" | "unreachable";
  lossPercent: number;
  rttMs?: number;
  /** The address that the far side saw, and whether it is the sender's own. */
  sourceSeen?: string;
  sourcePreserved?: boolean;
  /** The largest packet that crossed in one piece, in bytes of IP packet. */
  largestPacket?: number;
  /** Whether the far side's name has its address, where names were looked at. */
  nameResolved?: boolean;
  /** What crossed the network between the hosts, where that was captured. */
  evidence?: MatrixEvidence;
  /** Why it failed, the command that shows it, and the host to run it on where that is not the sender. */
  cause?: string;
  command?: string;
  commandOn?: string;
}

/** What a capture of a pair's packets shows. */
export interface MatrixEvidence {
  /** Whether they crossed as the scheme promises. */
  ok: boolean;
  /** How they crossed: `UDP 8472 with the inner addresses inside`. */
  seen: string;
}

export interface Matrix {
  title: string;
  hosts: readonly string[];
  /** The pairs that were tried. */
  cells: readonly MatrixCell[];
  /** Where not all pairs of the hosts were tried: how many they have. */
  sampleOf?: number;
  /** The folder of this machine in which captures are kept, a file a pair. */
  captures?: string;
  /** One line each, said below the matrix. */
  notes: readonly string[];
}
