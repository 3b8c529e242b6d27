import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quote } from "../src/host/sh.ts";

/** What one run of a command cost this machine's client side. */
export interface Cost {
  wallMs: number;
  cpuMs: number;
  /** Of the largest of its processes. */
  peakMb: number;
}

export interface Command {
  argv: readonly string[];
  env?: Record<string, string>;
  cwd?: string;
  /** Run it in a pseudo-terminal, with the display that a person sees. */
  terminal?: boolean;
}

const tooLong = 900_000;

/** Runs a command under GNU time; a command that fails, or takes a quarter of an hour, has no cost but an error. */
export async function measure({ argv, env, cwd, terminal }: Command): Promise<Cost> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-cost-"));
  const file = join(folder, "cost");
  const timed = ["/usr/bin/time", "-o", file, "-f", "%e %U %S %M", ...argv];
  const shown = terminal
    ? ["script", "-qec", `stty rows 40 cols 120; ${timed.map(quote).join(" ")}`, "/dev/null"]
    : timed;
  try {
    const began = performance.now();
    await finish(shown, env, cwd);
    const wallMs = performance.now() - began;
    const [, user = 0, system = 0, peak = 0] = readFileSync(file, "utf8").trim().split(" ").map(Number);
    return { wallMs, cpuMs: (user + system) * 1000, peakMb: peak / 1024 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function finish(argv: readonly string[], env: Record<string, string> = {}, cwd = tmpdir()): Promise<void> {
  return new Promise((resolve, reject) => {
    const [file = "", ...args] = argv;
    const child = spawn(file, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    // With all that it started, which would otherwise hold its pipes open.
    const { pid } = child;
    const timer = setTimeout(() => pid && process.kill(-pid, "SIGKILL"), tooLong);
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        said = (said + chunk).slice(-4000);
      });
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(new Error(`${args.slice(0, 12).join(" ")} ended with ${code ?? signal}:\n${said}`));
    });
  });
}

/** Runs the commands in turn, so many rounds, so that a slow moment of the machine hits them all; medians. */
export async function sideBySide(
  commands: Readonly<Record<string, Command>>,
  rounds: number,
): Promise<Map<string, Cost>> {
  const costs = new Map<string, Cost[]>(Object.keys(commands).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const [name, command] of Object.entries(commands)) costs.get(name)?.push(await measure(command));
  return new Map(
    [...costs].map(([name, all]) => [
      name,
      {
        wallMs: median(all.map((c) => c.wallMs)),
        cpuMs: median(all.map((c) => c.cpuMs)),
        peakMb: median(all.map((c) => c.peakMb)),
      },
    ]),
  );
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** A table of what each cost, and how many times the yardstick's wall time that is. */
export function table(title: string, costs: ReadonlyMap<string, Cost>, yardstick: string): string {
  const unit = costs.get(yardstick)?.wallMs ?? Number.NaN;
  const rows = [...costs].map(([name, { wallMs, cpuMs, peakMb }]) =>
    [
      name.padEnd(44),
      `${(wallMs / 1000).toFixed(3)} s`.padStart(11),
      `${(cpuMs / 1000).toFixed(2)} s`.padStart(10),
      `${peakMb.toFixed(0)} MB`.padStart(9),
      `${(wallMs / unit).toFixed(2)} ×`.padStart(9),
    ].join(""),
  );
  const head = [
    "".padEnd(44),
    "wall".padStart(11),
    "cpu".padStart(10),
    "peak".padStart(9),
    "ratio".padStart(9),
  ];
  return `\n${title}\n${head.join("")}\n${rows.join("\n")}\n`;
}
