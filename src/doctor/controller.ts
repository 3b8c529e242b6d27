import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { cacheFolder } from "../cache-folder.mjs";
import { quote } from "../host/sh.ts";
import { packageDir } from "../package-dir.ts";
import type { Finding } from "./finding.ts";

/** What every run needs of this machine. */
export function controllerFindings(): Finding[] {
  return [node(), ssh(), packages(), cache()];
}

/** The launcher refuses one that is too old. */
function node(): Finding {
  return { about: "Node", level: "ok", found: process.versions.node };
}

function ssh(): Finding {
  const { stderr, error } = spawnSync("ssh", ["-V"], { encoding: "utf8" });
  if (!error) return { about: "ssh", level: "ok", found: stderr.trim() };
  return {
    about: "ssh",
    level: "missing",
    found: "not on the PATH: ~/.ssh/config is read by it, and certificates need it",
    fix: "apt-get install -y openssh-client",
  };
}

/** Those that this package depends on, found as Node finds them. */
function packages(): Finding {
  const file = join(packageDir, "package.json");
  const { dependencies } = JSON.parse(readFileSync(file, "utf8")) as { dependencies: Record<string, string> };
  const folders = createRequire(file).resolve.paths("x") ?? [];
  const names = Object.keys(dependencies);
  const lost = names.filter(
    (name) => !folders.some((folder) => existsSync(join(folder, name, "package.json"))),
  );
  if (lost.length === 0)
    return { about: "npm packages", level: "ok", found: `all ${names.length} are there` };
  return {
    about: "npm packages",
    level: "missing",
    found: `${lost.join(", ")} cannot be found`,
    fix: `cd ${quote(packageDir)} && npm ci --omit=dev`,
  };
}

function cache(): Finding {
  try {
    return { about: "cache", level: "ok", found: cacheFolder(packageDir) };
  } catch (error) {
    return {
      about: "cache",
      level: "missing",
      found: (error as Error).message,
      fix: 'export XDG_CACHE_HOME="$(mktemp -d)"',
    };
  }
}
