import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { describeError } from "../../src/errors.ts";
import {
  type Entry,
  entryPath,
  liveEntries,
  parseJournal,
  type RunRecord,
  readJournalScript,
} from "../../src/journal/entries.ts";
import { journalFolder } from "../../src/journal/folder.ts";
import { packageDir } from "../../src/package-dir.ts";

const run: RunRecord = {
  id: "20260101-120000-ab12",
  playbook: "static-route",
  owns: "static-route",
  started: "2026-01-01T12:00:00Z",
  user: "ops",
  machine: "desk",
  hosts: ["h1", "h2"],
};

const entry = (n: string, more: Partial<Entry> = {}): Entry => ({
  run: run.id,
  n,
  owner: "static-route",
  task: "routes",
  key: "192.168.200.0/24",
  play: 1,
  kind: "route",
  resource: "route 192.168.200.0/24",
  what: "route 192.168.200.0/24",
  from: null,
  to: "via 10.0.0.201",
  causes: [],
  begun: false,
  done: false,
  undone: false,
  ...more,
});

const sample = [
  "format 1",
  `head ${run.id} 0003`,
  "holder ops@desk since 12:00",
  `runs/${run.id}/run.json:${JSON.stringify(run)}`,
  `runs/${run.id}/end:rolled back`,
  `runs/${run.id}/0001.json:${JSON.stringify(entry("0001"))}`,
  `runs/${run.id}/0002.json:${JSON.stringify(entry("0002", { what: "two\nlines and  spaces" }))}`,
  `runs/${run.id}/0003.json:${JSON.stringify(entry("0003"))}`,
  `mark runs/${run.id}/0001.done`,
  `mark runs/${run.id}/0002.done`,
  `mark runs/${run.id}/0002.undone`,
  "",
].join("\n");

describe("a journal as its host prints it", () => {
  const journal = parseJournal(sample, "h1");

  test("head, holder and runs with their ends", () => {
    expect(journal.head).toBe(`${run.id} 0003`);
    expect(journal.holder).toBe("ops@desk since 12:00");
    expect(journal.runs).toEqual([{ ...run, end: "rolled back" }]);
  });

  test("entries with their marks", () => {
    expect(journal.entries.map((e) => [e.n, e.done, e.undone])).toEqual([
      ["0001", true, false],
      ["0002", true, true],
      ["0003", false, false],
    ]);
    expect(journal.entries[1]?.what).toBe("two\nlines and  spaces");
  });

  test("what still stands: intended or done, and not undone", () => {
    expect(liveEntries(journal).map(entryPath)).toEqual([`${run.id}/0001`, `${run.id}/0003`]);
  });
});

test.each([
  ["nothing", ""],
  ["no format yet", "format \nhead \n"],
  ["no marks: the globs themselves", "format 1\nhead \nmark runs/*/*.done\nmark runs/*/*.undone\n"],
  ["a run whose record a power cut left half-written", 'format 1\nhead \nruns/r1/run.json:{"id": "r'],
  ["a run whose record a power cut left as zeros", "format 1\nhead \nruns/r1/run.json:\0\0\0"],
])("a host where nothing was done: %s", (_name, text) => {
  expect(parseJournal(text, "h1")).toEqual({ head: "", runs: [], entries: [], libraries: [] });
});

test("a newer format is refused before anything of it is read", () => {
  const refused = () => parseJournal("format 3\nentry not even JSON\n", "h1");
  expect(refused).toThrow(expect.objectContaining({ code: "host" }));
  expect(refused).toThrow(/newer causeway/);
});

const whole = `runs/r1/0001.json:${JSON.stringify(entry("0001", { run: "r1" }))}`;
test.each([
  'runs/r1/0001.json:{"run": "r',
  "runs/r1/0001.json:null and void",
  "runs/r1/0001.json:null",
  "runs/r1/0001.json:7",
  `runs/r1/run.json:{"id": "r\n${whole}`,
  "entry runs/r1/0001.json",
  `runs/r1/0001.json:${JSON.stringify(entry("0001"))}`,
  `runs/r1/0001.json:${JSON.stringify(entry("0002", { run: "r1" }))}`,
  `runs/r1/0001.json:${JSON.stringify({ run: "r1", n: "0001" })}`,
])("what was safe on disk and is damaged is an error with the file: %j", (text) => {
  let error: unknown;
  try {
    parseJournal(`format 1\n${text}\n`, "h1");
  } catch (e) {
    error = e;
  }
  expect(error).toMatchObject({ code: "host", detail: { host: "h1" } });
  expect(describeError(error as never)).toMatch(/damaged[\s\S]*runs\/r1\/(0001|run)\.json[\s\S]*do /);
});

test.each([
  ["format x\n", "/var/lib/causeway/format"],
  [`format \n${whole}\n`, "/var/lib/causeway/format"],
  ["format 2\nhead \u0000\u0001\n", "/var/lib/causeway/head"],
])("so is what says how to read it: %j", (text, file) => {
  let error: unknown;
  try {
    parseJournal(text, "h1");
  } catch (e) {
    error = e;
  }
  expect(describeError(error as never)).toMatch(/damaged: the host is left as it is/);
  expect(describeError(error as never)).toContain(file);
});

