import { CausewayError } from "../errors.ts";
import { rawScript, type Script } from "../host/sh.ts";
import type { Consequence } from "../task/step.ts";

/** The version of the layout in `/var/lib/causeway`; a newer one is refused. */
export const journalFormat = 1;

/** Where the journal lies on a host, for root only. */
export const journalFolder = "/var/lib/causeway";

/** One step as the journal knows it. Owner, task and key are its identity. */
export interface Entry {
  run: string;
  /** Its number within the run, from 1, four digits. */
  n: string;
  owner: string;
  task: string;
  key: string;
  play: number;
  kind: string;
  what: string;
  from: string | null;
  to: string | null;
  causes: readonly Consequence[];
  irreversible?: string;
  /** For keys of a JSON file: what they were set to; null for a key that was taken away. */
  keys?: Readonly<Record<string, unknown>>;
  /** The entry that this one took back, `RUN/N`: a removal. */
  closes?: string;
  /** Whether it was performed to its end. */
  done: boolean;
  undone: boolean;
}

/** One run as a host remembers it. */
export interface RunRecord {
  id: string;
  playbook: string;
  owns: string | null;
  /** ISO 8601, by the controller's clock. */
  started: string;
  user: string;
  machine: string;
  hosts: readonly string[];
  /** `done`, `failed`, `interrupted`, `rolled back`; undefined when it never said how it ended. */
  end?: string;
}

/** A host's journal, as one read brought it. */
export interface Journal {
  /** `RUN N` of the newest entry; empty where nothing was ever done. */
  head: string;
  runs: readonly RunRecord[];
  entries: readonly Entry[];
  /** Who holds the lock, in words, if anybody who lives. */
  holder?: string;
}

/** Reads the journal in one command: head, lock, and the runs of which something stands, with their entries. */
export const readJournalScript: Script = rawScript(`cd ${journalFolder} 2>/dev/null || exit 0
echo "format $(cat format 2>/dev/null)"
echo "head $(cat head 2>/dev/null)"
if read -r pid started boot who 2>/dev/null <lock; then
  read -r stat 2>/dev/null <"/proc/$pid/stat" && set -- \${stat##*) } && shift 19 && [ "$1" = "$started" ] &&
    [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] && echo "holder $who"
fi
for run in runs/*/; do
  [ -f "$run/run.json" ] && printf 'run ' && cat "$run/run.json"
  [ -f "$run/end" ] && printf 'end %s ' "\${run#runs/}" && cat "$run/end"
done
cat runs/*/[0-9]*.json 2>/dev/null | sed 's/^/entry /'
printf 'mark %s\\n' runs/*/*.done runs/*/*.undone
true`);

/** The runs of which nothing stands any more, for the history. */
export const readOldRunsScript: Script = rawScript(`cd ${journalFolder}/old 2>/dev/null || exit 0
for run in */; do
  [ -f "$run/run.json" ] && printf 'run ' && cat "$run/run.json"
  [ -f "$run/end" ] && printf 'end %s ' "$run" && cat "$run/end"
done
true`);

/** Takes apart what the script prints. A journal of a newer layout is refused. */
export function parseJournal(text: string, host: string): Journal {
  let head = "";
  let holder: string | undefined;
  const runs = new Map<string, RunRecord>();
  const entries: Entry[] = [];
  const marks = new Set<string>();
  for (const line of text.split("\n")) {
    const space = line.indexOf(" ");
    const rest = line.slice(space + 1);
    switch (line.slice(0, space)) {
      case "format":
        if (rest !== "" && Number(rest) > journalFormat) throw newerFormat(host, rest);
        break;
      case "head":
        head = rest.trim();
        break;
      case "holder":
        holder = rest;
        break;
      case "run": {
        const run = record(rest, host) as RunRecord;
        runs.set(run.id, run);
        break;
      }
      case "end": {
        const [, id = "", end = ""] = /^(.*?)\/ (.*)$/.exec(rest) ?? [];
        const run = runs.get(id);
        if (run) run.end = end;
        break;
      }
      case "entry":
        entries.push(record(rest, host) as Entry);
        break;
      case "mark":
        marks.add(rest);
    }
  }
  for (const entry of entries) {
    entry.done = marks.has(`runs/${entry.run}/${entry.n}.done`);
    entry.undone = marks.has(`runs/${entry.run}/${entry.n}.undone`);
  }
  return { head, runs: [...runs.values()], entries, ...(holder === undefined ? {} : { holder }) };
}

function record(text: string, host: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Said below.
  }
  throw new CausewayError("host", "the journal on this host is damaged", {
    host,
    found: text.slice(0, 80),
    expected: `one JSON object a file below ${journalFolder}/runs`,
    advice: "look for the file that holds this line and mend it by hand; nothing was changed",
  });
}

function newerFormat(host: string, found: string): CausewayError {
  return new CausewayError("host", "the journal on this host was written by a newer causeway", {
    host,
    found: `format ${found} in ${journalFolder}`,
    expected: `format ${journalFormat} or older`,
    advice: "use that newer causeway; nothing was changed",
  });
}

/** The entries that still stand, oldest first: intended or done, and not undone. */
export function liveEntries(journal: Journal): Entry[] {
  return journal.entries.filter((e) => !e.undone);
}

/** Those of them that did something, without those that only took others back. */
export function standingEntries(journal: Journal): Entry[] {
  return liveEntries(journal).filter((e) => e.closes === undefined);
}

/** `RUN/N`, by which one entry names another. */
export function entryPath(entry: Entry): string {
  return `${entry.run}/${entry.n}`;
}
