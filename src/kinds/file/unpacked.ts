import { basename } from "node:path";
import type { Archive, ArchiveMember } from "../../archives/archive.ts";
import { sh } from "../../host/sh.ts";
import type { FileState } from "../../host/tools/file.ts";
import type { Consequence, Step } from "../../task/step.ts";
import { parked } from "./pushed-file.ts";

export interface UnpackedStep extends ArchiveMember {
  was: FileState;
  /** In octal; 755, which a program needs. */
  mode?: string;
  causes?: readonly Consequence[];
}

/**
 * Puts a file out of an archive on the host. Nothing is downloaded before the step is performed, and nothing is unpacked
 * from an archive with another checksum.
 */
export function unpacked({ was, archive, member, mode = "755", causes = [] }: UnpackedStep): Step {
  const { url, sha256 } = archive;
  const common: Omit<Step, "perform"> = {
    kind: "file",
    what: `file ${was.path}`,
    from: was.kind === "absent" ? null : `${was.size} bytes, sha256 ${was.sha256.slice(0, 12)}…`,
    to: `${basename(member)} out of ${archiveName(url)}, sha256 ${sha256.slice(0, 12)}…, mode ${mode}`,
    resource: ["file", was.path],
    touches: [`file:${was.path}`],
    causes,
    timeoutMs: 600_000,
  };
  if (archive.fetch === "host")
    return {
      ...common,
      perform: sh`cw_archive_put ${url} ${sha256} ${member} ${was.path} ${was.sha256} ${mode}`,
    };
  const there = parked(`${sha256.slice(0, 16)}-${member.replaceAll("/", "_")}`);
  return {
    ...common,
    push: { from: { archive, member }, to: there },
    perform: sh`cw_file_swap ${was.path} ${was.sha256} ${mode} 0:0 <${there} && rm -f ${there}`,
  };
}

export interface UnpackedNoteStep {
  was: FileState;
  archive: Archive;
  /** The files that are on the host by now. */
  files: readonly string[];
}

/** Notes on the host which archive files came out of: their own checksums are not known before they are there. */
export function unpackedNote({ was, archive: { url, sha256 }, files }: UnpackedNoteStep): Step {
  return {
    kind: "file",
    what: `file ${was.path}`,
    from: was.kind === "absent" ? null : `archive ${noteOf(was).archive.slice(0, 12)}…`,
    to: `archive ${sha256.slice(0, 12)}…, ${archiveName(url)}`,
    resource: ["file", was.path],
    perform: sh`cw_archive_note ${was.path} ${was.sha256} ${sha256} ${files}`,
    touches: [`file:${was.path}`],
    causes: [],
  };
}

/** What such a note says: the archive's checksum, and that of each file. */
export function noteOf({ content }: FileState): { archive: string; sums: ReadonlyMap<string, string> } {
  const sums = [...content.matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm)];
  return {
    archive: /^archive ([0-9a-f]{64})$/m.exec(content)?.[1] ?? "",
    sums: new Map(sums.map(([, sum = "", path = ""]) => [path, sum])),
  };
}

/** Without the query, which may be anything. */
function archiveName(url: string): string {
  return basename(new URL(url).pathname);
}
