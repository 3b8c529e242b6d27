import type { Duplex, Readable } from "node:stream";

/** One command that runs on a host, on a channel or as a child process, with its streams. */
export interface Channel extends Duplex {
  readonly stderr: Readable;
  close(): void;
  /** Resolves with the exit code when it ended; -1 when it was killed or the connection was lost. */
  readonly ended: Promise<number>;
}

/** Starts a command line; the login shell of whoever is logged in reads it. */
export type Start = (command: string) => Promise<Channel>;