describe("the script that reads it, in a real shell", () => {
  const folder = mkdtempSync(join(tmpdir(), "causeway-journal-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const read = (name: string) => {
    const script = readJournalScript.text.replaceAll(journalFolder, join(folder, name));
    return parseJournal(execFileSync("sh", ["-c", script], { encoding: "utf8", cwd: "/" }), "h1");
  };
  const write = (name: string, files: Record<string, string>) => {
    for (const [file, text] of Object.entries(files)) {
      const path = join(folder, name, file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  };

  test("no folder, and an empty one", () => {
    mkdirSync(join(folder, "empty"));
    const nothing = { head: "", runs: [], entries: [], libraries: [] };
    expect(read("gone")).toEqual(nothing);
    expect(read("empty")).toEqual(nothing);
  });

  test("runs, entries and marks", () => {
    write("full", {
      format: "1\n",
      head: `${run.id} 0002\n`,
      [`runs/${run.id}/run.json`]: `${JSON.stringify(run)}\n`,
      [`runs/${run.id}/end`]: "done\n",
      [`runs/${run.id}/0001.json`]: `${JSON.stringify(entry("0001"))}\n`,
      [`runs/${run.id}/0001.done`]: "",
      [`runs/${run.id}/0001.undone`]: "",
      [`runs/${run.id}/0002.json`]: `${JSON.stringify(entry("0002"))}\n`,
      [`runs/${run.id}/0002.done`]: "",
    });
    const journal = read("full");
    expect(journal).toMatchObject({ head: `${run.id} 0002`, runs: [{ id: run.id, end: "done" }] });
    expect(liveEntries(journal)).toEqual([entry("0002", { done: true })]);
    expect(journal.holder).toBeUndefined();
  });

  test.each([
    ["what root alone may write", 0o700, false],
    ["what root alone may write, and anybody read", 0o755, false],
    ["a group's", 0o770, true],
    ["anybody's", 0o707, true],
  ])("in a folder that is %s", (_name, mode, refused) => {
    write("mode", { format: "2\n", head: "\n" });
    chmodSync(join(folder, "mode"), mode);
    if (refused) expect(() => read("mode")).toThrow(/others can write to the journal on this host/);
    else expect(read("mode").entries).toEqual([]);
  });

  test.runIf(process.getuid?.() === 0)("in a folder that is another user's", () => {
    write("theirs", { format: "2\n", head: "\n" });
    chownSync(join(folder, "theirs"), 65_534, 65_534);
    expect(() => read("theirs")).toThrow(
      expect.objectContaining({
        detail: expect.objectContaining({ found: expect.stringMatching(/^drwxr-xr-x nobody:\w+ \//) }),
      }),
    );
  });

  test("whose it is, and an entry of which nothing is left", () => {
    write("cut", { format: "2\n", host: "h1\n", [`runs/${run.id}/run.json`]: JSON.stringify(run) });
    expect(read("cut").host).toBe("h1");
    write("cut", { [`runs/${run.id}/0001.json`]: "", [`runs/${run.id}/0001.done`]: "" });
    expect(() => read("cut")).toThrow(/damaged/);
  });

  test("what was never safe on disk does not count, whatever a power cut left of it", () => {
    write("torn", {
      format: "1\n",
      head: "",
      [`runs/${run.id}/run.json`]: JSON.stringify(run).slice(0, 20),
      [`runs/${run.id}/0001.json.new`]: JSON.stringify(entry("0001")).slice(0, 30),
      [`runs/${run.id}/0001.before`]: "",
      "runs/whole/run.json": JSON.stringify({ ...run, id: "whole" }),
      "runs/whole/end": "",
      "runs/whole/folded": "",
      folded: "whole\n",
    });
    expect(read("torn")).toEqual({
      head: "",
      folded: "whole",
      runs: [{ ...run, id: "whole", folded: true }],
      entries: [],
      libraries: [],
    });
  });

  test("the lock is held while the process that took it lives, and by no other of its number", () => {
    const boot = execFileSync("cat", ["/proc/sys/kernel/random/boot_id"], { encoding: "utf8" }).trim();
    const stat = execFileSync("cat", [`/proc/${process.pid}/stat`], { encoding: "utf8" });
    const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    write("held", { format: "1\n", lock: `${process.pid} ${started} ${boot} ops@desk run 7\n` });
    expect(read("held").holder).toBe("ops@desk run 7");
    write("held", { lock: `${process.pid} 1 ${boot} ops@desk run 7\n` });
    expect(read("held").holder).toBeUndefined();
    write("held", { lock: `${process.pid} ${started} another-boot ops@desk run 7\n` });
    expect(read("held").holder).toBeUndefined();
  });

  test("a run that the lock keeps out leaves the folder of the one that works, without entries yet, where it is", () => {
    const working = { lock: "1 1 boot ops@desk run 7\n", [`runs/${run.id}/0001.json.new`]: "{" };
    write("working", working);
    const library = join(packageDir, "src/journal/journal.sh");
    execFileSync("sh", ["-c", `. ${library}; CW=${join(folder, "working")}; cw_end other failed`]);
    expect(existsSync(join(folder, `working/runs/${run.id}/0001.json.new`))).toBe(true);
    expect(readFileSync(join(folder, "working/lock"), "utf8")).toBe(working.lock);
  });
});
