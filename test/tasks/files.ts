import type { FileState } from "../../src/host/tools/file.ts";

/** A file as it is read. */
export function fileWith(path: string, content: string): FileState {
  return {
    path,
    kind: "file",
    mode: "600",
    uid: 0,
    gid: 0,
    size: content.length,
    sha256: "0".repeat(64),
    content,
  };
}

/** A path where nothing is. */
export function noFile(path: string): FileState {
  return { path, kind: "absent", mode: "", uid: 0, gid: 0, size: 0, sha256: "absent", content: "" };
}
