import { describe, expect, test } from "vitest";
import { rawScript } from "../../src/host/sh.ts";
import { Type } from "../../src/index.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import type { Playbook } from "../../src/playbook/define.ts";
import { definePlaybook } from "../../src/playbook/define.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { run } from "../../src/run/run.ts";
import { everything, type Selection } from "../../src/run/selection.ts";
import { defineTask } from "../../src/task/define.ts";
import { FakeHost, journalOf, plainly, put as putStep } from "./fake-host.ts";

const put = defineTask({
  name: "put",
  summary: "sets a value",
  params: Type.Object({ name: Type.String() }),
  key: ({ name }) => name,
  read: async (host, { name }) => (await host.read(rawScript(`cat ${name}`), { looksAt: [name] })).stdout,
  present: (now, { name }) => (now === "1" ? [] : [putStep(name, "1", { touches: [name] })]),
});

/** Four plays; on h2 the second has a task less. */
const plays: Playbook["plays"] = [
  {
    title: "Routes",
    hosts: "all",
    tags: ["routes"],
    tasks: () => [put({ name: "r1" }), put({ name: "r2" })],
  },
  {
    title: "Docker",
    hosts: "all",
    tasks: ({ name }) => [
      ...(name === "h1" ? [put({ name: "d1" }, { tags: ["conf"] })] : []),
      put({ name: "d2" }, { tags: ["unit"] }),
    ],
  },
  { title: "Look", hosts: "all", tags: ["never", "debug"], tasks: () => [put({ name: "dump" })] },
  { title: "End", hosts: "all", tags: ["always"], tasks: () => [put({ name: "end" })] },
];

async function runWith(
  selection: Partial<Selection>,
  { check = false, owns, journal = "" }: { check?: boolean; owns?: string; journal?: string } = {},
) {
  const hosts = new Map(["h1", "h2"].map((name) => [name, new FakeHost()]));
  (hosts.get("h1") as FakeHost).journal = journal;
  const events: RunEvent[] = [];
  const playbook = {
    ...definePlaybook({ name: "test", summary: "x", vars: Type.Object({}), plays: [] }),
    ...(owns ? { owns } : {}),
    plays,
  } as unknown as Playbook;
  const outcome = await run({
    ...plainly(hosts, events),
    playbook,
    selection: { ...everything, ...selection },
    inventory: await loadInventory(["h1,h2"]),
    check,
    forks: 4,
  });
  const done = [...hosts].map(([name, { performed }]) => [
    name,
    ...performed.map((step) => step.split(" ")[1]),
  ]);
  return { outcome, done, events, indices: events.flatMap((e) => (e.type === "play" ? [e.index] : [])) };
}

/** A run of this playbook, or another, did `put KEY` on the host, and it stands. */
function didPut(key: string, playbook: string): string {
  return journalOf({ playbook, owns: "net", task: "put", key, scope: "host", what: key, to: "1" });
}

describe("the chosen tasks are done, and their plays keep their numbers", () => {
  test.each<[string, Partial<Selection>, string[][], number[]]>([
    [
      "all",
      {},
      [
        ["h1", "r1", "r2", "d1", "d2", "end"],
        ["h2", "r1", "r2", "d2", "end"],
      ],
      [0, 1, 3],
    ],
    [
      "a tag of tasks",
      { tags: ["conf"] },
      [
        ["h1", "d1", "end"],
        ["h2", "end"],
      ],
      [1, 3],
    ],
    [
      "a tag of a play",
      { tags: ["routes"] },
      [
        ["h1", "r1", "r2", "end"],
        ["h2", "r1", "r2", "end"],
      ],
      [0, 3],
    ],
    [
      "what is never done else",
      { tags: ["debug"], skipTags: ["always"] },
      [
        ["h1", "dump"],
        ["h2", "dump"],
      ],
      [2],
    ],
    [
      "all but some",
      { skipTags: ["routes", "unit"] },
      [
        ["h1", "d1", "end"],
        ["h2", "end"],
      ],
      [1, 3],
    ],
    [
      "from a task on, which one host does not have",
      { startAt: "put d1" },
      [
        ["h1", "d1", "d2", "end"],
        ["h2", "end"],
      ],
      [1, 3],
    ],
    [
      "from the first task that fits",
      { startAt: "* d?" },
      [
        ["h1", "d1", "d2", "end"],
        ["h2", "d2", "end"],
      ],
      [1, 3],
    ],
    [
      "from a play on, with tags",
      { startAt: "Docker", tags: ["routes", "unit"], skipTags: ["always"] },
      [
        ["h1", "d2"],
        ["h2", "d2"],
      ],
      [1],
    ],
  ])("%s", async (_, selection, wanted, numbers) => {
    const { outcome, done, indices } = await runWith(selection);
    expect({ code: outcome.exitCode, done, indices }).toEqual({ code: 0, done: wanted, indices: numbers });
  });
});

test.each<[Partial<Selection>, RegExp, RegExp]>([
  [{ tags: ["route"] }, /^--tags route: no task has this tag$/, /did you mean routes\?/],
  [{ skipTags: ["x"] }, /^--skip-tags x: no task has this tag$/, /--list-tags/],
  [{ startAt: "put d9" }, /^--start-at-task put d9: there is no such task$/, /did you mean 'put \w+'\?/],
])("%o names nothing: exit 5, and nothing is done", async (selection, message, advice) => {
  const { outcome, done } = await runWith(selection);
  expect(outcome.refused.map((e) => [e.message, e.detail.advice])).toEqual([
    [expect.stringMatching(message), expect.stringMatching(advice)],
  ]);
  expect([outcome.exitCode, done]).toEqual([5, [["h1"], ["h2"]]]);
});

describe("what stands in the journal", () => {
  const undone = async (selection: Partial<Selection>, key: string) => {
    const { events } = await runWith(selection, { check: true, journal: didPut(key, "test") });
    return events.some((e) => e.type === "play" && e.title === "Undo what is no longer planned");
  };

  test("is undone by a complete run that no longer plans it, and by no run of a part", async () => {
    expect(await undone({}, "gone")).toBe(true);
    for (const part of [{ tags: ["routes"] }, { skipTags: ["unit"] }, { startAt: "Docker" }])
      expect(await undone(part, "gone")).toBe(false);
  });

  test("of a task with the tag never stays, although a complete run does not do it", async () => {
    expect(await undone({}, "dump")).toBe(false);
  });

  test("of another playbook that owns the same is not replaced by a part", async () => {
    const given = { owns: "net", journal: didPut("x", "other") };
    const { outcome, done } = await runWith({ tags: ["routes"] }, given);
    expect(outcome.refused[0]?.message).toBe("a part of test cannot take the place of other");
    expect([outcome.exitCode, done]).toEqual([2, [["h1"], ["h2"]]]);
  });
});
