import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CausewayError } from "../errors.ts";
import { here } from "../host/here.ts";
import { quoteAlways } from "../host/sh.ts";
import { ownCommand } from "../own-command.ts";
import { onHost, succeeds } from "./command.ts";
import { ensureDisk, ensureKeys, unmount } from "./disk.ts";
import { faultsOf, faultWords, forgetFaults, heal, inflict, refuseFaulty } from "./faults.ts";
import { ensureImage, imageFolder } from "./image.ts";
import { withLock } from "./lock.ts";
import { clearMachine, initPid, keeperPid, killMachine, startMachine } from "./machine.ts";
import { networkDown, networkUp } from "./network.ts";
import { hostPaths, labPaths, machineOf, withAllInIt } from "./paths.ts";
import type { Faults, Harm, LabConnection, LabHostStatus, LabProgress, LabSpec } from "./types.ts";
import { noteUser, refuseUsed } from "./users.ts";

export { faultWords } from "./faults.ts";
export { imagesStatus } from "./images-status.ts";
export { machineOf } from "./paths.ts";
export { installPrerequisites, missingPrerequisites } from "./prerequisites.ts";
export type { Faults, Harm, LabConnection, LabHostStatus, LabProgress, LabSpec } from "./types.ts";

type LabHost = LabSpec["hosts"][number];

const quiet: LabProgress = () => {};

/** How to reach the hosts of a lab; nothing is started. */
export function labConnection(spec: LabSpec): LabConnection {
  const { privateKey, knownHosts } = labPaths(spec.name);
  return {
    user: "root",
    privateKeyFile: privateKey,
    knownHostsFile: knownHosts,
    hosts: spec.hosts.map(({ name, address }) => ({ name, address, port: 22 })),
  };
}

/** The path of the lab's network namespace, for captures on its bridge `br0`. */
export function labNetns(spec: LabSpec): string {
  return labPaths(spec.name).netnsPath;
}

function named(spec: LabSpec, names?: readonly string[]): LabHost[] {
  const unknown = (names ?? []).find((name) => !spec.hosts.some((h) => h.name === name));
  if (unknown !== undefined) {
    throw new CausewayError("usage", `the lab ${spec.name} has no host ${unknown}`, {
      expected: spec.hosts.map((h) => h.name).join(", "),
    });
  }
  return spec.hosts.filter((h) => names === undefined || names.includes(h.name));
}

/**
 * Builds what is missing, boots what is down, and waits until every host accepts SSH and has finished booting. A host with faults
 * stays as it is.
 */
export async function labUp(spec: LabSpec, progress: LabProgress = quiet): Promise<LabConnection> {
  await ensureImage(spec, progress);
  await withLabLock(spec, progress, () => bringUp(spec, progress));
  return labConnection(spec);
}

/** The same, where it is not up, for a run: until this process ends, nobody takes the hosts away. `words` say what it does. */
export async function labUse(
  spec: LabSpec,
  words: string,
  progress: LabProgress = quiet,
): Promise<LabConnection> {
  if (!(await labStatus(spec)).up) await ensureImage(spec, progress);
  await withLabLock(spec, progress, async () => {
    if (!(await labStatus(spec)).up) await bringUp(spec, progress);
    await noteUser(spec, words);
  });
  return labConnection(spec);
}

async function bringUp(spec: LabSpec, progress: LabProgress): Promise<void> {
  await ensureKeys(spec);
  await networkUp(spec);
  await boot(spec, [...spec.hosts], progress);
}

/** One command at a time changes a lab. */
function withLabLock<T>(spec: LabSpec, progress: LabProgress, work: () => Promise<T>): Promise<T> {
  return withLock(labPaths(spec.name).lock, work, () =>
    progress(`waiting for another command that works on the lab ${spec.name}`),
  );
}

