import { chmodSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { folderWith } from "../files.ts";
import type { Sample } from "./corpus.ts";

export interface Answer {
  /** What `ansible-inventory --list` prints. */
  list: Record<string, unknown> | null;
  /** Whom a pattern names, in order, and whether a word of it named nobody. */
  patterns: Record<string, { hosts: string[]; warned: boolean }>;
}

/** What Ansible answered when it was last asked: `CAUSEWAY_TEST_FULL=1 CAUSEWAY_TEST_RECORD=1` writes it anew. */
export const recorded = fileURLToPath(new URL("answers.json", import.meta.url));

/** Writes the files of a sample into a folder of their own, and gives it. */
export function written({ files }: Sample): string {
  const folder = folderWith(files);
  for (const [name, text] of Object.entries(files))
    if (text.startsWith("#!")) chmodSync(join(folder, name), 0o755);
  return folder;
}

/** What `-i` is given, as it is written in the sample's folder. */
export function namesOf({ files, sources }: Sample): readonly string[] {
  return sources ?? Object.keys(files).slice(0, 1);
}

/** The same from any folder. */
export function sourcesOf(sample: Sample, folder: string): string[] {
  return namesOf(sample).map((one) =>
    sample.files[one] === undefined && /,/.test(one) ? one : join(folder, one),
  );
}

/** A listing as Ansible spells it: hosts of a group keep their order, and one without variables is left out. */
export function asAnsibleLists(list: object): unknown {
  const { _meta, ...groups } = list as { _meta: { hostvars: Record<string, object> } };
  const hostvars = Object.entries(_meta.hostvars).filter(([, vars]) => Object.keys(vars).length > 0);
  return JSON.parse(JSON.stringify({ _meta: { hostvars: Object.fromEntries(hostvars) }, ...groups }));
}
