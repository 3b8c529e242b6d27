import { expect, test } from "vitest";
import { watchOf } from "../../src/cli/watch-options.ts";

test.each([
  [{}, {}],
  [{ watch: true }, { watch: {} }],
  [{ "max-gap": "500ms" }, { watch: { maxGapMs: 500 } }],
  [{ "max-gap": "2s" }, { watch: { maxGapMs: 2000 } }],
  [{ watch: true, "max-gap": "1.5m" }, { watch: { maxGapMs: 90_000 } }],
])("%j", (values, expected) => {
  expect(watchOf(values)).toEqual(expected);
});

test.each(["2", "0s", "-1s", "2 s", "2h", "", "s", "1e3ms"])("--max-gap %j is refused", (limit) => {
  expect(() => watchOf({ "max-gap": limit })).toThrow(expect.objectContaining({ code: "usage" }));
});
