import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { createTwoFilesPatch } from "diff";
import { CausewayError } from "../errors.ts";
import { type Script, sh } from "../host/sh.ts";
import { type Entry, entryPath } from "../journal/entries.ts";
import { statesScript } from "../journal/script.ts";
import { readJson, withKeys } from "../kinds/file/json.ts";
import type { ShownStep } from "../task/shown-step.ts";
import type { HostRun } from "./host-run.ts";

/** What somebody changed since, or what the journal does not hold whole any more: the entry is left as it is. */
export interface Conflict {
  entry: Entry;
  error: CausewayError;
}

/** How entries can be taken back on one host: simply, by merging keys, or not without force. */
export interface WayBack {
  merges: ReadonlyMap<Entry, Script>;
  conflicts: readonly Conflict[];
  /** Those of them of which the journal does not hold what undoing needs: by force they can only be forgotten. */
  damaged: ReadonlySet<Entry>;
  /** What changes in files, where that was asked for. */
  diffs: ReadonlyMap<Entry, Diff>;
}

type Diff = NonNullable<ShownStep["diff"]>;

/**
 * Looks whether what undoing needs is whole, and what became of files since they were written. Only files can have changes by
 * somebody else.
 */
export async function wayBack(
  host: HostRun,
  entries: readonly Entry[],
  { diff = false }: { diff?: boolean | undefined } = {},
): Promise<WayBack> {
  const merges = new Map<Entry, Script>();
  const diffs = new Map<Entry, Diff>();
  const conflicts: Conflict[] = [];
  const damaged = new Set<Entry>();
  const left = new Map<string, Texts>();
  if (entries.length === 0) return { merges, conflicts, damaged, diffs };
  const files = entries.filter((e) => e.resource.startsWith("file "));
  // A secret's bytes stay on the host.
  const told = diff ? files.filter((e) => !e.secret) : [];
  const ask = (libraries: readonly string[]) =>
    host.session.run(statesScript(entries, { files, diff: told, libraries }).text, {
      shown: "# what became of the files",
    });
  let { stdout, code } = await ask(host.journal.libraries);
  // The library was removed or damaged.
  if (code === 78) ({ stdout, code } = await ask([]));
  if (code !== 0)
    throw new CausewayError("host", "the host does not say what became of what is to be undone", {
      host: host.name,
      found: `code ${code}`,
      output: stdout.slice(-2000),
      advice: "nothing was undone there; run again",
    });
  const states = new Map(
    stdout
      .split(/^state /m)
      .slice(1)
      .map((part) => [part.split(" ")[0], part] as const),
  );
  for (const entry of entries) {
    const damage = new RegExp(`^damaged ${entryPath(entry)} (.*)$`, "m").exec(stdout)?.[1];
    if (damage === undefined) continue;
    damaged.add(entry);
    conflicts.push({ entry, error: damagedError(host, entry, damage) });
  }
  for (const entry of files) {
    if (damaged.has(entry)) continue;
    const told = states.get(entryPath(entry)) ?? "";
    const asRead = textsOf(told);
    if (diff && /^now /m.test(told)) diffs.set(entry, diffOf(entry, asRead, [...diffs.values()]));
    if (!/^\S+ other$/m.test(told)) continue;
    // An older entry of the same file finds what the merge of the newer one left.
    const texts = { ...asRead, ...left.get(pathOf(entry)), before: asRead.before };
    const merged = entry.keys ? mergedText(entry, texts) : undefined;
    if (merged === undefined) conflicts.push({ entry, error: conflictOf(host, entry, texts) });
    else {
      const path = pathOf(entry);
      const shown = diffs.get(entry);
      if (shown) diffs.set(entry, { ...shown, after: merged });
      merges.set(
        entry,
        sh`printf %s ${merged} | cw_file_merge ${path} ${texts.sha256} ${texts.mode} ${texts.owner}`,
      );
      left.set(path, { ...texts, now: merged, sha256: createHash("sha256").update(merged).digest("hex") });
    }
  }
  return { merges, conflicts, damaged, diffs };
}

/** What changes in a file; where a newer entry of it is taken back first, from what that leaves. */
function diffOf(entry: Entry, { now, before }: Texts, newer: readonly Diff[]): Diff {
  const path = pathOf(entry);
  return { path, before: newer.findLast((diff) => diff.path === path)?.after ?? now, after: before };
}

interface Texts {
  now: string;
  before: string;
  sha256: string;
  mode: string;
  owner: string;
}

function textsOf(told: string): Texts {
  const decoded = (word: string) =>
    Buffer.from(new RegExp(`^${word} (.*)$`, "m").exec(told)?.[1] ?? "", "base64").toString("utf8");
  const [, sha256 = "absent", mode = "644", owner = "0:0"] = /^meta (\S+) (\S+) (\S+)$/m.exec(told) ?? [];
  return { now: decoded("now"), before: decoded("before"), sha256, mode, owner };
}

/** The path of a file's entry. */
function pathOf({ resource }: Entry): string {
  return resource.replace(/^file /, "");
}

/** The file as it is now, with our keys as they were before; undefined when somebody else changed a key of ours since. */
function mergedText(entry: Entry, { now, before }: Texts): string | undefined {
  const path = pathOf(entry);
  const state = (content: string) => ({ path, kind: "file", content }) as Parameters<typeof readJson>[0];
  try {
    const [present, earlier] = [readJson(state(now)), readJson(state(before))];
    const ours = Object.entries(entry.keys ?? {});
    const still = ours.every(
      ([key, value]) =>
        isDeepStrictEqual(present[key] ?? null, value) || isDeepStrictEqual(present[key], earlier[key]),
    );
    if (!still) return undefined;
    return withKeys(now, Object.fromEntries(ours.map(([key]) => [key, earlier[key]])));
  } catch {
    // It is no longer JSON: only its owner can fix it.
    return undefined;
  }
}

function conflictOf(host: HostRun, entry: Entry, { now, before }: Texts): CausewayError {
  const path = pathOf(entry);
  const common = {
    host: host.name,
    task: `${entry.task} ${entry.key}`,
    advice: "copy the lines that you want to keep, then run again with --force to restore the old file",
  };
  const message = `${path} was changed by somebody since; it is left as it is`;
  if (entry.secret)
    return new CausewayError("host", message, { ...common, found: "a file with a secret, not shown" });
  const difference = createTwoFilesPatch(`${path} (now)`, `${path} (before causeway)`, now, before, "", "", {
    context: 2,
  });
  const output = difference.split("\n").slice(1, 40).join("\n");
  return new CausewayError("host", message, { ...common, output });
}

function damagedError(host: HostRun, entry: Entry, found: string): CausewayError {
  return new CausewayError("host", `${entry.what} is left as it is: what its undo needs is damaged`, {
    host: host.name,
    task: `${entry.task} ${entry.key}`,
    found,
    expected: `what run ${entry.run} saved there, with the checksums in ${entry.n}.sum`,
    advice:
      "restore these files from a backup of this host, and run the same command again; or undo it by hand, and run again with --force, which only removes it from the journal",
  });
}

/** What a step said of itself when it was planned: it cannot be undone. */
export function lastingError(host: HostRun, entry: Entry): CausewayError {
  return new CausewayError("host", `${entry.what} cannot be undone`, {
    host: host.name,
    task: `${entry.task} ${entry.key}`,
    found: entry.irreversible ?? "",
    advice: "undo it by hand, then run again with --force, which removes it from the journal",
  });
}
