import { expect, test } from "vitest";
import { painter } from "../../src/report/paint.ts";
import { stepParts } from "../../src/report/words.ts";

test.each([
  ["a", "b", ": a → b"],
  [null, "b", ": — → b"],
  ["a", null, ": a → —"],
  ["a", "a", ": a, made anew"],
])("from %s to %s reads %s", (from, to, change) =>
  expect(stepParts({ kind: "file", what: "x", from, to }, painter(false)).change).toBe(change),
);
