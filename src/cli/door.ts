import { fileURLToPath } from "node:url";
import { packageDir } from "../package-dir.ts";

/** What playbooks get when they import `causeway`: this program's own door. */
export function door(): string {
  const here = fileURLToPath(import.meta.url);
  return here.endsWith(".ts") ? `${packageDir}/src/index.ts` : here.replace(/[^/]+$/, "index.mjs");
}
