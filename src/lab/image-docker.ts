import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CausewayError } from "../errors.ts";
import { command, succeeds } from "./command.ts";
import { initPid, killMachine, type Machine, removeCgroup, startMachine } from "./machine.ts";

/** Boots the image once, without a network, and has its Docker import busybox; the data is kept beside the image. */
export async function importBusybox(image: string): Promise<void> {
  const folder = join(image, "import");
  const netns = "causeway-image";
  const machine: Machine = {
    name: "image",
    netnsPath: `/run/netns/${netns}`,
    paths: {
      folder,
      keeper: join(folder, "keeper"),
      off: join(folder, "off"),
      log: join(image, "import.log"),
      cgroup: "causeway-lab/image",
    },
  };
  for (const part of ["root", "disk/upper", "disk/work", "disk/docker"])
    await mkdir(join(folder, part), { recursive: true });
  await command(
    "mount",
    "-t",
    "overlay",
    "overlay",
    "-o",
    `lowerdir=${join(image, "root")},upperdir=${join(folder, "disk/upper")},workdir=${join(folder, "disk/work")}`,
    join(folder, "root"),
  );
  if (!existsSync(machine.netnsPath)) await command("ip", "netns", "add", netns);
  await command(
    "nsenter",
    `--net=${machine.netnsPath}`,
    "sh",
    "-c",
    "ip link show br0 >/dev/null 2>&1 || ip link add br0 type bridge",
  );
  try {
    await startMachine(machine);
    await importWhenReady(machine, join(image, "busybox.tar"));
  } finally {
    await killMachine(machine);
    await removeCgroup(machine.paths.cgroup);
    await command("umount", join(folder, "root"));
    await command("ip", "netns", "del", netns);
  }
  await command("mv", join(folder, "disk/docker"), join(image, "docker"));
  // Networks get their ids on each host.
  await rm(join(image, "docker/network"), { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
}

async function importWhenReady(machine: Machine, tar: string): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    const pid = await initPid(machine);
    const inside = ["-t", String(pid), "--mount", "--pid", "--net", "--uts", "--ipc", "--root"];
    if (
      pid !== undefined &&
      (await succeeds("nsenter", ...inside, "systemctl", "is-active", "-q", "docker"))
    ) {
      await command(
        "sh",
        "-c",
        `nsenter ${inside.join(" ")} docker import - busybox:latest <"$1"`,
        "sh",
        tar,
      );
      await command("nsenter", ...inside, "systemctl", "stop", "docker.socket", "docker.service");
      return;
    }
    await sleep(100);
  }
  throw new CausewayError("lab", "Docker did not start in the new lab image within 30 s", {
    advice: `read ${machine.paths.log}`,
  });
}
