import { describe, expect, test } from "vitest";
import { rawScript } from "../../src/host/sh.ts";
import { Type } from "../../src/index.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { definePlaybook, type Playbook } from "../../src/playbook/define.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { run } from "../../src/run/run.ts";
import { defineTask } from "../../src/task/define.ts";
import { FakeHost, plainly, put } from "./fake-host.ts";

/** A value on a host in memory. */
const value = defineTask({
  name: "value",
  summary: "sets a value",
  params: Type.Object({ name: Type.String() }),
  key: ({ name }) => name,
  read: async (host, { name }) =>
    (await host.read(rawScript(`cat ${name}`), { looksAt: [`value:${name}`] })).code === 0,
  present: (isThere, { name }) => (isThere ? [] : [put(name, "1")]),
});

type Plays = Playbook["plays"];

/** A journal in which an earlier run was cut off while it set the value b. */
const halfDone = [
  "format 1",
  "head r1 0001",
  'runs/r1/run.json:{"id":"r1","playbook":"test","owns":null,"started":"","user":"","machine":"","hosts":[]}',
  'runs/r1/0001.json:{"run":"r1","n":"0001","owner":"test","task":"value","key":"b","play":0,"kind":"run","what":"b","from":null,"to":"1","causes":[]}',
  "mark runs/r1/0001.begun",
].join("\n");

async function runOn(
  names: string[],
  plays: Plays,
  prepare: (hosts: Map<string, FakeHost>) => void,
  check = false,
) {
  const hosts = new Map(names.map((name) => [name, new FakeHost()]));
  prepare(hosts);
  const events: RunEvent[] = [];
  const book = { ...definePlaybook({ name: "test", summary: "x", vars: Type.Object({}), plays: [] }), plays };
  const outcome = await run({
    ...plainly(hosts, events),
    playbook: book as Playbook,
    inventory: await loadInventory([`${names.join(",")},`], new Map()),
    check,
  });
  const warnings = events.flatMap((e) => (e.type === "message" && e.level === "warning" ? [e.text] : []));
  return { outcome, events, warnings, host: hosts.get(names[0] ?? "") as FakeHost, hosts };
}

const failing = (name: string, times: number) => (hosts: Map<string, FakeHost>) =>
  hosts.get("h1")?.failing.set(name, times);
const play = (names: readonly string[], over: Partial<Plays[number]> = {}): Plays[number] => ({
  title: "play",
  hosts: "all",
  tasks: () => names.map((name) => value({ name })),
  ...over,
});

describe("a task that may be tried again", () => {
  const again = () => [
    value({ name: "a" }),
    value({ name: "b" }, { retries: { times: 2, pause: "1ms" } }),
    value({ name: "c" }),
  ];

  test("fails twice, and is in place; what was done before it is not done again", async () => {
    const { outcome, host, warnings } = await runOn(["h1"], [play([], { tasks: again })], failing("b", 2));
    expect(outcome.exitCode).toBe(0);
    expect(host.performed).toEqual(["put a 1", "put b 1", "put c 1"]);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^value b failed, and is tried again in 0.001 s, 1 of 2\n.*h1.*failed with code 9/,
      ),
      expect.stringContaining("2 of 2"),
    ]);
  });

  test("fails once more: the host has failed", async () => {
    const { outcome, warnings } = await runOn(["h1"], [play([], { tasks: again })], failing("b", 3));
    expect(outcome.exitCode).toBe(2);
    expect(warnings).toHaveLength(2);
  });

  test("another task of the play that fails is not tried again", async () => {
    const { outcome, warnings } = await runOn(["h1"], [play([], { tasks: again })], failing("c", 1));
    expect(outcome.exitCode).toBe(2);
    expect(warnings).toEqual([]);
  });

  test("so often that it is no number is refused", () => {
    expect(() => value({ name: "a" }, { retries: { times: 0 } })).toThrow("options of value: retries.times");
    expect(() => value({ name: "a" }, { retries: { times: 1, pause: "5" } })).toThrow("retries.pause");
  });
});

