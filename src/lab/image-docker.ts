import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CausewayError } from "../errors.ts";
import { command, onHost, succeeds } from "./command.ts";
import { clearMachine, initPid, killMachine, type Machine, startMachine } from "./machine.ts";

/** The machine that boots an image while it is built; two images can be built at once. */
function machineOf(image: string): Machine {
  const folder = join(image, "import");
  return {
    name: `image.${basename(image)}`,
    hostname: "image",
    netnsPath: `/run/netns/${netnsOf(image)}`,
    unified: false,
    paths: {
      folder,
      keeper: join(folder, "keeper"),
      off: join(folder, "off"),
      log: join(image, "import.log"),
      cgroup: `causeway-lab/image-${basename(image)}`,
    },
  };
}

const netnsOf = (image: string) => `causeway-image-${basename(image)}`;

/** Ends what is left of a build, also of one that was killed: its machine, and the mount that would keep its folder. */
export async function endBuild(image: string): Promise<void> {
  const machine = machineOf(image);
  await killMachine(machine);
  await clearMachine(machine);
  const root = join(machine.paths.folder, "root");
  if (await succeeds`mountpoint -q ${root}`) await command`umount ${root}`;
  if (existsSync(machine.netnsPath)) await command`ip netns del ${netnsOf(image)}`;
}

/** Boots the image once, without a network, and has its Docker import busybox; the data is kept beside the image. */
export async function importBusybox(image: string): Promise<void> {
  const machine = machineOf(image);
  const { folder } = machine.paths;
  for (const part of ["root", "disk/upper", "disk/work", "disk/docker"])
    await mkdir(join(folder, part), { recursive: true });
  const layers = `lowerdir=${join(image, "root")},upperdir=${join(folder, "disk/upper")},workdir=${join(folder, "disk/work")}`;
  await command`mount -t overlay overlay -o ${layers} ${join(folder, "root")}`;
  await command`ip netns add ${netnsOf(image)}`;
  const inside = ["nsenter", `--net=${machine.netnsPath}`];
  await command`${inside} ip link add br0 type bridge`;
  try {
    await startMachine(machine);
    await importWhenReady(machine, join(image, "busybox.tar"));
  } finally {
    await endBuild(image);
  }
  await command`mv ${join(folder, "disk/docker")} ${join(image, "docker")}`;
  // Networks get their ids on each host.
  await rm(join(image, "docker/network"), { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
}

async function importWhenReady(machine: Machine, tar: string): Promise<void> {
  for (let tries = 0; tries < 1200; tries += 1) {
    const pid = await initPid(machine);
    if (pid !== undefined && (await succeeds`${onHost(pid)} systemctl is-active -q docker`)) {
      await command`${onHost(pid)} docker import - busybox:latest <${tar}`;
      await command`${onHost(pid)} systemctl stop docker.socket docker.service`;
      return;
    }
    await sleep(100);
  }
  throw new CausewayError("lab", "Docker did not start in the new lab image within 2 minutes", {
    advice: `read ${machine.paths.log}`,
  });
}
