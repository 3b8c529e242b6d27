import { describe, expect, test } from "vitest";
import { sh } from "../../src/host/sh.ts";
import { waitFor } from "../../tasks/wait-for.ts";
import { planWords } from "./words.ts";

const timeout = "5m";
type Given = Parameters<typeof waitFor>[0];

describe("wait-for: state read → what it waits for", () => {
  test.each<[Given, string]>([
    [{ port: 80, timeout }, "later: not yet: a program listens on port 80"],
    [{ path: "/run/app", timeout }, "later: not yet: /run/app exists"],
    [{ unit: "app", timeout }, "later: not yet: app is active"],
    [{ until: sh`true`, words: "the app is healthy", timeout }, "later: not yet: the app is healthy"],
    [{ until: sh`app-ready`, timeout }, "later: not yet: app-ready"],
  ])("%j", (given, words) => {
    expect(planWords(waitFor.definition.present(false, given))).toEqual([words]);
    expect(waitFor.definition.present(true, given)).toEqual([]);
  });

  test("how long is its own", () => {
    expect(waitFor({ port: 80, timeout }).settlesMs).toBe(300_000);
    expect(waitFor({ port: 80, timeout: "500ms" }).settlesMs).toBe(500);
  });

  test("for one thing at a time", () => {
    expect(() => waitFor({ timeout })).toThrow("needs exactly one of port, path, unit, until");
  });
});
