import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CausewayError } from "../errors.ts";
import type { Faults, Harm, LabSpec } from "../lab/types.ts";
import { packageDir } from "../package-dir.ts";
import { durationOption, numberOption, type Option, type Values, wordOption } from "./arguments.ts";
import { faultOptions } from "./fault-options.ts";

/** `run lab fault HOST…`: does hosts harm, and holds it until this command ends, whatever ends it, or for a time. */
export async function faultCommand(
  spec: LabSpec,
  hosts: readonly string[],
  values: Values<typeof faultOptions>,
  inventory: readonly string[],
): Promise<number> {
  const faults = faultsOf(values);
  const ms = values.for === undefined ? undefined : durationOption("for", values.for);
  const lab = await import("../lab/index.ts");
  if (values.reboot) {
    refuseBesideReboot(faults, ms);
    await lab.labReboot(spec, hosts);
    return 0;
  }
  const stopped = stopSignal();
  const held: Held[] = [];
  let isKept = false;
  try {
    for (const host of hosts) {
      const harm = await lab.labFault(spec, host, faults, say);
      held.push({ host, ...harm, guard: guardOf(harm, [host, ...inventory], ms) });
      const until = ms === undefined ? "until this command ends (Ctrl-C)" : `for ${values.for}`;
      say(`${host}: ${lab.faultWords(faults)}, ${until}`);
    }
    isKept = ms !== undefined;
    while (!isKept && !stopped.aborted && held.some(isThere)) await sleep(200);
  } finally {
    for (const one of isKept ? [] : held) await end(one, spec);
  }
  return 0;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function faultsOf({ cut, drop, delay, mtu, ...rest }: Values<typeof faultOptions>): Faults {
  if (rest.clock !== undefined)
    throw new CausewayError("lab", "a lab host has no clock of its own, so --clock cannot be done", {
      found: `--clock ${rest.clock}`,
      expected: "a kernel whose time namespaces shift the time of day; Linux shifts the time since boot only",
      advice: "try it on a virtual machine",
    });
  const way = wordOption("cut", cut, ["both", "in", "out"]);
  const faults: Faults = {
    ...(way === undefined ? {} : { cut: way }),
    ...(drop === undefined ? {} : { drop: percentOf(drop) }),
    ...(delay === undefined ? {} : { delay: durationOption("delay", delay) }),
    ...(mtu === undefined ? {} : { mtu: Math.floor(numberOption("mtu", mtu, 0, 68)) }),
    ...(rest.fill === undefined ? {} : { fill: rest.fill }),
    ...(rest.stop === undefined ? {} : { stop: rest.stop }),
    ...(rest.freeze ? { freeze: true } : {}),
    ...(rest.kill ? { kill: true } : {}),
  };
  if (Object.keys(faults).length > 0 || rest.reboot) return faults;
  throw new CausewayError("usage", "lab fault needs at least one fault", {
    expected: Object.entries<Option>(faultOptions)
      .filter(([name]) => name !== "for")
      .map(([name, { value }]) => `--${name}${value ? ` ${value}` : ""}`)
      .join(", "),
  });
}

function percentOf(text: string): number {
  const percent = Number(/^(\d+(?:\.\d+)?)%?$/.exec(text)?.[1]);
  if (percent > 0 && percent <= 100) return percent;
  throw new CausewayError("usage", "--drop takes a share of all packets", {
    found: text,
    expected: "more than 0% and at most 100%: 10%",
  });
}

function refuseBesideReboot(faults: Faults, ms: number | undefined): void {
  if (Object.keys(faults).length === 0 && ms === undefined) return;
  throw new CausewayError("usage", "--reboot is over once the host is up, so it goes with no other option", {
    advice: "reboot first, then name the other faults; --kill --for 60s keeps a host down for a time",
  });
}

/** A fault that this command began. */
interface Held extends Harm {
  host: string;
  /** Heals the host in place of this command. */
  guard: ChildProcess;
}

/** Whether it was not healed yet: its file goes, or gets another mark. */
function isThere({ file, mark }: Harm): boolean {
  return existsSync(file) && readFileSync(file, "utf8").includes(mark);
}

/**
 * A process of its own that heals the host after a time, or as soon as this one is gone, by kill -9, too: the pipe between them
 * closes then. It leaves alone what another command did to the host since.
 */
function guardOf({ file, mark }: Harm, host: readonly string[], ms: number | undefined): ChildProcess {
  const wait = ms === undefined ? "read -r _ && exit" : `sleep ${ms / 1000}`;
  const script = `${wait}; grep -qsF "$1" "$2" || exit; shift 2; exec "$@"`;
  const heal = [join(packageDir, "run"), "lab", "heal", ...host];
  const guard = spawn("sh", ["-c", script, "sh", mark, file, ...heal], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  guard.unref();
  (guard.stdin as Socket).unref();
  return guard;
}

async function end(held: Held, spec: LabSpec): Promise<void> {
  const { labHeal } = await import("../lab/index.ts");
  if (isThere(held)) await labHeal(spec, [held.host]);
  else say(`${held.host}: another command has healed it`);
  held.guard.stdin?.end("over\n");
}

/** What ends this command: Ctrl-C, SIGTERM, or a terminal that closes. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
  return stop.signal;
}
