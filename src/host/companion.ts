import { StringDecoder } from "node:string_decoder";
import type { Channel } from "./channel.ts";
import type { Companion } from "./session.ts";

/** Starts a script on a channel of its own, and passes its lines on as they come. */
export function accompany(channel: Channel, script: string, onLine: (line: string) => void): Companion {
  const decoder = new StringDecoder("utf8");
  let partial = "";
  const heard = new Promise<void>((resolve) => {
    channel.on("data", (chunk: Buffer) => {
      const lines = `${partial}${decoder.write(chunk)}`.split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    });
    channel.once("end", resolve).once("close", resolve);
  });
  channel.stderr.resume();
  // The other end may go while something is written to it; `ended` tells.
  channel.on("error", () => {});
  // A shell reads all of a group before it begins with it: what comes after is the input of what runs in it.
  channel.write(`{ ${script}\nexit; }\n`);
  const ended = Promise.all([channel.ended, heard]).then(([code]) => code);
  return {
    ended,
    tell: (line) => void channel.write(`${line}\n`),
    end: async (withinMs) => {
      channel.end();
      const timer = setTimeout(() => channel.close(), withinMs);
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, withinMs + 1000).unref())]);
      clearTimeout(timer);
    },
  };
}
