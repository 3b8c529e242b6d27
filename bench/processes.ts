import { execFileSync } from "node:child_process";
import { machineOf } from "../src/lab/index.ts";
import { initPid } from "../src/lab/machine.ts";
import type { LabSpec } from "../src/lab/types.ts";

/**
 * How many processes and threads start on each host of a lab while something is done: a host counts its own process
 * ids, whatever else this machine does. The host's own services are counted, too, so do it on quiet hosts.
 */
export async function processesStarted(lab: LabSpec, work: () => Promise<unknown>): Promise<string> {
  const before = await Promise.all(lab.hosts.map(({ name }) => lastPid(lab, name)));
  await work();
  const after = await Promise.all(lab.hosts.map(({ name }) => lastPid(lab, name)));
  // The look itself is one.
  return after.map((pid, i) => pid - (before[i] ?? 0) - 1).join(", ");
}

/** The newest process id on a host, as /proc/loadavg ends with it. */
async function lastPid(lab: LabSpec, name: string): Promise<number> {
  const pid = await initPid(machineOf(lab, name));
  const args = ["-t", String(pid), "--mount", "--pid", "--root", "cat", "/proc/loadavg"];
  return Number(execFileSync("nsenter", args, { encoding: "utf8" }).trim().split(" ").at(-1));
}
