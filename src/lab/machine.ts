import { spawn } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { packageDir } from "../package-dir.ts";
import { processesIn, removeCgroup, thaw } from "./cgroup.ts";
import type { HostPaths } from "./paths.ts";

/** A keeper and the machine that it keeps. */
export interface Machine {
  /** What systemd-nspawn calls it; of all machines on this one, no other has that name. */
  name: string;
  /** What it calls itself. */
  hostname: string;
  paths: Pick<HostPaths, "folder" | "keeper" | "off" | "log" | "cgroup">;
  netnsPath: string;
  /** It has cgroup v2 alone, on a machine that has v1, too; else what its systemd can use. */
  unified: boolean;
}

/** When a process began, in the kernel's ticks, if it is there: with it two processes of one number are told apart. */
export async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

/** The keeper's process id, if it is the very process that was started, and alive. */
export async function keeperPid(machine: Machine): Promise<number | undefined> {
  const [pid = "", started] = (await readFile(machine.paths.keeper, "utf8").catch(() => ""))
    .trim()
    .split(" ");
  if (!pid || (await startTime(Number(pid))) !== started) return undefined;
  return Number(pid);
}

/** Starts the keeper, detached: it outlives this process. */
export async function startMachine(machine: Machine): Promise<void> {
  await rm(machine.paths.off, { force: true });
  const log = openSync(machine.paths.log, "a");
  const keeper = spawn(
    "sh",
    [
      join(packageDir, "src/lab/keeper.sh"),
      machine.name,
      machine.hostname,
      machine.paths.folder,
      machine.netnsPath,
      machine.paths.cgroup,
    ],
    { detached: true, stdio: ["ignore", log, log], cwd: "/", env: environment(machine) },
  );
  keeper.unref();
  if (keeper.pid) await writeFile(machine.paths.keeper, `${keeper.pid} ${await startTime(keeper.pid)}\n`);
}

/** systemd-nspawn(1) says of the variable: 1 mounts the unified hierarchy. */
function environment({ unified }: Machine): NodeJS.ProcessEnv {
  return { ...process.env, ...(unified ? { SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1" } : {}) };
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return text.trim().split(" ").filter(Boolean).map(Number);
}

/** The machine's init, seen from outside. */
export async function initPid(machine: Machine): Promise<number | undefined> {
  const keeper = await keeperPid(machine);
  if (keeper === undefined) return undefined;
  for (const nspawn of await childrenOf(keeper)) {
    for (const pid of await childrenOf(nspawn)) {
      const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
      if (name.trim() === "systemd") return pid;
    }
  }
  return undefined;
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

/** Ends a machine at once, as a power cut would, and its keeper; returns when nothing of it runs. */
export async function killMachine(machine: Machine): Promise<void> {
  if (existsSync(machine.paths.folder)) await writeFile(machine.paths.off, "");
  const keeper = await keeperPid(machine);
  if (keeper !== undefined) {
    const children = await childrenOf(keeper);
    kill(keeper);
    for (const child of children) kill(child);
  }
  for (let tries = 0; tries < 200; tries += 1) {
    const left = await processesIn(machine.paths.cgroup);
    if (left.size === 0) break;
    for (const pid of left) kill(pid);
    // A frozen process ends once it is thawed.
    await thaw(machine.paths.cgroup);
    await sleep(25);
  }
  await rm(machine.paths.keeper, { force: true });
}

/** Removes what systemd-nspawn leaves of a machine that was killed. */
export async function clearMachine(machine: Machine): Promise<void> {
  await removeCgroup(machine.paths.cgroup);
  await rmdir(join("/run/systemd/nspawn/propagate", machine.name)).catch(() => {});
}
