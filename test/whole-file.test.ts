import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { retryFile } from "../src/cli/playbook-command.ts";
import { writeWholeFile } from "../src/whole-file.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-whole-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a file is replaced at once, with its mode, and nothing lies beside it", () => {
  const file = join(folder, "one");
  writeWholeFile(file, "first", 0o600);
  writeWholeFile(file, "second", 0o600);
  expect(readFileSync(file, "utf8")).toBe("second");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["one"]);
});

test("what was there stays where the new content cannot be written", () => {
  const file = join(folder, "kept");
  writeFileSync(file, "before");
  mkdirSync(`${file}.${process.pid}.new/x`, { recursive: true });
  expect(() => writeWholeFile(file, "after")).toThrow();
  expect(readFileSync(file, "utf8")).toBe("before");
});

test("a run takes its own retry file away, and not the one that another run wrote since", () => {
  const cwd = process.cwd();
  process.chdir(folder);
  try {
    const [one, other] = [retryFile("playbooks/x.ts", {}), retryFile("playbooks/x.ts", {})];
    one.left?.(["h1", "h2"]);
    other.left?.(["h3"]);
    one.ended?.([]);
    expect(readFileSync("x.retry", "utf8")).toBe("h3\n");
    other.ended?.([]);
    expect(readdirSync(folder)).not.toContain("x.retry");
  } finally {
    process.chdir(cwd);
  }
});
