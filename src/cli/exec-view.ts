import type { ExecOutcome } from "../report/executed.ts";
import type { Executed, NotExecuted } from "../run/exec.ts";
import { shown, shownData } from "../vault/never-shown.ts";

/** So that a line does not grow with the fleet. */
const namesShown = 6;

/** How a person or a machine is told of it. */
export interface View {
  say: (text: string) => void;
  start: () => void;
  began: (host: string) => void;
  onLine?: (host: string, line: Buffer) => void;
  ended: (result: Executed | NotExecuted) => void;
  pause: () => () => void;
  stop: () => void;
  /** Tells the rest, and gives the exit code. */
  end: (outcome: ExecOutcome) => number;
}

/** Grouped at the end, each line as it comes (`verbose`), or as data. */
export async function viewFor(
  hosts: readonly string[],
  script: string,
  isJson: boolean,
  verbose: boolean,
): Promise<View> {
  const report = await import("../report/executed.ts");
  if (isJson) return jsonView(hosts, script, report);
  const { painter } = await import("../report/paint.ts");
  const isColoured = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  const paint = painter(isColoured);
  const live = await liveRow(hosts.length);
  const print = (lines: readonly string[]) =>
    lines.length > 0 && void process.stdout.write(`${lines.join("\n")}\n`);
  return {
    ...live,
    ...(verbose
      ? { onLine: (host, line) => live.above(() => print([`${host}: ${report.plainText(line)}`])) }
      : {}),
    ended: (result) => {
      live.ended(result);
      if (verbose) live.above(() => print(report.restLines(result)));
    },
    end: (outcome) => {
      if (!verbose) print(report.groupedLines(outcome, paint));
      for (const line of report.failureLines(outcome, painter(isColoured && process.stderr.isTTY === true)))
        say(line);
      say(report.sumLine(outcome));
      return report.exitCodeOf(outcome);
    },
  };
}

function jsonView(
  hosts: readonly string[],
  script: string,
  { exitCodeOf, fates, resultEvent }: typeof import("../report/executed.ts"),
): View {
  const write = (event: object) => void process.stdout.write(`${JSON.stringify(event)}\n`);
  return {
    say,
    start: () => write({ type: "exec", command: shown(script), hosts }),
    began: () => {},
    ended: (result) => write(resultEvent(result)),
    pause: () => () => {},
    stop: () => {},
    end: (outcome) => {
      const exitCode = exitCodeOf(outcome);
      write(shownData({ type: "end", exitCode, ...fates(outcome), ms: outcome.ms }));
      return exitCode;
    },
  };
}

/** On a terminal, the last row tells how far it is, and for whom it waits. */
async function liveRow(count: number) {
  const running = new Set<string>();
  let done = 0;
  if (process.stderr.isTTY !== true || process.env.TERM === "dumb")
    return {
      say,
      above: (print: () => void) => print(),
      start: () => {},
      began: () => {},
      ended: (_result: Executed | NotExecuted) => {},
      pause: () => () => {},
      stop: () => {},
    };
  const { LiveArea } = await import("../report/live-area.ts");
  const area = new LiveArea(process.stderr, () => {
    const names = [...running].slice(0, namesShown).join(", ");
    const more = running.size > namesShown ? `, … and ${running.size - namesShown} more` : "";
    return [`${done} of ${count} done; waiting for ${names || "nobody"}${more}`];
  });
  return {
    say: (text: string) => area.print([text]),
    above: (print: () => void) => {
      area.stop();
      print();
      area.start();
    },
    start: () => area.start(),
    began: (host: string) => void running.add(host),
    ended: ({ host }: Executed | NotExecuted) => {
      running.delete(host);
      done += 1;
    },
    pause: () => {
      area.stop();
      return () => area.start();
    },
    stop: () => area.stop(),
  };
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
