import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { packageDir } from "../package-dir.ts";
import { command } from "./command.ts";
import { endBuild, importBusybox } from "./image-docker.ts";
import { contentWords, type ImageContent, images } from "./images.ts";
import { withLock } from "./lock.ts";
import { imagesFolder } from "./paths.ts";
import type { LabProgress, LabSpec } from "./types.ts";

const recipeFile = join(packageDir, "src/lab/image-recipe.sh");

/** Which image a lab's hosts are made of. */
export type ImageChoice = Pick<LabSpec, "image" | "mirror">;

/** Where the image lies; another recipe or mirror is another image. */
export async function imageFolder(spec: ImageChoice): Promise<string> {
  const recipe = await readFile(recipeFile);
  const hash = createHash("sha256")
    .update(recipe)
    .update(JSON.stringify(images[spec.image]))
    .update(spec.mirror ?? "")
    .digest("hex")
    .slice(0, 12);
  return join(imagesFolder, `${spec.image}-${hash}`);
}

/** The address of the Debian archive that this machine's own apt uses, if it uses one. */
async function machineMirror(): Promise<string | undefined> {
  const format = "$(ORIGIN) $(RELEASE) $(COMPONENT) $(REPO_URI)";
  const listed = await command`apt-get indextargets --format ${format} ${"Created-By: Packages"}`.catch(
    () => "",
  );
  const debian = listed.split("\n").map((line) => line.split(" "));
  // Releases are named by suite or codename; security and updates are archives of their own.
  return debian.find(
    ([origin, , component, uri]) =>
      origin === "Debian" && component === "main" && !/security/.test(uri ?? ""),
  )?.[3];
}

function recipeVariables({ suite, docker, dockerOf, packages, local }: ImageContent): string[] {
  return [
    `SUITE=${suite}`,
    `DOCKER=${docker}`,
    `DOCKER_OF=${dockerOf ?? ""}`,
    `PACKAGES=${packages.join(" ")}`,
    `LOCAL=${local.join(" ")}`,
  ];
}

/** Builds the image unless it is there; of two at once, one builds and the other waits. */
export async function ensureImage(spec: ImageChoice, progress: LabProgress): Promise<string> {
  const folder = await imageFolder(spec);
  if (existsSync(folder)) return folder;
  await mkdir(imagesFolder, { recursive: true });
  return withLock(`${folder}.lock`, async () => {
    if (existsSync(folder)) return folder;
    progress(`building the lab image ${spec.image} (${contentWords(spec.image)}; once, about a minute)`);
    const temporary = `${folder}.new`;
    await endBuild(temporary);
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    const mirror = spec.mirror ?? (await machineMirror());
    await command`env ${recipeVariables(images[spec.image])} sh ${recipeFile} ${temporary} ${mirror ? [mirror] : []}`;
    progress("importing busybox into the image");
    await importBusybox(temporary);
    await rename(temporary, folder);
    return folder;
  });
}

/** A host's own copy of Docker's data, with busybox imported. */
export async function copyDockerData(image: string, target: string): Promise<void> {
  await command`cp -a --reflink=auto ${join(image, "docker")} ${target}`;
}
