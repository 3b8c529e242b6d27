/** A path on a host, as it was read. */
export interface FileState {
  path: string;
  kind: "absent" | "file" | "folder";
  /** Permission bits in octal, `644`; empty when absent. */
  mode: string;
  uid: number;
  gid: number;
  size: number;
  /** The checksum in hexadecimal, or `absent`: what a writing script compares with. */
  sha256: string;
  /** The whole text; empty for a file of more than 1 MiB. */
  content: string;
}

/** Parses what the reader's script prints of a path. */
export function parseFile(path: string, text: string): FileState {
  const none = { path, mode: "", uid: 0, gid: 0, size: 0, sha256: "absent", content: "" };
  if (text.startsWith("absent")) return { ...none, kind: "absent" };
  if (text.startsWith("folder")) return { ...none, kind: "folder" };
  const first = text.indexOf("\n");
  const second = text.indexOf("\n", first + 1);
  const [, mode = "", uid, gid, size] = text.slice(0, first).split(" ");
  return {
    path,
    kind: "file",
    mode,
    uid: Number(uid),
    gid: Number(gid),
    size: Number(size),
    sha256: text.slice(first + 1, first + 65),
    content: text.slice(second + 1),
  };
}
