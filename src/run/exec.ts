import { CausewayError } from "../errors.ts";
import { connect } from "../host/connect.ts";
import type { SessionOptions } from "../host/session.ts";
import type { InventoryHost } from "../inventory/types.ts";
import { inParallel } from "./in-parallel.ts";

/** What a command did on one host: its output byte for byte, as far as it was kept. */
export interface Executed {
  host: string;
  /** The exit code, 0 to 255. */
  code: number;
  stdout: Buffer;
  stderr: Buffer;
  /** Bytes that came behind what was kept. */
  left: { readonly stdout: number; readonly stderr: number };
  /** The time of the command alone, in milliseconds. */
  ms: number;
}

/** Why there is no exit code of a host: it could not be reached, or its command was ended before its own end. */
export interface NotExecuted {
  host: string;
  error: CausewayError;
}

export interface ExecOptions {
  hosts: readonly InventoryHost[];
  /** As a shell on the host reads it, in the home of who is logged in. */
  script: string;
  session: SessionOptions;
  forks: number;
  /** Aborted when no further host is to begin. */
  interrupted: AbortSignal;
  /** A line of standard output, as it comes. */
  onLine?: (host: string, line: Buffer) => void;
  began?: (host: string) => void;
  ended: (result: Executed | NotExecuted) => void;
}

/** So much of each output is kept, in bytes. */
const keptOfOutput = 1024 * 1024;

/** Runs one command on many hosts at once, over one connection each. Nothing of it is in any journal. */
export async function execOn(options: ExecOptions): Promise<void> {
  await inParallel(options.hosts, { atOnce: options.forks }, async (host) => {
    if (options.interrupted.aborted) return;
    options.began?.(host.name);
    options.ended(await resultOn(host, options));
  });
}

async function resultOn(
  { name, connection }: InventoryHost,
  { script, session: sessionOptions, onLine }: ExecOptions,
): Promise<Executed | NotExecuted> {
  try {
    const limits = { answerLimit: keptOfOutput, cutAnswers: true };
    const session = await connect(connection, { ...sessionOptions, ...limits });
    const start = Date.now();
    const told = onLine ? { onLine: (line: string) => onLine(name, bytesOf(line)) } : {};
    const {
      stdout,
      stderr,
      code,
      left = { stdout: 0, stderr: 0 },
    } = await session
      .run(`cd 2>/dev/null\n${script}`, { bytes: true, shown: script, ...told })
      .finally(() => session.close());
    return {
      host: name,
      code,
      stdout: bytesOf(stdout),
      stderr: bytesOf(stderr),
      left,
      ms: Date.now() - start,
    };
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    return { host: name, error };
  }
}

const bytesOf = (text: string) => Buffer.from(text, "latin1");
