import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { FileState } from "../../src/host/tools/file.ts";
import type { UnitState } from "../../src/host/tools/systemd.ts";
import { file } from "../../tasks/file.ts";
import { lines, withLines } from "../../tasks/lines.ts";
import { packages } from "../../tasks/package.ts";
import { sysctl } from "../../tasks/sysctl.ts";
import { template } from "../../tasks/template.ts";
import { unit } from "../../tasks/unit.ts";
import { fileWith, noFile } from "./files.ts";
import { planWords } from "./words.ts";

const path = "/etc/app.conf";
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const there = (content: string, more: Partial<FileState> = {}): FileState => ({
  ...fileWith(path, content),
  mode: "644",
  sha256: sha256(content),
  ...more,
});

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

describe("template: state read → exact steps", () => {
  test("the text is that of the function", () => {
    const text = ({ port }: { port: number }) => `port ${port}\n`;
    const plan = (port: number) =>
      planWords(
        template.definition.present(
          { file: there("port 80\n"), stale: [] },
          { path, text, vars: { port }, reloads: ["app"] },
        ),
      );
    expect(plan(80)).toEqual([]);
    expect(plan(81)).toEqual([
      `file ${path}: 1 line, mode 644 → 1 line, mode 644, another text ⇒ reload app`,
    ]);
  });
});

describe("lines", () => {
  const wanted = [{ line: "Port 22", insteadOf: "^#?Port " }, "UseDNS no"];

  test.each<[string, string, Parameters<typeof withLines>[1], string]>([
    ["into an empty file", "", { lines: wanted }, "Port 22\nUseDNS no\n"],
    ["the last that matches", "#Port 1\nPort 2\nx\n", { lines: wanted }, "#Port 1\nPort 22\nx\nUseDNS no\n"],
    ["in place", "Port 22\nUseDNS no\n", { lines: wanted }, "Port 22\nUseDNS no\n"],
    ["behind a last line without its end", "x", { lines: ["y"] }, "x\ny\n"],
    ["which stays without it where nothing is missing", "y\nx", { lines: ["y"] }, "y\nx"],
    ["out of it", "a 1\nb\na 2\n", { without: ["^a "] }, "b\n"],
    ["all of them", "a\n", { without: ["^a$"] }, ""],
    ["an empty line is one", "a\n\nb\n", { lines: ["c"] }, "a\n\nb\nc\n"],
  ])("%s", (_, before, given, after) => {
    expect(withLines(before, given)).toBe(after);
    expect(withLines(after, given)).toBe(after);
  });

  const plan = (content: string, given: object) =>
    planWords(
      lines.definition.present(
        { file: content === "" ? noFile(path) : there(content), stale: [] },
        { path, ...given },
      ),
    );

  test("state read → exact steps", () => {
    expect(plan("a\n", { lines: ["b"], reloads: ["app"] })).toEqual([
      `file ${path}: 1 line, mode 644 → 2 lines, mode 644 ⇒ reload app`,
    ]);
    expect(plan("a\n", { lines: ["a"] })).toEqual([]);
    expect(plan("", { without: ["^a"] })).toEqual([]);
  });

  test("two that take each other's place are refused", () => {
    const both = [
      { line: "a 1", insteadOf: "^a" },
      { line: "a 2", insteadOf: "^a" },
    ];
    expect(plan("", { lines: [] })).toEqual([]);
    expect(() => plan("a 1\n", { lines: ["a 1"], without: ["^a"] })).toThrow(/contradict/);
    expect(() => plan("b\n", { lines: both })).toThrow(/contradict/);
  });

  test("a file that is too large to be read is refused", () => {
    const large = there("", { size: 2_000_000 });
    expect(() => lines.definition.present({ file: large, stale: [] }, { path, lines: ["a"] })).toThrow(
      /too large/,
    );
  });
});

describe("package: state read → exact steps", () => {
  test("only what is missing", () => {
    const plan = (...names: string[]) =>
      planWords(packages.definition.present(new Map(names.map((n) => [n, "1"])), { names: ["a", "b"] }));
    expect(plan("a")).toEqual(["package b: — → installed"]);
    expect(plan("a", "b")).toEqual([]);
  });
});

describe("sysctl: state read → exact steps", () => {
  test("what runs, and what files say", () => {
    const plan = (running: string, value: number) =>
      planWords(sysctl.definition.present({ running, files: [] }, { key: "vm.swappiness", value }));
    expect(plan("60", 10)).toEqual(["sysctl vm.swappiness: 60 → 10"]);
    expect(plan("10", 10)).toEqual([]);
  });
});

describe("unit: state read → exact steps", () => {
  const state: UnitState = {
    name: "app",
    present: true,
    active: "inactive",
    sub: "dead",
    enabled: "disabled",
    needsReload: false,
    fragmentPath: "/etc/systemd/system/app.service",
    dropIns: [],
    sets: [],
    mainPid: 0,
    commandLine: "",
    execStart: "",
  };
  type Given = Omit<Parameters<typeof unit>[0], "name">;
  const plan = (read: Partial<UnitState>, given: Given) =>
    planWords(unit.definition.present({ ...state, ...read }, { name: "app", ...given }));
  const both = { enabled: true, active: true };

  test.each<[string, Partial<UnitState>, Given, string[]]>([
    ["neither", {}, both, ["unit app: disabled, inactive → enabled, active"]],
    ["both", { enabled: "enabled", active: "active" }, both, []],
    ["failed", { enabled: "enabled", active: "failed" }, both, ["unit app: enabled, failed → active"]],
    ["on its way", { active: "activating" }, { active: true }, []],
    [
      "until the next boot only",
      { enabled: "enabled-runtime" },
      { enabled: true },
      ["unit app: enabled-runtime, inactive → enabled"],
    ],
    [
      "to stop",
      { enabled: "enabled", active: "active" },
      { enabled: false, active: false },
      ["unit app: enabled, active → disabled, inactive"],
    ],
    ["a static one is not disabled", { enabled: "static" }, { enabled: false }, []],
    [
      "changed on disk",
      { active: "active", needsReload: true },
      { active: true },
      ["owed: daemon-reload (app changed on disk since systemd loaded it)"],
    ],
    ["none yet", { present: false, enabled: "" }, both, ["later: systemd knows no unit app yet"]],
    ["none, and it is not to run", { present: false, enabled: "" }, { active: false }, []],
  ])("%s", (_, read, given, steps) => {
    expect(plan(read, given)).toEqual(steps);
  });

  test("one that cannot be enabled, and one that is masked, are refused", () => {
    expect(() => plan({ enabled: "static" }, both)).toThrow("the unit app cannot be enabled");
    expect(() => plan({ enabled: "masked" }, both)).toThrow("app is masked");
    expect(plan({ enabled: "masked" }, { active: false })).toEqual([]);
  });

  test("something is asked of it", () => {
    expect(() => unit({ name: "app" })).toThrow("the value needs at least one of enabled, active");
  });
});
