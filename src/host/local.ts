import { Duplex } from "node:stream";
import type { Channel, Start } from "./channel.ts";
import { hereForLong } from "./here.ts";
import type { ConnectionTarget, Session, SessionOptions } from "./session.ts";
import { sessionOn } from "./session-on.ts";

/** A shell on this machine, through zx; the same framing and the same rights as over SSH. */
export async function connectLocal(target: ConnectionTarget, options: SessionOptions): Promise<Session> {
  const began = Date.now();
  const $ = await hereForLong();
  const start: Start = async (command) => {
    const child = $`eval exec ${command}`;
    const { stdin, stdout, stderr } = child;
    stdin.on("error", () => {});
    const stream = Duplex.from({ writable: stdin, readable: stdout });
    stream.on("error", () => {});
    const ended = child.then(({ exitCode, signal }) => (signal ? -1 : (exitCode ?? -1)));
    return Object.assign(stream, { stderr, ended, close: () => void stdin.end() }) as unknown as Channel;
  };
  const user = process.getuid?.() === 0 ? { user: "root" } : {};
  return sessionOn({ ...target, ...user }, options, {
    began,
    start,
    ended: (shell) => shell.ended.then(() => "the local shell ended"),
    close: (shell) => shell.close(),
  });
}
