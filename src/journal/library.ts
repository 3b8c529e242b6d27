import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { endChildrenFunction } from "../host/end-children.ts";
import { sh } from "../host/sh.ts";
import { kinds } from "../kinds/index.ts";
import { packageDir } from "../package-dir.ts";
import { awaitKeptFunction } from "./await-kept.ts";
import { journalFolder } from "./folder.ts";

let loaded: { text: string; hash: string } | undefined;

/** The shell functions of the journal and of all kinds of step, and the beginning of their checksum, by which a host keeps them. */
export function hostLibrary(): { text: string; hash: string } {
  if (!loaded) {
    const files = [
      "journal/journal.sh",
      "journal/switch.sh",
      "journal/ways.sh",
      "journal/containers.sh",
      "kinds/boot.sh",
      ...kinds.flatMap((k) => k.shell.map((f) => `kinds/${f}`)),
    ];
    const text = [
      listsOfKinds(),
      endChildrenFunction,
      awaitKeptFunction,
      ...files.map((file) => readFileSync(join(packageDir, "src", file), "utf8")),
    ].join("\n");
    loaded = { text, hash: createHash("sha256").update(text).digest("hex").slice(0, 12) };
  }
  return loaded;
}

/** What the records of the kinds say, as the journal's shell functions ask for it. */
function listsOfKinds(): string {
  const among = (trait: "tidies" | "compares" | "foretells" | "brings" | "judges") =>
    `'${kinds.flatMap((kind) => (kind[trait] ? [kind.name] : [])).join(" ")}'`;
  return `cw_kinds_tidy=${among("tidies")} cw_kinds_compare=${among("compares")} cw_kinds_foretell=${among("foretells")} cw_kinds_bring=${among("brings")} cw_kinds_judge=${among("judges")}`;
}

/**
 * The lines by which a script gets the library: off the host's disk where it is known to lie there, whose text is compared
 * with its checksum first, or else as text, which `cw_keep_library` then keeps. Code 78 says that it was not there as it
 * ought to be; the script has done nothing then.
 */
export function libraryLines(known: readonly string[]): string[] {
  const { text, hash } = hostLibrary();
  if (!known.includes(hash)) return [sh`cw_library=${text}`.text, 'eval "$cw_library"'];
  const file = `${journalFolder}/lib-${hash}.sh`;
  return [
    "cw_library=",
    `[ "$(sha256sum <${file} 2>/dev/null | cut -c 1-12)" = ${hash} ] || { echo '@cw nolibrary'; exit 78; }`,
    `. ${file}`,
  ];
}