describe("a play with a rescue", () => {
  const rescue = () => [value({ name: "r" })];
  const after = play(["z"], { title: "after" });

  test("is rescued on the host on which it failed, which goes on; the recap says so, and nothing is inferred", async () => {
    const plays = [play(["a", "b"], { rescue }), after, play(["w"], { whenComplete: true })];
    const { outcome, hosts, warnings } = await runOn(["h1", "h2"], plays, failing("b", 1));
    expect(outcome.exitCode).toBe(0);
    expect(hosts.get("h1")?.performed).toEqual(["put a 1", "put r 1", "put z 1"]);
    expect(hosts.get("h2")?.performed).toEqual(["put a 1", "put b 1", "put z 1"]);
    expect(outcome.hosts.h1).toMatchObject({ failed: 0, rescued: ["play"] });
    expect(outcome.hosts.h2?.rescued).toBeUndefined();
    expect(warnings[0]).toMatch(/^“play” failed, and its rescue is done instead\n/);
    expect(warnings[1]).toMatch(/^left out: “play”/);
  });

  test("leaves a step that was cut off earlier as it is: its task is not in place", async () => {
    const finishes = async (times: number) => {
      const asked: string[] = [];
      await runOn(["h1"], [play(["b"], { rescue })], (hosts) => {
        failing("b", times)(hosts);
        const host = hosts.get("h1");
        if (host) host.journal = halfDone;
        if (host) host.says = (script) => void (/^cw_finish /m.test(script) && asked.push(script));
      });
      return asked.length;
    };
    expect(await finishes(1)).toBe(0);
    expect(await finishes(0)).toBe(1);
  });

  test("knows why", async () => {
    const told = play(["b"], {
      rescue: (_host, _fleet, { message }) => [value({ name: message.slice(0, 1) })],
    });
    const { host } = await runOn(["h1"], [told], failing("b", 1));
    expect(host.performed).toEqual(["put b 1"]);
  });

  test("fails where the rescue does: the first failure is the reason, and both are told", async () => {
    const { outcome, events } = await runOn(["h1"], [play(["b"], { rescue }), after], (hosts) => {
      failing("b", 1)(hosts);
      failing("r", 1)(hosts);
    });
    expect(outcome.exitCode).toBe(2);
    expect(outcome.hosts.h1?.failed).toBe(1);
    const failures = events.flatMap((e) => (e.type === "failed" ? [e.error.message] : []));
    expect(failures).toEqual(["r failed with code 9", "b failed with code 9"]);
  });

  test("does nothing of it where nothing fails, nor in a check", async () => {
    expect((await runOn(["h1"], [play(["a"], { rescue })], () => {})).host.performed).toEqual(["put a 1"]);
    const { events } = await runOn(["h1"], [play(["a"], { rescue })], () => {}, true);
    expect(events.flatMap((e) => (e.type === "task" ? [e.key] : []))).toEqual(["a"]);
  });

  test("is not for a host that cannot be reached any more", async () => {
    const { outcome, host } = await runOn(
      ["h1"],
      [play(["b"], { rescue, always: rescue, confirmTimeout: 0 })],
      (hosts) => {
        const one = hosts.get("h1");
        if (one) one.lostAt = "put b";
      },
    );
    expect(outcome.exitCode).toBe(4);
    expect(host.performed).toEqual([]);
  });
});

describe("what a play does always", () => {
  const always = () => [value({ name: "l" })];

  test("comes last, also after a failure, and after a rescue", async () => {
    const done = async (over: Partial<Plays[number]>, times: number) => {
      const { outcome, host } = await runOn(
        ["h1"],
        [play(["a", "b"], { always, ...over })],
        failing("b", times),
      );
      return [outcome.exitCode, ...host.performed];
    };
    expect(await done({}, 0)).toEqual([0, "put a 1", "put b 1", "put l 1"]);
    expect(await done({}, 1)).toEqual([2, "put a 1", "put l 1"]);
    expect(await done({ rescue: () => [value({ name: "r" })] }, 1)).toEqual([
      0,
      "put a 1",
      "put r 1",
      "put l 1",
    ]);
  });

  test("is in the check", async () => {
    const { events } = await runOn(["h1"], [play(["a"], { always })], () => {}, true);
    expect(events.flatMap((e) => (e.type === "task" ? [e.key] : []))).toEqual(["a", "l"]);
  });
});

describe("a throttle", () => {
  /** The hosts that are at work when each begins. */
  async function atWork(throttle?: number) {
    const names = ["h1", "h2", "h3", "h4"];
    const { events } = await runOn(
      names,
      [play(["a"], throttle === undefined ? {} : { throttle })],
      () => {},
    );
    const working = new Set<string>();
    let most = 0;
    for (const event of events) {
      if (event.type !== "task" || event.key !== "a") continue;
      if (event.state === "performing") most = Math.max(most, working.add(event.host).size);
      if (event.state === "changed") working.delete(event.host);
    }
    return most;
  }

  test("lets so many hosts work at a time", async () => {
    expect(await atWork(1)).toBe(1);
    expect(await atWork(2)).toBe(2);
    expect(await atWork()).toBe(4);
  });

  test("that is no number of hosts is refused before any connection", async () => {
    await expect(runOn(["h1"], [play(["a"], { throttle: 0 })], () => {})).rejects.toThrow(
      "no number of hosts",
    );
  });
});
