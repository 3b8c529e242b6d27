import type { Archive } from "../archives/archive.ts";
import type { Reader } from "../host/reader.ts";
import type { FileState } from "../host/tools/file.ts";
import { noteOf, unpacked, unpackedNote } from "../kinds/file/unpacked.ts";
import type { Consequence, Step } from "../task/step.ts";

/** Programs that come out of one archive, and the note that tells which. */
export interface Programs {
  note: FileState;
  files: readonly FileState[];
}

/** Looks at programs in /usr/local/bin, and at the note of what they came from; `name` is that of the whole software. */
export async function readPrograms(
  host: Reader,
  name: string,
  programs: readonly string[],
): Promise<Programs> {
  const [note, ...files] = await Promise.all([
    host.file(`/usr/local/lib/causeway/${name}.source`),
    ...programs.map((program) => host.file(`/usr/local/bin/${program}`)),
  ]);
  return { note, files };
}

/** The steps to have them out of this very archive. One that was replaced by hand since is unpacked again. */
export function missingPrograms(
  { note, files }: Programs,
  archive: Archive,
  causes: readonly Consequence[] = [],
): Step[] {
  const known = noteOf(note);
  const fits = ({ path, sha256, mode }: FileState) => known.sums.get(path) === sha256 && mode === "755";
  const missing = known.archive === archive.sha256 ? files.filter((file) => !fits(file)) : files;
  if (missing.length === 0) return [];
  const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  return [
    ...missing.map((was) => unpacked({ was, archive, member: nameOf(was.path), causes })),
    unpackedNote({ was: note, archive, files: files.map(({ path }) => path) }),
  ];
}
