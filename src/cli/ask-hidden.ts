import { createInterface } from "node:readline";
import { Writable } from "node:stream";

/** Whether a person can be asked here. */
export function hasTerminal(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

let before: Promise<unknown> = Promise.resolve();

/** Asks for a text on the terminal without showing it, one question after the other; undefined after Ctrl-C or Ctrl-D. */
export function askHidden(
  question: string,
  pause: () => () => void = () => () => {},
): Promise<string | undefined> {
  const answer = before.then(async () => {
    const goOn = pause();
    try {
      return await typed(question);
    } finally {
      goOn();
    }
  });
  before = answer.catch(() => {});
  return answer;
}

function typed(question: string): Promise<string | undefined> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  // Only now does the terminal show nothing of what is typed.
  process.stderr.write(question);
  return new Promise((resolve) => {
    const end = (answer: string | undefined) => {
      process.stderr.write("\n");
      resolve(answer);
    };
    lines.question("", (answer) => {
      lines.removeAllListeners("close");
      lines.close();
      end(answer);
    });
    lines.once("SIGINT", () => lines.close());
    lines.once("close", () => end(undefined));
  });
}
