import { CausewayError } from "../errors.ts";
import { rawScript, type Script } from "../host/sh.ts";
import type { Scope } from "../task/define.ts";
import type { Consequence } from "../task/step.ts";
import { awaitKeptFunction } from "./await-kept.ts";
import { journalFolder } from "./folder.ts";

/** The version of the layout in `/var/lib/causeway`; a newer one is refused. */
export const journalFormat = 2;

/** One step as the journal knows it. Owner, task and key are its identity. */
export interface Entry {
  run: string;
  /** Its number within the run, from 1, four digits. */
  n: string;
  owner: string;
  task: string;
  key: string;
  /** `fleet` for what is not this host's alone; missing in entries of format 1. */
  scope?: Scope;
  play: number;
  kind: string;
  /** What it changed, as data: `file /etc/docker/daemon.json`. Two entries of one resource have the same. */
  resource: string;
  what: string;
  from: string | null;
  to: string | null;
  causes: readonly Consequence[];
  irreversible?: string;
  /** As the step has it. */
  undoneIdle?: true;
  /** Its bytes hold a secret and are never shown. */
  secret?: boolean;
  /** For keys of a JSON file: what they were set to; null for a key that was taken away. */
  keys?: Readonly<Record<string, unknown>>;
  /** Checksums of what it keeps lie beside it; older versions wrote none. */
  summed?: true;
  /** The entry that this one took back, `RUN/N`: a removal. */
  closes?: string;
  /** Newer entries of the same resource, `RUN/N`, that are taken back together with this one. */
  later?: readonly string[];
  /** Whether it was begun: one that was only intended changed nothing. */
  begun: boolean;
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
  /** `done`, `failed`, `interrupted`, `rolled back`, `reverted`, `partly reverted`; undefined when it recorded no end. */
  end?: string;
  /** Steps of it became part of an older run's, and cannot be taken back by themselves. */
  folded?: boolean;
  /** It did no step that could stand: nothing of it was taken back. */
  stepless?: boolean;
}

/** A host's journal, as one read brought it. */
export interface Journal {
  /** `RUN N` of the newest entry; empty where nothing was ever done. */
  head: string;
  runs: readonly RunRecord[];
  entries: readonly Entry[];
  /** The newest of the runs of which only the oldest state is kept, if there are any. */
  folded?: string;
  /** The run whose switch is armed, or that the host is taking back. */
  armed?: string;
  /** Whose journal it is: the name of a host in the inventory of the last run. Older versions did not note it. */
  host?: string;
  /** A run that ended here, and a few other hosts that it changed as well. */
  beside?: { run: string; hosts: readonly string[] };
  /** A run that changed this host, as others remembered, and that this journal ended before. */
  missing?: string;
  /** Who holds the lock, in words, if that process is alive. */
  holder?: string;
  /** The libraries that lie beside the entries, by their checksums. */
  libraries: readonly string[];
}

/**
 * Reads the journal in one command: head, lock, and the runs of which something stands, with their entries. It comes before
 * every other look of its trip, so here the host is given the time to be as it will stay.
 */
export const readJournalScript: Script = rawScript(`cd ${journalFolder} 2>/dev/null || exit 0
${awaitKeptFunction}
cw_await_kept
for name in format head folded host beside missing; do
  value=; read -r value 2>/dev/null <$name; echo "$name $value"
done
if read -r pid started boot who 2>/dev/null <lock; then
  read -r stat 2>/dev/null <"/proc/$pid/stat" && set -- \${stat##*) } && shift 19 && [ "$1" = "$started" ] &&
    [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] && echo "holder $who"
fi
read -r run rest 2>/dev/null <switch/armed || read -r run rest 2>/dev/null <switch/reverting && echo "armed $run"
own=; [ ! -O . ] || own=own
[ ! -e head ] || stat -L -c "folder $own %A %U:%G" .
grep -aH '' runs/*/run.json runs/*/end runs/*/[0-9]*.json 2>/dev/null
printf 'mark %s\\n' runs/*/*.begun runs/*/*.done runs/*/*.undone runs/*/folded
printf 'entry %s\\n' runs/*/[0-9]*.json
for lib in lib-*.sh; do echo "lib $lib"; done
true`);

/** The runs of which nothing stands any more, for the history. */
export const readOldRunsScript: Script = rawScript(`cd ${journalFolder}/old 2>/dev/null || exit 0
grep -aH '' */run.json */end 2>/dev/null
printf 'mark %s\\n' */folded */stepless
true`);

/**
 * Takes apart what the script prints. A journal of a newer layout is refused. A run whose record a power cut left
 * half-written never came to its first step, and is passed over.
 */
