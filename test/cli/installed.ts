import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { packageDir } from "../../src/package-dir.ts";

/** What `npm install` makes in the folder of a project, without a registry: links to what is here already. */
export function linkPackages(folder: string): void {
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, ".bin"), { recursive: true });
  mkdirSync(join(modules, "@types"));
  for (const name of ["tsx", "typescript", "@types/node"])
    symlinkSync(join(packageDir, "node_modules", name), join(modules, name));
  symlinkSync(packageDir, join(modules, "causeway"));
  symlinkSync(join(packageDir, "run"), join(modules, ".bin/run"));
  symlinkSync(join(packageDir, "node_modules/typescript/bin/tsc"), join(modules, ".bin/tsc"));
}
