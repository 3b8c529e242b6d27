import { describe, expect, test } from "vitest";
import type { Archive } from "../../src/archives/archive.ts";
import { noteOf } from "../../src/kinds/file/unpacked.ts";
import { missingPrograms, type Programs } from "../../src/programs/programs.ts";
import { isStep, restart } from "../../src/task/step.ts";
import { fileWith, noFile } from "../tasks/files.ts";
import { planWords } from "../tasks/words.ts";

const archive: Archive = {
  url: "https://example.org/a/etcd-v3.4.33-linux-amd64.tar.gz?x=y",
  sha256: "a".repeat(64),
  fetch: "host",
};
const note = "/usr/local/lib/causeway/etcd.source";
const [etcd, etcdctl] = ["/usr/local/bin/etcd", "/usr/local/bin/etcdctl"];

const program = (path: string, sum: string) => ({
  ...fileWith(path, ""),
  mode: "755",
  size: 20_000_000,
  sha256: sum.repeat(64),
});
const noteText = (sum: string) =>
  `# Written by causeway\narchive ${sum.repeat(64)}\n${"1".repeat(64)}  ${etcd}\n${"2".repeat(64)}  ${etcdctl}\n`;

const there: Programs = {
  note: fileWith(note, noteText("a")),
  files: [program(etcd, "1"), program(etcdctl, "2")],
};
const absent: Programs = { note: noFile(note), files: [noFile(etcd), noFile(etcdctl)] };

const plan = (now: Programs, over: Partial<Archive> = {}) =>
  planWords(missingPrograms(now, { ...archive, ...over }));

const from = "out of etcd-v3.4.33-linux-amd64.tar.gz, sha256 aaaaaaaaaaaa…, mode 755";

describe("programs out of an archive: what is there → exact steps", () => {
  test.each<[string, string[], string[]]>([
    [
      "nothing there: both, and the note",
      plan(absent),
      [
        `file ${etcd}: — → etcd ${from}`,
        `file ${etcdctl}: — → etcdctl ${from}`,
        `file ${note}: — → archive aaaaaaaaaaaa…, etcd-v3.4.33-linux-amd64.tar.gz`,
      ],
    ],
    ["all there", plan(there), []],
    ["fetched by somebody else: the same", plan(there, { fetch: "controller" }), []],
    [
      "one replaced by hand",
      plan({ ...there, files: [program(etcd, "1"), program(etcdctl, "7")] }),
      [
        `file ${etcdctl}: 20000000 bytes, sha256 777777777777… → etcdctl ${from}`,
        `file ${note}: archive aaaaaaaaaaaa… → archive aaaaaaaaaaaa…, etcd-v3.4.33-linux-amd64.tar.gz`,
      ],
    ],
    [
      "one that nobody may execute",
      plan({ ...there, files: [{ ...program(etcd, "1"), mode: "644" }, program(etcdctl, "2")] }).map((w) =>
        w.replace(/:.*/, ""),
      ),
      [`file ${etcd}`, `file ${note}`],
    ],
    [
      "out of another archive: all, although they may be the same",
      plan({ ...there, note: fileWith(note, noteText("b")) }).map((w) => w.replace(/:.*/, "")),
      [`file ${etcd}`, `file ${etcdctl}`, `file ${note}`],
    ],
    [
      "programs without a note are somebody else's",
      plan({ ...there, note: noFile(note) }).map((w) => w.replace(/:.*/, "")),
      [`file ${etcd}`, `file ${etcdctl}`, `file ${note}`],
    ],
  ])("%s", (_name, words, expected) => expect(words).toEqual(expected));

  test("fetched by the host, nothing is pushed; by the controller, the member alone", () => {
    const pushes = (fetch: Archive["fetch"]) =>
      missingPrograms(absent, { ...archive, fetch }).flatMap(({ push }) =>
        push && typeof push.from === "object" ? push.from.member : [],
      );
    expect(pushes("host")).toEqual([]);
    expect(pushes("controller")).toEqual(["etcd", "etcdctl"]);
  });

  test("a program that runs is restarted, and the note alone restarts nothing", () => {
    const items = missingPrograms(absent, archive, [restart("etcd")]);
    expect(items.filter(isStep).map((one) => one.causes.length)).toEqual([1, 1, 0]);
  });

  test("a note that says nothing", () => {
    expect(noteOf(fileWith(note, "garbage\n"))).toEqual({ archive: "", sums: new Map() });
  });
});
