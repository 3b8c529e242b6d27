import { createHash } from "node:crypto";
import type { FileState } from "../../src/host/tools/file.ts";
import { fileWith } from "./files.ts";

/** Where the files of these tables are. */
export const path = "/etc/app.conf";

/** The file with a text, as it is read: with its own checksum. */
export function there(content: string, more: Partial<FileState> = {}): FileState {
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { ...fileWith(path, content), mode: "644", sha256, ...more };
}
