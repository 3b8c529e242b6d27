import { existsSync } from "node:fs";
import { readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CausewayError } from "../errors.ts";

async function hierarchies(): Promise<string[]> {
  const root = "/sys/fs/cgroup";
  const below = (await readdir(root, { withFileTypes: true }))
    .filter((d) => d.isDirectory())
    .map((d) => join(root, d.name));
  return [
    ...below.filter((d) => existsSync(join(d, "cgroup.procs"))),
    ...(existsSync(join(root, "cgroup.procs")) ? [root] : []),
  ];
}

async function foldersBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const deeper = await Promise.all(
    entries.filter((e) => e.isDirectory()).map((e) => foldersBelow(join(folder, e.name))),
  );
  return [...deeper.flat(), folder];
}

/** Every process that was started in a cgroup, in any hierarchy. */
export async function processesIn(cgroup: string): Promise<Set<number>> {
  const pids = new Set<number>();
  for (const hierarchy of await hierarchies()) {
    for (const folder of await foldersBelow(join(hierarchy, cgroup))) {
      const text = await readFile(join(folder, "cgroup.procs"), "utf8").catch(() => "");
      for (const pid of text.split("\n").filter(Boolean)) pids.add(Number(pid));
    }
  }
  return pids;
}

/** Removes a cgroup in every hierarchy, with all below it, and the folders above it that are left empty. */
export async function removeCgroup(cgroup: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    for (let tries = 0; tries < 40 && existsSync(join(hierarchy, cgroup)); tries += 1) {
      for (const folder of await foldersBelow(join(hierarchy, cgroup))) await rmdir(folder).catch(() => {});
      if (existsSync(join(hierarchy, cgroup))) await sleep(25);
    }
    const parts = cgroup.split("/");
    for (let length = parts.length - 1; length > 0; length -= 1) {
      await rmdir(join(hierarchy, ...parts.slice(0, length))).catch(() => {});
    }
  }
}

/** How a cgroup is frozen and thawed: in the freezer's own hierarchy (cgroup v1), or in the one that there is (v2). */
async function freezerOf(
  cgroup: string,
): Promise<{ file: string; frozen: string; thawed: string } | undefined> {
  const ways = [
    { name: "freezer.state", frozen: "FROZEN", thawed: "THAWED" },
    { name: "cgroup.freeze", frozen: "1", thawed: "0" },
  ];
  const folders = (await hierarchies()).map((hierarchy) => join(hierarchy, cgroup));
  return ways
    .flatMap(({ name, ...words }) => folders.map((folder) => ({ file: join(folder, name), ...words })))
    .find(({ file }) => existsSync(file));
}

/** Stops every process of a cgroup where it is, until it is thawed; returns once they stand still. */
export async function freeze(cgroup: string): Promise<void> {
  const freezer = await freezerOf(cgroup);
  if (freezer === undefined)
    throw new CausewayError("lab", "this kernel has no freezer for cgroups, so a host cannot be frozen", {
      expected: "freezer.state (cgroup v1) or cgroup.freeze (v2) below /sys/fs/cgroup",
    });
  const { file, frozen } = freezer;
  // The first one may leave it at FREEZING; the second asks for what is left.
  for (let tries = 0; tries < 200; tries += 1) {
    await writeFile(file, frozen);
    if ((await readFile(file, "utf8")).trim() === frozen) return;
    await sleep(25);
  }
  throw new CausewayError("lab", "not every process of the host could be frozen within 5 s", { found: file });
}

/** Lets them go on; one that is not frozen stays as it is. */
export async function thaw(cgroup: string): Promise<void> {
  const freezer = await freezerOf(cgroup);
  // It may just be going away.
  if (freezer) await writeFile(freezer.file, freezer.thawed).catch(() => {});
}
