import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { imageFolder } from "./image.ts";
import { type ImageContent, type ImageName, imageNames, images } from "./images.ts";

/** What people choose an image by: the package that says it, and its short name. */
const telling = {
  "docker.io": "docker",
  systemd: "systemd",
  iptables: "iptables",
  "etcd-server": "etcd",
  consul: "consul",
  "wireguard-go": "wireguard-go",
} as const;

export interface ImageStatus {
  name: ImageName;
  suite: string;
  built: boolean;
  /** `docker 28.5.2`, `etcd 3.5.16`, …; of an image that is not built what is known beforehand: `docker 28`, `etcd`. */
  has: string[];
}

/** Every image: what is in those that are built, and what would be in the others. */
export async function imagesStatus(mirror?: string): Promise<ImageStatus[]> {
  return Promise.all(
    imageNames.map(async (name) => {
      const folder = await imageFolder({ image: name, ...(mirror ? { mirror } : {}) });
      const packages = await readFile(join(folder, "packages"), "utf8").catch(() => undefined);
      const { suite } = images[name];
      return packages === undefined
        ? { name, suite, built: false, has: expected(images[name]) }
        : { name, suite, built: true, has: versionsIn(packages) };
    }),
  );
}

function expected({ docker, packages, local }: ImageContent): string[] {
  const others = Object.entries(telling).flatMap(([name, short]) =>
    [...packages, ...local].includes(name) ? [short] : [],
  );
  return [`docker ${docker.replace(/\.$/, "")}`, ...others];
}

/** Of lines `NAME VERSION`. Debian's version is `1:2.3.4+dfsg1-5`; people speak of 2.3.4. */
export function versionsIn(packages: string): string[] {
  const versions = new Map(packages.split("\n").map((line) => line.split(" ") as [string, string]));
  return Object.entries(telling).flatMap(([name, short]) => {
    const version = versions.get(name)?.match(/^(?:\d+:)?([0-9.]+)/)?.[1];
    return version === undefined ? [] : [`${short} ${version}`];
  });
}
