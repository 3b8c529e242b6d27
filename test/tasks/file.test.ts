import { describe, expect, test } from "vitest";
import { file } from "../../tasks/file.ts";
import { noFile } from "./files.ts";
import { path, there } from "./placed.ts";
import { planWords } from "./words.ts";

type FileGiven = Parameters<typeof file>[0];
type FileRead = Parameters<typeof file.definition.present>[0];

describe("file: state read → exact steps", () => {
  const plan = (read: Partial<FileRead>, given: Omit<FileGiven, "path">) =>
    planWords(
      file.definition.present({ file: noFile(path), stale: [], ...read }, { path, ...given } as FileGiven),
    );

  test.each<[string, Partial<FileRead>, Omit<FileGiven, "path">, string[]]>([
    ["none yet", {}, { content: "a\n" }, [`file ${path}: — → 1 line, mode 644`]],
    ["in place", { file: there("a\n") }, { content: "a\n" }, []],
    [
      "another text",
      { file: there("b\n") },
      { content: "a\n" },
      [`file ${path}: 1 line, mode 644 → 1 line, mode 644, another text`],
    ],
    [
      "another mode",
      { file: there("a\n") },
      { content: "a\n", mode: "0600" },
      [`file ${path}: 1 line, mode 644 → 1 line, mode 600`],
    ],
    ["mode as stat prints it", { file: there("a\n") }, { content: "a\n", mode: "0644" }, []],
    [
      "another owner",
      { file: there("a\n"), owner: "1000:1000" },
      { content: "a\n", owner: "app:app" },
      [`file ${path}: 1 line, mode 644 → 1 line, mode 644, another owner`],
    ],
    ["its owner", { file: there("a\n"), owner: "0:0" }, { content: "a\n", owner: "root:root" }, []],
    [
      "an owner that an earlier task makes",
      {},
      { content: "a\n", owner: "app:app" },
      ["later: the host has no user or group as in app:app yet"],
    ],
    [
      "a secret",
      { file: there("b\n") },
      { content: "a\n", secret: true },
      [`file ${path}: (secret) mode 644 → (secret) mode 644, another text`],
    ],
    ["to go", { file: there("a\n") }, { absent: true }, [`file ${path}: 1 line, mode 644 → —`]],
    ["gone", {}, { absent: true }, []],
    [
      "with who reads it",
      {},
      { content: "a\n", reloads: ["b"], restarts: ["c"] },
      [`file ${path}: — → 1 line, mode 644 ⇒ reload b, restart c`],
    ],
    [
      "cut off before its restart",
      { file: there("a\n"), stale: ["c"] },
      { content: "a\n", reloads: ["b"], restarts: ["c"] },
      [`owed: restart c (${path} is newer than its start)`],
    ],
  ])("%s", (_, read, given, steps) => {
    expect(plan(read, given)).toEqual(steps);
  });

  test("a unit's file makes systemd read it, and the unit is looked at again", () => {
    const path = "/etc/systemd/system/app.service";
    const [item] = file.definition.present(
      { file: noFile(path), stale: [] },
      { path, content: "[Service]\n" },
    );
    expect(planWords(item ? [item] : [])).toEqual([`file ${path}: — → 1 line, mode 644 ⇒ daemon-reload`]);
    expect(item).toMatchObject({ touches: [`file:${path}`, "unit:app.service", "unit:app"] });
  });

  test("a folder of that name is refused", () => {
    expect(() => plan({ file: { ...noFile(path), kind: "folder" } }, { content: "a\n" })).toThrow(
      `${path} is a folder`,
    );
  });

  test("its text and a file of the controller exclude each other, and one is needed", () => {
    const words = "parameters of file: the value needs exactly one of content, from, absent";
    expect(() => file({ path })).toThrow(words);
    expect(() => file({ path, content: "", absent: true })).toThrow(words);
  });
});
