import { describe, expect, test } from "vitest";
import type { Entry } from "../../src/journal/entries.ts";
import { isSince, together, undoOrder } from "../../src/run/undo-order.ts";

const entry = (run: string, n: string, play: number): Entry => ({
  run,
  n,
  owner: "o",
  task: "t",
  key: n,
  play,
  kind: "run",
  resource: `run ${n}`,
  what: n,
  from: null,
  to: null,
  causes: [],
  begun: true,
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

describe("entries of one resource that are taken back together", () => {
  const of = (run: string, kind: string, what: string, over: Partial<Entry> = {}): Entry => ({
    ...entry(run, "0001", 0),
    key: "k",
    kind,
    resource: kind === "json" ? what.replace("keys of", "file") : what,
    what,
    to: `${run}'s`,
    ...over,
  });
  const unit = (run: string, over: Partial<Entry> = {}) => of(run, "unit", "unit consul.service", over);
  const file = (run: string, over: Partial<Entry> = {}) => of(run, "file", "file /etc/x", over);
  const words = (entries: readonly Entry[], check = false) =>
    together(entries, check).map(({ run, to, later }) => [run, to, ...(later ?? [])].join(" "));

  test("a unit's become the oldest, with what the newest made of it", () =>
    expect(words([unit("R3"), unit("R1"), unit("R2")])).toEqual(["R1 R3's R2/0001 R3/0001"]));
  test("what each of them caused is caused by the one", () => {
    const causes = (word: string) => [{ do: "restart", unit: word }] as const;
    const [one] = together([unit("R1", { causes: causes("a") }), unit("R2", { causes: causes("b") })], false);
    expect(one?.causes).toEqual([...causes("a"), ...causes("b")]);
  });
  test("files come back one after the other, and a check takes them for one", () => {
    expect(words([file("R1"), file("R2")])).toEqual(["R1 R1's", "R2 R2's"]);
    expect(words([file("R1"), file("R2")], true)).toEqual(["R1 R2's R2/0001"]);
  });
  test("keys of a file are those of all", () => {
    const keys = (run: string, values: Record<string, unknown>) =>
      of(run, "json", "keys of /etc/x", { keys: values });
    const [one] = together([keys("R1", { a: 1, b: 1 }), keys("R2", { b: 2 })], true);
    expect(one?.keys).toEqual({ a: 1, b: 2 });
  });
  test.each<[string, Entry[]]>([
    ["of another task", [unit("R1"), unit("R2", { task: "other" })]],
    ["of another resource", [unit("R1"), of("R2", "unit", "unit etcd.service")]],
    ["that was cut off", [unit("R1"), unit("R2", { done: false })]],
    ["that took one back", [unit("R1"), unit("R2", { closes: "R0/0001" })]],
    ["that cannot be undone", [unit("R1"), unit("R2", { irreversible: "no" })]],
  ])("one %s stays by itself", (_, entries) => expect(words(entries)).toEqual(["R1 R1's", "R2 R2's"]));
  test("nor are they one around somebody else's of the same file", () =>
    expect(words([file("R1"), of("R2", "json", "keys of /etc/x"), file("R3")], true)).toEqual([
      "R1 R1's",
      "R2 R2's",
      "R3 R3's",
    ]));
});

test.each<[string, Parameters<typeof isSince>[1], string[]]>([
  ["a run", { run: "r2" }, ["r2 -1", "r2 0", "r2 1", "r3 0"]],
  ["one of its plays, and what came after", { run: "r2", play: 1 }, ["r2 1", "r3 0"]],
  ["the very first", { run: "" }, ["r1 1", "r2 -1", "r2 0", "r2 1", "r3 0"]],
])("back to before %s", (_, since, expected) => {
  const all = ["r1 1", "r2 -1", "r2 0", "r2 1", "r3 0"];
  const within = all.filter((name) => {
    const [run, play] = name.split(" ");
    return isSince({ run, play: Number(play) } as Entry, since);
  });
  expect(within).toEqual(expected);
});
