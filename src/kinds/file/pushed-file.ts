import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { CausewayError } from "../../errors.ts";
import { sh } from "../../host/sh.ts";
import type { FileState } from "../../host/tools/file.ts";
import type { Consequence, Step } from "../../task/step.ts";

/** A file of the controller, by its checksum. */
export interface LocalFile {
  path: string;
  sha256: string;
  size: number;
}

const known = new Map<string, LocalFile & { mtimeMs: number }>();

/** Looks at a file of the controller, once for each state of it. */
export function localFile(path: string): LocalFile {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile())
    throw new CausewayError("variables", `the file ${path} does not exist`, {
      found: stat ? "not a file" : "nothing",
      expected: "a file on this machine, where the run was started",
    });
  const before = known.get(path);
  if (before?.mtimeMs === stat.mtimeMs && before.size === stat.size) return before;
  const sha256 = createHash("sha256").update(readFileSync(path)).digest("hex");
  const file = { path, sha256, size: stat.size, mtimeMs: stat.mtimeMs };
  known.set(path, file);
  return file;
}

/** Where a file of the controller waits for its step: on a disk, for root only; what is left there goes when the run ends. */
export function parked(name: string): string {
  return `/var/lib/causeway/parked-${name}`;
}

export interface PushedFileStep {
  was: FileState;
  from: LocalFile;
  mode?: string;
  /** `user:group`; root without it. */
  owner?: string;
  causes?: readonly Consequence[];
}

/** Puts a file of the controller on the host, whatever is in it and however large it is. */
export function pushedFile({ was, from, mode = "644", owner, causes = [] }: PushedFileStep): Step {
  const there = parked(from.sha256.slice(0, 16));
  return {
    kind: "file",
    what: `file ${was.path}`,
    from: was.kind === "absent" ? null : `${was.size} bytes, sha256 ${was.sha256.slice(0, 12)}…`,
    to: `${basename(from.path)}, ${from.size} bytes, mode ${mode}`,
    resource: ["file", was.path],
    push: { from: from.path, to: there },
    perform: sh`[ "$(sha256sum <${there} | cut -c 1-64)" = ${from.sha256} ] || { echo 'checksum mismatch after the transfer'; exit 1; }
cw_file_swap ${was.path} ${was.sha256} ${mode} ${owner ?? "0:0"} <${there} && rm -f ${there}`,
    touches: [`file:${was.path}`],
    causes,
  };
}