async function boot(spec: LabSpec, hosts: readonly LabHost[], progress: LabProgress): Promise<void> {
  const down: LabHost[] = [];
  const whole: LabHost[] = [];
  for (const host of hosts) {
    const faults = await faultsOf(spec, host.name);
    if (faults === undefined) whole.push(host);
    else
      progress(
        `${host.name} is left as it is (${faultWords(faults)}): ${ownCommand("lab heal", host.name)} ends that`,
      );
  }
  for (const host of whole) if ((await keeperPid(machineOf(spec, host.name))) === undefined) down.push(host);
  if (down.length > 0) progress(`booting ${down.map((h) => h.name).join(", ")}`);
  await Promise.all(
    down.map(async (host) => {
      // What a kill -9 or a reboot of this machine left half-up is cleared away first; its disk stays.
      await killMachine(machineOf(spec, host.name));
      await ensureDisk(spec, host, progress);
      await startMachine(machineOf(spec, host.name));
    }),
  );
  await Promise.all(whole.map((host) => waitUntilUp(spec, host)));
}

async function acceptsSsh(address: string): Promise<boolean> {
  const socket = connect({ host: address, port: 22, timeout: 3000 });
  const answered = await Promise.race([
    once(socket, "data").then(() => true),
    once(socket, "timeout").then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return answered;
}

async function waitUntilUp(spec: LabSpec, host: LabHost): Promise<void> {
  const machine = machineOf(spec, host.name);
  // Seconds on a quiet machine; one that is busy with other labs takes minutes, and a dead host is noticed below.
  const until = Date.now() + 240_000;
  while (Date.now() < until) {
    const pid = await initPid(machine);
    if (pid !== undefined && (await booted(pid)) && (await acceptsSsh(host.address))) return;
    if ((await keeperPid(machine)) === undefined) break;
    await sleep(50);
  }
  const output = (await readFile(machine.paths.log, "utf8").catch(() => "")).slice(-2000);
  const tooMany = /inotify object: Too many open files/.test(output);
  throw new CausewayError("lab", `lab host ${host.name} did not boot`, {
    output,
    advice: tooMany
      ? `this machine allows too few inotify instances for so many hosts: take another lab down (${ownCommand("lab down -i …")}), or allow more: sysctl fs.inotify.max_user_instances=1024`
      : `read ${machine.paths.log}; ${ownCommand("lab reset", host.name)} gives it a new disk`,
  });
}

/** Whatever it is told to start at boot has been started, or has failed to. */
async function booted(pid: number): Promise<boolean> {
  return succeeds`case $(${onHost(pid)} systemctl is-system-running) in running | degraded) ;; *) exit 1 ;; esac`;
}

export async function labStatus(
  spec: LabSpec,
): Promise<{ up: boolean; image: "built" | "missing"; hosts: LabHostStatus[] }> {
  const hosts = await Promise.all(
    spec.hosts.map(async ({ name, address }): Promise<LabHostStatus> => {
      const pid = await initPid(machineOf(spec, name));
      const faults = await faultsOf(spec, name);
      const known = { name, address, ...(faults ? { faults } : {}) };
      if (pid === undefined) return { ...known, state: "down" };
      const state = (await acceptsSsh(address)) ? "up" : faults ? "faulty" : "booting";
      return { ...known, pid, state };
    }),
  );
  const image = existsSync(await imageFolder(spec)) ? "built" : "missing";
  return { up: hosts.every((h) => h.state === "up"), image, hosts };
}

/** What becomes of a lab that somebody uses: it stays (`refuse`), or it goes with their work. */
export type InUse = "refuse" | "ignore";

/** Takes the lab away: hosts, disks, network, keys. Its image stays, which other labs share. */
export async function labDown(
  spec: LabSpec,
  inUse: InUse = "refuse",
  progress: LabProgress = quiet,
): Promise<void> {
  await withLabLock(spec, progress, async () => {
    if (inUse === "refuse") await refuseUsed(spec);
    // Also hosts that an earlier inventory named.
    const known = await readdir(labPaths(spec.name).hosts).catch(() => []);
    const names = [...new Set([...known, ...spec.hosts.map((h) => h.name)])];
    await Promise.all(names.map((name) => discard(spec, name)));
    await networkDown(spec);
    await rm(labPaths(spec.name).folder, withAllInIt);
  });
  await rm(labPaths(spec.name).lock, { force: true });
}

async function discard(spec: LabSpec, name: string): Promise<void> {
  const paths = hostPaths(spec, name);
  await killMachine(machineOf(spec, name));
  await forgetFaults(spec, name);
  await clearMachine(machineOf(spec, name));
  await unmount(paths.root);
  await rm(join(paths.folder, "disk"), withAllInIt);
  await rm(paths.root, withAllInIt);
}

/** Gives hosts a pristine disk and boots them; their keys and machine-id stay. */
export async function labReset(
  spec: LabSpec,
  names?: readonly string[],
  progress: LabProgress = quiet,
): Promise<void> {
  const hosts = named(spec, names);
  await ensureImage(spec, progress);
  await withLabLock(spec, progress, async () => {
    await refuseUsed(spec);
    await ensureKeys(spec);
    await networkUp(spec);
    await Promise.all(hosts.map((h) => discard(spec, h.name)));
    await boot(spec, hosts, progress);
  });
}

/** A power cut: the hosts end at once and stay off. */
export async function labPowerOff(spec: LabSpec, names: readonly string[]): Promise<void> {
  await Promise.all(named(spec, names).map((h) => killMachine(machineOf(spec, h.name))));
}

/** Boots hosts that are off, from the disk they had. */
export async function labPowerOn(spec: LabSpec, names: readonly string[]): Promise<void> {
  await withLock(labPaths(spec.name).lock, () => boot(spec, named(spec, names), quiet));
}

/** Does a host harm, until it is healed; all of it, or none. */
export async function labFault(
  spec: LabSpec,
  name: string,
  faults: Faults,
  progress: LabProgress = quiet,
): Promise<Harm> {
  named(spec, [name]);
  return withLock(labPaths(spec.name).lock, () => inflict(spec, name, faults, progress));
}

/** Takes from hosts what is wrong with them on purpose, boots those whose power was cut, and gives what it was. */
export async function labHeal(spec: LabSpec, names?: readonly string[]): Promise<Record<string, Faults>> {
  return withLock(labPaths(spec.name).lock, async () => {
    const healed: Record<string, Faults> = {};
    const off: LabHost[] = [];
    for (const host of named(spec, names)) {
      const faults = await heal(spec, host.name);
      if (faults) healed[host.name] = faults;
      if (faults?.kill) off.push(host);
    }
    await boot(spec, off, quiet);
    return healed;
  });
}

/** Reboots hosts from inside, and waits until they are up again. */
export async function labReboot(spec: LabSpec, names: readonly string[]): Promise<void> {
  await Promise.all(
    named(spec, names).map(async (host) => {
      await refuseFaulty(spec, host.name);
      const before = await initPid(machineOf(spec, host.name));
      await labExec(spec, host.name, ["systemctl", "reboot"], "ignore");
      for (let tries = 0; tries < 600 && (await initPid(machineOf(spec, host.name))) === before; tries += 1)
        await sleep(50);
      await waitUntilUp(spec, host);
    }),
  );
}

/** A shell on a host, or one command with its output and exit code. */
export async function labExec(
  spec: LabSpec,
  name: string,
  argv: readonly string[] | null,
  stdio: "inherit" | "ignore" = "inherit",
): Promise<number> {
  const [host] = named(spec, [name]);
  if ((await initPid(machineOf(spec, name))) === undefined) {
    throw new CausewayError("lab", `lab host ${name} is down`, {
      advice: `${ownCommand("lab up")}, with the same -i`,
    });
  }
  const { privateKeyFile, knownHostsFile } = labConnection(spec);
  const options = [
    "-F",
    "none",
    "-i",
    privateKeyFile,
    "-o",
    "IdentitiesOnly=yes",
    "-o",
    `UserKnownHostsFile=${knownHostsFile}`,
    "-o",
    "LogLevel=ERROR",
  ];
  // One word is a line for the host's shell, as with ssh; of several each stays what it is.
  const words = argv?.length === 1 ? argv : (argv ?? []).map(quoteAlways);
  const $ = (await here())({ stdio, nothrow: true });
  return (await $`ssh ${options} root@${host?.address ?? ""} ${words}`).exitCode ?? 255;
}
