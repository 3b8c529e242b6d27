import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { CausewayError } from "../errors.ts";
import type { Channel } from "./channel.ts";
import type { ConnectionTarget } from "./session.ts";
import { quote } from "./sh.ts";

/** What is on its way, and how long nothing of it may move, in milliseconds. */
export interface Sending {
  file: string;
  path: string;
  quietMs: number;
}

/**
 * Sends a file of the controller through a shell of the session's rights. It lies under a name of its own until its size
 * and checksum are right, so that a broken transfer never looks like the file.
 */
export async function send(
  open: () => Promise<Channel>,
  target: ConnectionTarget,
  sending: Sending,
): Promise<void> {
  try {
    const { size, sum } = await identityOf(sending.file);
    const ready = `ready-${randomBytes(9).toString("hex")}`;
    const channel = await open();
    try {
      await follow(channel, receiver(sending.path, size, sum, ready), ready, sending);
    } finally {
      channel.close();
    }
  } catch (error) {
    throw failed(error, target, sending);
  }
}

/** The script that takes it: what comes after `ready` is the file, up to the end of its input. */
function receiver(path: string, size: number, sum: string, ready: string): string {
  return `{ umask 077; f=${quote(path)}; t=$f.part-$$
trap 'rm -f "$t"' EXIT; trap 'exit 1' HUP INT PIPE TERM
[ ! -d "$f" ] || { echo "$f is a folder" >&2; exit 1; }
mkdir -p "\${f%/*}" && : >"$t" || exit 1
echo ${ready}
cat >"$t" || exit 1
[ "$(stat -c %s "$t")" = ${size} ] || { echo "$(stat -c %s "$t") of ${size} bytes arrived" >&2; exit 1; }
[ "$(sha256sum <"$t" | cut -c 1-64)" = ${sum} ] || { echo 'what arrived is not what was sent' >&2; exit 1; }
mv -f "$t" "$f"; exit; }
`;
}

async function follow(
  channel: Channel,
  script: string,
  ready: string,
  { file, quietMs }: Sending,
): Promise<void> {
  let [answer, said] = ["", ""];
  let onReady = () => {};
  const isReady = new Promise<void>((resolve) => {
    onReady = resolve;
  });
  channel.on("data", (chunk: Buffer) => {
    answer = `${answer}${chunk.toString("latin1")}`.slice(-4000);
    if (answer.includes(ready)) onReady();
  });
  channel.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk.toString("utf8")}`.slice(-4000);
  });
  // The other end may go while something is written to it; its exit code tells.
  channel.on("error", () => {});
  const over = channel.ended.then((code): never => {
    throw code === 0 ? new Done() : new Refused(code, said.trim());
  });
  over.catch(() => {});
  const timer = new Watch(quietMs);
  const step = <T>(work: Promise<T>): Promise<T> => Promise.race([work, over, timer.late]);
  try {
    channel.write(script);
    await step(isReady);
    for await (const chunk of createReadStream(file)) {
      timer.renew();
      if (!channel.write(chunk)) await step(once(channel, "drain"));
    }
    timer.renew();
    channel.end();
    await step(over);
  } catch (error) {
    if (!(error instanceof Done)) throw error;
  } finally {
    timer.stop();
  }
}

/** It ended well, which it can only when all of it has arrived. */
class Done extends Error {}

class Refused extends Error {
  constructor(code: number, said: string) {
    super(said || (code < 0 ? "the connection was lost" : `the host's shell ended with ${code}`));
  }
}

class Quiet extends Error {}

/** Fires when it was not renewed for a while. */
class Watch {
  readonly late: Promise<never>;
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number) {
    let fire = () => {};
    this.late = new Promise((_, reject) => {
      fire = () => reject(new Quiet(`nothing of it moved for ${ms / 1000} s`));
    });
    this.late.catch(() => {});
    this.#timer = setTimeout(() => fire(), ms);
  }

  renew(): void {
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

const known = new Map<string, Promise<string>>();

/** Size and checksum; the sum of a file that goes to many hosts is made once. */
async function identityOf(file: string): Promise<{ size: number; sum: string }> {
  const { size, mtimeMs, ino } = await stat(file);
  const key = `${file} ${ino} ${size} ${mtimeMs}`;
  const sum = known.get(key) ?? sumOf(file);
  known.set(key, sum);
  return { size, sum: await sum };
}

async function sumOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

function failed(error: unknown, target: ConnectionTarget, { file, path }: Sending): unknown {
  if (error instanceof CausewayError) return error;
  if (!(error instanceof Error)) return error;
  const to = target.kind === "local" ? path : `${target.address}:${path}`;
  return new CausewayError("host", `sending ${file} failed`, {
    host: target.name,
    command: target.kind === "local" ? `cp ${quote(file)} ${quote(to)}` : `scp ${quote(file)} ${quote(to)}`,
    output: error.message,
    ...(error instanceof Quiet ? { advice: "check the network between this machine and that host" } : {}),
  });
}
