import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageFolderKey } from "./cache-folder.mjs";

function above(folder: string): string {
  return existsSync(join(folder, "package.json")) ? folder : above(dirname(folder));
}

/** The folder of this package, from the sources as from the bundle, which may lie in a cache elsewhere. */
export const packageDir: string =
  (globalThis as { [packageFolderKey]?: string })[packageFolderKey] ??
  above(dirname(fileURLToPath(import.meta.url)));

/** Where a file that a person names is looked for: a path as it is, a bare name in its folder; here, then in this package. */
export function foldersFor(given: string, folder: "playbooks" | "inventory"): string[] {
  if (!given.includes("/")) return ["", folder, join(packageDir, folder)];
  return given.startsWith(`${folder}/`) ? ["", packageDir] : [""];
}
