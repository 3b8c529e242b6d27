import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CausewayError } from "../errors.ts";
import { ownCommand } from "../own-command.ts";
import { packageDir } from "../package-dir.ts";
import { freeze, thaw } from "./cgroup.ts";
import { command, onHost, succeeds } from "./command.ts";
import { breakLink, mendLink } from "./link-faults.ts";
import { initPid, killMachine } from "./machine.ts";
import { hostPaths, machineOf } from "./paths.ts";
import { installPrerequisites, missingForLinkFaults } from "./prerequisites.ts";
import type { Faults, Harm, LabProgress, LabSpec } from "./types.ts";

/** What was done to a host, as its file has it: `units` are those that were stopped. */
interface Done {
  mark: string;
  faults: Faults;
  units: readonly string[];
}

/** What is wrong with a host on purpose, if anything is. */
export async function faultsOf(spec: LabSpec, host: string): Promise<Faults | undefined> {
  return (await doneTo(spec, host))?.faults;
}

async function doneTo(spec: LabSpec, host: string): Promise<Done | undefined> {
  const text = await readFile(hostPaths(spec, host).faults, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Done);
}

/**
 * Does a host the harm that is asked for; it stays until it is healed. All or nothing: what this machine cannot do is an error, and
 * the host is as before. A host that has faults already is left as it is.
 */
export async function inflict(
  spec: LabSpec,
  host: string,
  faults: Faults,
  progress: LabProgress,
): Promise<Harm> {
  await refuseFaulty(spec, host);
  const machine = machineOf(spec, host);
  const pid = await initPid(machine);
  if (pid === undefined)
    throw new CausewayError("lab", `lab host ${host} is down`, {
      advice: `${ownCommand("lab up")}, with the same -i`,
    });
  if (onItsLink(faults)) await installPrerequisites(missingForLinkFaults(), progress);
  if (faults.fill !== undefined) await refuseFolder(host, pid, faults.fill);
  const units = faults.stop === undefined ? [] : await unitsBehind(host, pid, faults.stop);
  const mark = randomBytes(8).toString("hex");
  await remember(spec, host, { mark, faults, units });
  try {
    if (onItsLink(faults)) await breakLink(spec, host, faults);
    if (faults.fill !== undefined) await fullFolder(pid, "fill", faults.fill);
    if (units.length > 0) await command`${onHost(pid)} systemctl stop ${units}`;
    if (faults.freeze) await freeze(machine.paths.cgroup);
    if (faults.kill) await killMachine(machine);
    return { file: hostPaths(spec, host).faults, mark };
  } catch (error) {
    await heal(spec, host);
    throw error;
  }
}

/** A host that has faults already is healed before anything else is done to it. */
export async function refuseFaulty(spec: LabSpec, host: string): Promise<void> {
  const had = await faultsOf(spec, host);
  if (had === undefined) return;
  throw new CausewayError("lab", `lab host ${host} has faults already`, {
    found: faultWords(had),
    advice: `${ownCommand("lab heal", host)}, with the same -i; several faults at once are named in one command`,
  });
}

const onItsLink = ({ cut, drop, delay, mtu }: Faults) =>
  [cut, drop, delay, mtu].some((fault) => fault !== undefined);

async function remember(spec: LabSpec, host: string, done: Done): Promise<void> {
  const file = hostPaths(spec, host).faults;
  await writeFile(`${file}.new`, `${JSON.stringify(done)}\n`);
  await rename(`${file}.new`, file);
}

async function refuseFolder(host: string, pid: number, folder: string): Promise<void> {
  const isOne = /^\/[^/]/.test(folder) && (await succeeds`${onHost(pid)} test -d ${folder}`);
  if (!isOne)
    throw new CausewayError("usage", `--fill takes a folder of ${host}`, {
      found: folder,
      expected: "the whole path of one that is there, such as /var",
    });
  if (await succeeds`${onHost(pid)} mountpoint -q ${folder}`)
    throw new CausewayError("usage", `--fill takes no folder on which something is mounted`, {
      host,
      found: folder,
      advice: "name the folder above it, or one below it",
    });
}

/** The unit, and what would start it again when somebody asks for it: Docker has a socket. */
async function unitsBehind(host: string, pid: number, unit: string): Promise<string[]> {
  if (!(await succeeds`${onHost(pid)} systemctl is-active -q ${unit}`))
    throw new CausewayError("lab", `the unit ${unit} does not run on ${host}, so it cannot be stopped`, {
      command: `systemctl status ${unit}`,
      advice: `name one that runs: ${ownCommand("lab ssh", host, "-- systemctl list-units")}, with the same -i`,
    });
  const triggers = (await command`${onHost(pid)} systemctl show -p TriggeredBy --value ${unit}`)
    .trim()
    .split(" ")
    .filter(Boolean);
  return [...triggers, unit];
}

function fullFolder(pid: number, what: "fill" | "empty", folder: string): Promise<string> {
  // The script is this machine's, and the host does not see it.
  return command`${onHost(pid)} sh -s ${what} ${folder} <${join(packageDir, "src/lab/full-folder.sh")}`;
}

/**
 * Takes from a host what is wrong with it on purpose; one whose power is off stays off. Gives what it was, if it was
 * anything. What a reboot took away already is no error.
 */
export async function heal(spec: LabSpec, host: string): Promise<Faults | undefined> {
  const done = await doneTo(spec, host);
  if (done === undefined) return undefined;
  const { faults, units } = done;
  const machine = machineOf(spec, host);
  if (faults.freeze) await thaw(machine.paths.cgroup);
  if (onItsLink(faults)) await mendLink(spec, host, faults);
  const pid = await initPid(machine);
  if (pid !== undefined && faults.fill !== undefined) await fullFolder(pid, "empty", faults.fill);
  if (pid !== undefined && units.length > 0) await command`${onHost(pid)} systemctl start ${units}`;
  await rm(hostPaths(spec, host).faults, { force: true });
  return faults;
}

/** What goes when the disk of a host goes: its link is put right, and there is nothing else to heal. */
export async function forgetFaults(spec: LabSpec, host: string): Promise<void> {
  const file = hostPaths(spec, host).faults;
  if (!existsSync(file)) return;
  const faults = await faultsOf(spec, host);
  if (faults && onItsLink(faults)) await mendLink(spec, host, faults);
  await rm(file, { force: true });
}

/** Faults as a person reads them: `cut both ways, drops 10%`. */
export function faultWords(faults: Faults): string {
  const { cut, drop, delay, mtu, fill, stop, freeze: isFrozen, kill } = faults;
  return [
    ...(cut === undefined ? [] : [cut === "both" ? "cut both ways" : `cut ${cut}`]),
    ...(drop === undefined ? [] : [`drops ${drop}%`]),
    ...(delay === undefined ? [] : [`delayed by ${delay} ms`]),
    ...(mtu === undefined ? [] : [`loses packets above ${mtu} bytes`]),
    ...(fill === undefined ? [] : [`${fill} is full`]),
    ...(stop === undefined ? [] : [`${stop} is stopped`]),
    ...(isFrozen ? ["frozen"] : []),
    ...(kill ? ["power off"] : []),
  ].join(", ");
}