export function parseJournal(text: string, host: string): Journal {
  let head = "";
  let folded: string | undefined;
  let holder: string | undefined;
  let armed: string | undefined;
  const files: { path: string; run: string; file: string; text: string }[] = [];
  const marks = new Set<string>();
  const named: string[] = [];
  let [format, whose, beside, missing] = ["", "", "", ""];
  const libraries: string[] = [];
  for (const line of text.split("\n")) {
    const [, path, run, file, text] = /^((?:runs\/)?([^/ ]+)\/([^/: ]+)):(.*)$/.exec(line) ?? [];
    if (path !== undefined && run !== undefined && file !== undefined && text !== undefined) {
      files.push({ path, run, file, text });
      continue;
    }
    const space = line.indexOf(" ");
    const rest = line.slice(space + 1);
    switch (line.slice(0, space)) {
      case "format":
        if (Number(rest) > journalFormat) throw newerFormat(host, rest);
        // Nothing, where no run ever began.
        if (!/^\d*$/.test(rest)) damaged(host, { path: "format", found: rest, expected: "a number" });
        format = line;
        break;
      case "folder":
        refuseForeign(host, rest);
        break;
      case "host":
        whose = rest;
        break;
      case "beside":
        beside = rest;
        break;
      case "missing":
        missing = rest;
        break;
      case "head":
        head = rest.trim();
        if (!/^(\S+ (\d{4}|reverted))?$/.test(head))
          damaged(host, { path: "head", found: head, expected: "a run, and the number of its newest entry" });
        break;
      case "folded":
        if (rest !== "") folded = rest;
        break;
      case "armed":
        armed = rest;
        break;
      case "holder":
        holder = rest;
        break;
      case "lib":
        libraries.push(...(/^lib-([0-9a-f]+)\.sh$/.exec(rest)?.slice(1) ?? []));
        break;
      case "entry":
        if (!rest.includes("*")) named.push(rest);
        break;
      case "mark":
        marks.add(rest.replace(/^runs\//, ""));
    }
  }
  const lines = new Set(files.map(({ path }) => path));
  // An empty file has no line.
  for (const path of named) if (!lines.has(path)) damagedEntry(host, path, "");
  const entries = files
    .filter(({ file }) => /^\d+\.json$/.test(file))
    .map(({ path, run, file, text }) => {
      const entry = parsed(text);
      return isEntry(entry, run, file) ? entry : damagedEntry(host, path, text);
    });
  if (format === "format " && entries.length > 0)
    damaged(host, {
      path: "format",
      found: "",
      expected: `the version of the journal's layout, 1 to ${journalFormat}`,
      advice: `if no causeway newer than this one ever ran on that host: echo ${journalFormat} >${journalFolder}/format`,
    });
  for (const entry of entries) {
    entry.resource ??= resourceOfFormat1(entry);
    entry.begun = marks.has(`${entryPath(entry)}.begun`);
    entry.done = marks.has(`${entryPath(entry)}.done`);
    entry.undone = marks.has(`${entryPath(entry)}.undone`);
  }
  const acted = new Set(entries.map((e) => e.run));
  const runs = files.flatMap(({ path, run, file, text }): RunRecord[] => {
    if (file !== "run.json") return [];
    const record = parsed(text) as RunRecord | undefined;
    if (record === undefined) return acted.has(run) ? damagedEntry(host, path, text) : [];
    const end = files.find((f) => f.run === run && f.file === "end")?.text;
    const is = (mark: "folded" | "stepless") => (marks.has(`${run}/${mark}`) ? { [mark]: true } : {});
    return [{ ...record, ...(end === undefined ? {} : { end }), ...is("folded"), ...is("stepless") }];
  });
  const [run = "", ...others] = beside.split(" ");
  return {
    head,
    runs,
    entries,
    libraries,
    ...(folded === undefined ? {} : { folded }),
    ...(whose === "" ? {} : { host: whose }),
    ...(others.length === 0 ? {} : { beside: { run, hosts: others } }),
    ...(missing === "" ? {} : { missing }),
    ...(holder === undefined ? {} : { holder }),
    ...(armed === undefined ? {} : { armed }),
  };
}

/** An entry of format 1 does not name its resource: there its words do, as that version wrote them. */
function resourceOfFormat1({ kind, what }: Pick<Entry, "kind" | "what">): string {
  switch (kind) {
    case "file":
    case "json":
      return `file ${what.slice(what.indexOf("/"))}`;
    case "package":
      return what.replaceAll(", ", " ");
    case "members":
      return what.replace(/^containers on/, "members");
    case "run":
      return `run ${what}`;
    default:
      return what;
  }
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether it is the entry that its place says, with what every version wrote into one. */
function isEntry(value: object | undefined, run: string, file: string): value is Entry {
  const entry = value as Partial<Entry> | undefined;
  return (
    entry?.run === run &&
    `${entry.n}.json` === file &&
    [entry.owner, entry.task, entry.key, entry.kind, entry.what].every((word) => typeof word === "string") &&
    typeof entry.play === "number" &&
    Array.isArray(entry.causes)
  );
}

function damagedEntry(host: string, path: string, text: string): never {
  return damaged(host, {
    path,
    found: text.slice(0, 80),
    expected: "one line of JSON, as a run wrote it",
    advice:
      "restore that file from a backup of this host, or move it away, which removes that step from the journal, so that nothing takes it back",
  });
}

/** Nothing is guessed: a journal that is not whole fails its host, whatever it was to be read for. */
function damaged(
  host: string,
  { path, found, expected, advice }: { path: string; found: string; expected: string; advice?: string },
): never {
  const file = `${journalFolder}/${path}`;
  throw new CausewayError("host", "the journal on this host is damaged: the host is left as it is", {
    host,
    found: `${found === "" ? "nothing" : found} in ${file}`,
    expected,
    advice: advice ?? `restore that file from a backup of this host, or move it away: mv ${file} /root/`,
  });
}

/** What is in the journal is run and restored as root, so nobody else may be able to write to it. */
function refuseForeign(host: string, found: string): void {
  const [own, mode = "", owner = ""] = found.split(" ");
  if (own === "own" && mode[5] !== "w" && mode[8] !== "w") return;
  throw new CausewayError("host", "others can write to the journal on this host: nothing of it is believed", {
    host,
    found: `${mode} ${owner} ${journalFolder}`,
    expected: `drwx------ root:root ${journalFolder}`,
    advice: [
      "nothing was changed; look on that host whether what is in it is causeway's, and give it back to root:",
      `chown -R root:root ${journalFolder} && chmod -R go-rwx ${journalFolder}`,
    ].join("\n"),
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
