import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageDir } from "../package-dir.ts";

const parts = [
  "journal/journal.sh",
  "kinds/boot.sh",
  ...["file/file", "file/archive", "route/route", "rule/rule", "sysctl/sysctl", "unit/unit"].map(
    (kind) => `kinds/${kind}.sh`,
  ),
  ...["package/package", "link/link", "network/network", "run/run"].map((kind) => `kinds/${kind}.sh`),
];

let loaded: { text: string; hash: string } | undefined;

/** The shell functions of the journal and of all kinds of step, and a hash by which a host keeps them. */
export function hostLibrary(): { text: string; hash: string } {
  if (!loaded) {
    const text = parts.map((part) => readFileSync(join(packageDir, "src", part), "utf8")).join("\n");
    loaded = { text, hash: createHash("sha256").update(text).digest("hex").slice(0, 12) };
  }
  return loaded;
}
