import type { Kind } from "../kind.ts";
import { file } from "./file.ts";
import { jsonKeys } from "./json.ts";
import { madeFile } from "./made-file.ts";
import { pushedFile } from "./pushed-file.ts";
import { unpacked, unpackedNote } from "./unpacked.ts";

const steps = { file, madeFile, pushedFile, unpacked, unpackedNote, jsonKeys };

export const fileKind: Kind<typeof steps> = {
  name: "file",
  shell: ["file/file.sh", "file/archive.sh"],
  steps,
  tidies: true,
  compares: true,
  foretells: true,
};
