import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function above(folder: string): string {
  return existsSync(join(folder, "package.json")) ? folder : above(dirname(folder));
}

/** The folder of this package, from the sources as from the bundle. */
export const packageDir: string = above(dirname(fileURLToPath(import.meta.url)));
