import { expect, test } from "vitest";
import type { Entry } from "../../src/journal/entries.ts";
import { undoOrder } from "../../src/run/undo-order.ts";

const entry = (run: string, n: string, play: number): Entry => ({
  run,
  n,
  owner: "o",
  task: "t",
  key: n,
  play,
  kind: "run",
  what: n,
  from: null,
  to: null,
  causes: [],
  done: true,
  undone: false,
});

test("backwards through runs and their plays, what was undone before the first play last", () => {
  const groups = undoOrder(
    new Map([
      [
        "a",
        [entry("R2", "0001", -2), entry("R2", "0002", -1), entry("R2", "0003", 0), entry("R1", "0001", 0)],
      ],
      [
        "b",
        [entry("R2", "0001", -2), entry("R2", "0002", 10), entry("R2", "0003", 2), entry("R2", "0004", 2)],
      ],
    ]),
  );
  const words = groups.map(({ run, play, entries }) =>
    [run, play, ...[...entries].map(([host, list]) => `${host} ${list.map((e) => e.n).join(" ")}`)].join(
      ", ",
    ),
  );
  expect(words).toEqual([
    "R2, 10, b 0002",
    "R2, 2, b 0004 0003",
    "R2, 0, a 0003",
    "R2, -1, a 0002",
    "R2, -2, a 0001, b 0001",
    "R1, 0, a 0001",
  ]);
});
