import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function above(folder: string): string {
  return existsSync(join(folder, "package.json")) ? folder : above(dirname(folder));
}

/** The folder of this package, from the sources as from the bundle. */
export const packageDir: string = above(dirname(fileURLToPath(import.meta.url)));

/** Where a file that a person names is looked for: a path as it is, a bare name in its folder; here, then in this package. */
export function foldersFor(given: string, folder: "playbooks" | "inventory"): string[] {
  if (!given.includes("/")) return ["", folder, join(packageDir, folder)];
  return given.startsWith(`${folder}/`) ? ["", packageDir] : [""];
}
