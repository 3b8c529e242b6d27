import assert from "node:assert/strict";
import { test } from "node:test";
import { motd } from "../tasks/motd.ts";

/** The file as the task reads it. */
const fileWith = (content: string) => ({
  path: "/etc/motd",
  kind: "file" as const,
  mode: "644",
  uid: 0,
  gid: 0,
  size: content.length,
  sha256: "0".repeat(64),
  content,
});
const steps = (content: string, text: string) => motd.definition.present(fileWith(content), { text });

test("a greeting that is there already needs no step", () => {
  assert.deepEqual(steps("hello\n", "hello"), []);
});

test("another greeting is one step", () => {
  assert.equal(steps("old\n", "hello").length, 1);
});
