import { describe, expect, test } from "vitest";
import { lines, withLines } from "../../tasks/lines.ts";
import { noFile } from "./files.ts";
import { path, there } from "./placed.ts";
import { planWords } from "./words.ts";

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
