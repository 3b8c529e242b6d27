import { existsSync } from "node:fs";
import { chmod, chown, copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ownCommand } from "../own-command.ts";
import { command } from "./command.ts";
import { copyDockerData, ensureImage } from "./image.ts";
import { images } from "./images.ts";
import { gateway } from "./network.ts";
import { hostPaths, labPaths, withAllInIt } from "./paths.ts";
import type { LabProgress, LabSpec } from "./types.ts";

/** The lab's own key, and one host key a host: made once, kept over resets, so that known_hosts stays right. */
export async function ensureKeys(spec: LabSpec): Promise<void> {
  const lab = labPaths(spec.name);
  await mkdir(lab.hosts, { recursive: true, mode: 0o700 });
  await ensureKey(lab.privateKey, `causeway lab ${spec.name}`);
  const lines = [];
  for (const { name, address } of spec.hosts) {
    const paths = hostPaths(spec, name);
    await mkdir(paths.folder, { recursive: true });
    await ensureKey(paths.hostKey, name);
    const [type, key] = (await readFile(`${paths.hostKey}.pub`, "utf8")).split(" ");
    lines.push(`${address} ${type} ${key}\n`);
    if (!existsSync(paths.machineId)) {
      await writeFile(
        paths.machineId,
        `${(await readFile("/proc/sys/kernel/random/uuid", "utf8")).replaceAll("-", "").trim()}\n`,
      );
    }
  }
  await writeFile(lab.knownHosts, lines.join(""), { mode: 0o600 });
}

async function ensureKey(file: string, comment: string): Promise<void> {
  if (!existsSync(`${file}.pub`)) await rm(file, { force: true });
  if (!existsSync(file)) await command`ssh-keygen -q -t ed25519 -N ${""} -C ${comment} -f ${file}`;
}

/** A disk as the image has it, with the host's own name, address and keys; one that is there is kept. */
export async function ensureDisk(
  spec: LabSpec,
  host: { name: string; address: string },
  progress: LabProgress,
): Promise<void> {
  const paths = hostPaths(spec, host.name);
  const image = await ensureImage(spec, progress);
  const complete = join(paths.folder, "disk/complete");
  if (!existsSync(complete)) {
    await rm(join(paths.folder, "disk"), withAllInIt);
    await mkdir(paths.work, { recursive: true });
    await writeIdentity(spec, host);
    await copyDockerData(image, paths.docker);
    await writeFile(complete, `${image}\n`);
  }
  const own = (await readFile(complete, "utf8")).trim();
  if (!basename(own).startsWith(`${spec.image}-`))
    progress(
      `${host.name} keeps its disk, of the image ${basename(own)}: ${ownCommand("lab reset", host.name)} gives it one of ${spec.image}`,
    );
  await mkdir(paths.root, { recursive: true });
  if (!existsSync(join(paths.root, "usr"))) {
    const lower = join(own, "root");
    const layers = `lowerdir=${lower},upperdir=${paths.upper},workdir=${paths.work}`;
    await command`mount -t overlay overlay -o ${layers} ${paths.root}`;
  }
}

async function writeIdentity(spec: LabSpec, host: { name: string; address: string }): Promise<void> {
  const paths = hostPaths(spec, host.name);
  const { address: gatewayAddress, prefix } = gateway(spec);
  const names = spec.hosts.map((h) => `${h.address} ${h.name}`).join("\n");
  const put = async (path: string, text: string, mode = 0o644) => {
    const file = join(paths.upper, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { mode });
  };
  await put("etc/hostname", `${host.name}\n`);
  await put("etc/hosts", `127.0.0.1 localhost\n${names}\n`);
  await put("etc/lab-network", `${host.address}/${prefix} ${gatewayAddress}\n`);
  await put("etc/machine-id", await readFile(paths.machineId, "utf8"), 0o444);
  // OpenSSH 9.8 and newer shuts out who often connects without logging in, as whoever asks for the lab's status does.
  if (images[spec.image].suite === "trixie")
    await put("etc/ssh/sshd_config.d/lab-status.conf", "PerSourcePenalties no\n");
  for (const end of ["", ".pub"]) {
    const key = join(paths.upper, `etc/ssh/ssh_host_ed25519_key${end}`);
    await mkdir(dirname(key), { recursive: true });
    await copyFile(`${paths.hostKey}${end}`, key);
    await chmod(key, end ? 0o644 : 0o600);
  }
  const authorized = await readFile(`${labPaths(spec.name).privateKey}.pub`, "utf8");
  for (const [home, id] of [
    ["root", 0],
    ["home/ops", 1000],
    ["home/ops-nopass", 1001],
  ] as const) {
    await put(`${home}/.ssh/authorized_keys`, authorized, 0o600);
    await chmod(join(paths.upper, home, ".ssh"), 0o700);
    for (const part of ["", ".ssh", ".ssh/authorized_keys"])
      await chown(join(paths.upper, home, part), id, id);
    await chmod(join(paths.upper, home), id === 0 ? 0o700 : 0o755);
  }
}

export async function unmount(folder: string): Promise<void> {
  const mounts = await readFile("/proc/self/mounts", "utf8");
  if (mounts.split("\n").some((line) => line.split(" ")[1] === folder)) await command`umount ${folder}`;
}
