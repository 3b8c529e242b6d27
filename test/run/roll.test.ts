import { describe, expect, test } from "vitest";
import { CausewayError } from "../../src/errors.ts";
import { Type } from "../../src/index.ts";
import type { Rolling, Turn } from "../../src/run/options.ts";
import { defineProbe } from "../../src/task/probe.ts";
import { type Given, rollOn, setting } from "./rolling.ts";

/** A plan that waits for something that never comes. */
const later = { later: "it waits" };

describe("a play in batches", () => {
  test("one host after the other, each batch proved with all others before the next", async () => {
    const { outcome, batches, proved } = await rollOn({ hosts: 3, play: { serial: 1 } });
    expect(outcome.exitCode).toBe(0);
    expect(batches).toEqual(["h1", "h2", "h3"]);
    // Before the first, after each, and the whole at the end.
    expect(proved).toEqual([undefined, ["h1"], ["h2"], ["h3"], undefined]);
  });

  test("the command line wins over the play, and 100% is one batch", async () => {
    expect((await rollOn({ hosts: 4, play: { serial: 1 }, rolling: { serial: "100%" } })).batches).toEqual([
      "h1+h2+h3+h4",
    ]);
    expect((await rollOn({ hosts: 4, rolling: { serial: "1,50%", order: "reverse" } })).batches).toEqual([
      "h4",
      "h3+h2",
      "h1",
    ]);
  });

  test("the hosts come in the order of the play's pattern, as in Ansible", async () => {
    const hosts = { hosts: 3, play: { serial: 1, hosts: "h3,all" } };
    expect((await rollOn(hosts)).batches).toEqual(["h3", "h1", "h2"]);
    expect((await rollOn({ ...hosts, rolling: { order: "reverse" } })).batches).toEqual(["h2", "h1", "h3"]);
    expect((await rollOn({ ...hosts, rolling: { order: "sorted" } })).batches).toEqual(["h1", "h2", "h3"]);
  });

  test("hosts that are as they should be take no batch, so that the same command continues where it stopped", async () => {
    const { batches, texts } = await rollOn({ hosts: 4, done: [1, 3], play: { serial: 1 } });
    expect(batches).toEqual(["h2", "h4"]);
    expect(texts).toContain("“Roll”: 2 of 4 hosts have something to do, in 2 batches");
    const none = await rollOn({ hosts: 2, done: [1, 2], play: { serial: 1 } });
    expect([none.batches, none.proved]).toEqual([[], [undefined]]);
  });

  test("a play that is done at once is no roll, whatever is asked for", async () => {
    const { batches, changed, texts } = await rollOn({
      hosts: 3,
      play: { atOnce: "it only adds" },
      rolling: { serial: "1" },
    });
    expect([batches, changed]).toEqual([[], ["h1", "h2", "h3"]]);
    expect(texts).toEqual(["“Roll” is done on all hosts at once: it only adds"]);
  });

  test("what is done at once may follow from the fleet", async () => {
    const atOnce = () => "nothing stands yet";
    const first = await rollOn({ hosts: 3, play: { atOnce }, rolling: { serial: "1" } });
    expect([first.batches, first.texts]).toEqual([
      [],
      ["“Roll” is done on all hosts at once: nothing stands yet"],
    ]);
    const later = await rollOn({ hosts: 3, play: { atOnce: () => undefined }, rolling: { serial: "1" } });
    expect(later.batches).toEqual(["h1", "h2", "h3"]);
  });

  test.each<[string, Partial<Rolling>, boolean]>([
    ["nobody asks for batches", {}, false],
    ["all hosts are one batch", { serial: "100%" }, false],
    ["all hosts are one batch of more than there are", { serial: "5" }, false],
    ["the command line would part it", { serial: "1" }, true],
    ["the command line would part it at the end", { serial: "3,1" }, true],
  ])("a change that half a fleet does not understand: %s", async (_, rolling, isRefused) => {
    const play = { indivisible: () => "backend a → b" };
    for (const check of [false, true]) {
      const { outcome, batches, changed, texts } = await rollOn({ hosts: 4, play, rolling, check });
      expect(outcome.refused.map(({ message, detail }) => [message, detail.found])).toEqual(
        isRefused
          ? [["“Roll” cannot be done in batches", `--serial ${rolling.serial}, and backend a → b`]]
          : [],
      );
      expect([outcome.exitCode, batches]).toEqual([isRefused ? 2 : 0, []]);
      expect(changed).toHaveLength(isRefused || check ? 0 : 4);
      if (!isRefused) expect(texts).toEqual(["“Roll” is done on all hosts at once: backend a → b"]);
    }
  });

  test.each<[string, Partial<Given>, number]>([
    ["a host that is left out", { limit: "h1:h2" }, 2],
    ["a host that cannot be reached", { unreachable: ["h3"] }, 4],
  ])("nor does a fleet understand it without %s", async (_, given, code) => {
    const play = { indivisible: () => "backend a → b" };
    const { outcome, changed } = await rollOn({ hosts: 3, play, ...given });
    expect(outcome.refused.map(({ message, detail }) => [message, detail.found])).toEqual([
      ["“Roll” has to be done on all hosts in one run", "backend a → b; not in this run, or unreachable: h3"],
    ]);
    expect([outcome.exitCode, changed]).toEqual([code, []]);
  });

  test("one host after the other, where the play says so, whatever is asked for", async () => {
    const play = { oneByOne: "they keep a quorum" };
    for (const serial of [undefined, "100%"]) {
      const { batches, texts } = await rollOn({
        hosts: 3,
        play,
        rolling: serial === undefined ? {} : { serial },
      });
      expect(batches).toEqual(["h1", "h2", "h3"]);
      expect(texts.includes("“Roll” is done on one host after the other: they keep a quorum")).toBe(
        serial !== undefined,
      );
    }
    expect((await rollOn({ hosts: 3, play, done: [1, 2, 3] })).texts).toEqual([]);
    // Nobody asked for batches: one that cannot be reached ends nothing.
    const without = await rollOn({ hosts: 3, play, unreachable: ["h1"] });
    expect([without.batches, without.outcome.exitCode]).toEqual([["h2", "h3"], 4]);
  });

  test("each play's own gate looks for itself what did not work before", async () => {
    const proved: string[] = [];
    const proving = (name: string, bad: readonly string[]) =>
      defineProbe({
        name,
        summary: "x",
        params: Type.Object({}),
        run: async (_, __, { among }) => {
          proved.push(`${name} ${among ? [...among] : "before"}`);
          const cells = bad.map((to) => ({
            from: "h1",
            to,
            ok: false,
            expected: "reachable" as const,
            lossPercent: 100,
          }));
          return { title: name, hosts: [], cells, notes: [] };
        },
      })({});
    const gates = { store: [proving("store", ["h2"])], net: [proving("net", ["h3"])] };
    const value = setting([]);
    const { batches } = await rollOn({
      hosts: 2,
      play: { serial: 1, gate: () => gates.store },
      next: {
        gate: () => gates.net,
        // Of the same value nothing would be left to do.
        tasks: (h: { name: string }) => [{ ...value({ host: h.name }), plan: async () => [later] }],
      },
    });
    expect(batches.slice(0, 2)).toEqual(["h1", "h2"]);
    expect(proved.slice(0, 4)).toEqual(["store before", "store h1", "store h2", "net before"]);
  });

  test("a check shows the batches and changes nothing", async () => {
    const { batches, changed, proved, events } = await rollOn({
      hosts: 3,
      done: [2],
      play: { serial: 1 },
      check: true,
    });
    expect([batches, changed, proved]).toEqual([["h1", "h3"], [], []]);
    expect(events.filter((e) => e.type === "task" && e.state === "planned")).toHaveLength(2);
  });

  test("the gate that fails ends the roll with 3; what was not begun is untouched, and in the retry file", async () => {
    const broken: Given["broken"] = (among) => (among?.has("h2") ? ["h2 h3"] : []);
    const { outcome, changed, batches, texts } = await rollOn({ hosts: 4, play: { serial: 1 }, broken });
    expect(outcome.exitCode).toBe(3);
    expect([batches, changed]).toEqual([
      ["h1", "h2"],
      ["h1", "h2"],
    ]);
    expect(outcome.retry).toEqual(["h3", "h4"]);
    expect(texts.some((t) => /run rollback \S+ --play 1 -l h2$/.test(t))).toBe(true);
  });

  test("what did not work before the first batch does not fail the gate, unless it is strict", async () => {
    const broken = () => ["h4 h1"];
    const before = await rollOn({ hosts: 4, play: { serial: 2 }, broken });
    expect(before.changed).toEqual(["h1", "h2", "h3", "h4"]);
    // The proof of the whole at the end counts all the same.
    expect(before.outcome.exitCode).toBe(3);
    expect(before.texts.some((t) => t.includes("did not work before the first batch"))).toBe(true);
    const strict = await rollOn({ hosts: 4, play: { serial: 2 }, broken, rolling: { gate: "strict" } });
    expect([strict.outcome.exitCode, strict.changed]).toEqual([3, ["h1", "h2"]]);
    const off = await rollOn({ hosts: 4, play: { serial: 2 }, broken, rolling: { gate: "off" } });
    expect([off.outcome.exitCode, off.proved]).toEqual([3, [undefined]]);
  });

  test("a gate is proved once more after the time to settle, which the first proof may outlast", async () => {
    let looks = 0;
    const broken: Given["broken"] = (among) => (among && ++looks === 1 ? ["h1 h2"] : []);
    const { outcome } = await rollOn({ hosts: 2, play: { serial: 1 }, broken, rolling: { settleMs: 1 } });
    expect([outcome.exitCode, looks]).toEqual([0, 3]);
    const never = await rollOn({
      hosts: 2,
      play: { serial: 1 },
      broken: (among) => (among ? ["h1 h2"] : []),
    });
    expect([never.outcome.exitCode, never.proved]).toEqual([3, [undefined, ["h1"]]]);
  });

  test("a gate has time to settle", async () => {
    let looks = 0;
    const broken: Given["broken"] = (among) => (among && ++looks < 3 ? ["h1 h2"] : []);
    const { outcome } = await rollOn({ hosts: 2, play: { serial: 1 }, broken, rolling: { settleMs: 5000 } });
    expect(outcome.exitCode).toBe(0);
  });

  test.each<[string, Partial<Given>, string[], string[], number]>([
    ["part of a batch failed: the next one begins", { failing: ["h1"] }, ["h2", "h3", "h4"], ["h1"], 2],
    ["a whole batch failed: the roll ends", { failing: ["h1", "h2"] }, [], ["h1", "h2", "h3", "h4"], 2],
    [
      "unless that is allowed",
      { failing: ["h1", "h2"], rolling: { policy: { continueOnFailure: true } } },
      ["h3", "h4"],
      ["h1", "h2"],
      2,
    ],
    [
      "any error is fatal",
      { failing: ["h1"], play: { serial: 2, anyErrorsFatal: true } },
      ["h2"],
      ["h1", "h3", "h4"],
      2,
    ],
    [
      "more than so many percent",
      { failing: ["h1"], rolling: { policy: { maxFailPercentage: 49 } } },
      ["h2"],
      ["h1", "h3", "h4"],
      2,
    ],
    [
      "just so many percent",
      { failing: ["h1"], rolling: { policy: { maxFailPercentage: 50 } } },
      ["h2", "h3", "h4"],
      ["h1"],
      2,
    ],
    ["a host that cannot be reached", { unreachable: ["h1"] }, ["h2", "h3", "h4"], ["h1"], 4],
  ])("%s", async (_, given, changed, retry, code) => {
    const rolled = await rollOn({ hosts: 4, ...given, play: { serial: 2, ...given.play } });
    expect(rolled.changed).toEqual(changed);
    expect(rolled.outcome.retry).toEqual(retry);
    expect(rolled.outcome.exitCode).toBe(code);
  });

  test("what can only be had of a batch is not left out where nobody spoke of batches", async () => {
    const one = await rollOn({ hosts: 3, rolling: { oneBatch: true } });
    expect([one.batches, one.proved]).toEqual([["h1+h2+h3"], [undefined, ["h1", "h2", "h3"], undefined]]);
    const own = await rollOn({ hosts: 2, play: { serial: 1 }, rolling: { oneBatch: true } });
    expect(own.batches).toEqual(["h1", "h2"]);
  });

  test("a limit ends the run after a play that is done at once, too", async () => {
    const next = { tasks: (h: { name: string }) => [setting([], "w")({ host: h.name })] };
    for (const play of [{ anyErrorsFatal: true }, { maxFailPercentage: 20, atOnce: "it only adds" }]) {
      const { outcome, events, texts } = await rollOn({ hosts: 3, failing: ["h2"], play, next });
      expect(events.filter((e) => e.type === "play")).toHaveLength(1);
      expect([outcome.exitCode, outcome.retry]).toEqual([2, ["h1", "h2", "h3"]]);
      expect(texts.at(-1)).toMatch(/^the run ends here: 1 of 3 hosts failed/);
    }
  });

  test("no gate is said, and why", async () => {
    const off = await rollOn({ hosts: 2, play: { serial: 1 }, rolling: { gate: "off" } });
    expect(off.texts).toContain("no gate between batches: --gate off");
    const alone = await rollOn({ hosts: 2, limit: "h1", play: { serial: 1 } });
    expect(alone.texts.some((text) => text.endsWith("this run is limited to one"))).toBe(true);
  });

  test("before each batch it is told what is left to do, with those that failed", async () => {
    const left: (readonly string[])[] = [];
    await rollOn({ hosts: 5, failing: ["h1"], done: [3], play: { serial: 2 }, left: (h) => left.push(h) });
    expect(left).toEqual([
      ["h1", "h2", "h4", "h5"],
      ["h1", "h4", "h5"],
    ]);
  });

  test("who wants to be asked is asked before plays that are done at once, where they have something to do", async () => {
    const asked: Turn[] = [];
    const ask = async (turn: Turn) => asked.push(turn) > 0;
    const next = { whenComplete: true };
    await rollOn({ hosts: 2, play: { atOnce: "it only adds" }, next, rolling: { ask, serial: "1" } });
    expect(asked).toEqual([{ play: "Roll", index: 0, count: 1, hosts: ["h1", "h2"] }]);
  });

  test("Ctrl-C ends after the batch in flight", async () => {
    const { outcome, changed } = await rollOn({
      hosts: 3,
      play: { serial: 1 },
      stopAt: (e) => e.type === "step" && e.host === "h2" && e.state === "done",
    });
    expect(outcome.exitCode).toBe(130);
    expect(changed).toEqual(["h1", "h2"]);
    expect(outcome.retry).toContain("h3");
  });

  test("a person is asked before each batch, and a no begins neither it nor those after it", async () => {
    const asked: Turn[] = [];
    const ask = async (turn: Turn) => asked.push(turn) < 2;
    const no = await rollOn({ hosts: 3, play: { serial: 1 }, rolling: { ask } });
    expect(asked).toEqual([
      { play: "Roll", index: 0, count: 3, hosts: ["h1"] },
      { play: "Roll", index: 1, count: 3, hosts: ["h2"] },
    ]);
    expect([no.outcome.exitCode, no.changed, no.outcome.retry]).toEqual([130, ["h1"], ["h2", "h3"]]);
  });

  const begun = ({ events }: Awaited<ReturnType<typeof rollOn>>) =>
    events.flatMap((e) => (e.type === "play" ? [e.title] : []));

  test("a play that takes away is left out where a host is missing or failed, and says so where it had something to do", async () => {
    const next = { whenComplete: true };
    const all = await rollOn({ hosts: 3, next });
    expect(begun(all)).toEqual(["Roll", "Then"]);
    const parts: Partial<Given>[] = [{ failing: ["h2"] }, { unreachable: ["h2"] }, { limit: "h1:h3" }];
    for (const part of parts) expect(begun(await rollOn({ hosts: 3, next, ...part }))).toEqual(["Roll"]);
    const quiet = await rollOn({ hosts: 3, next, limit: "h1" });
    expect(quiet.texts).toEqual([]);
    const tasks = (h: { name: string }) => [setting([])({ host: h.name })];
    const busy = await rollOn({ hosts: 3, play: { tasks: () => [] }, next: { ...next, tasks }, limit: "h1" });
    expect(busy.texts).toEqual([
      "left out: “Then”: it is done in a run in which all hosts take part and none fails",
    ]);
  });

  test("a check does not show again what an earlier play of it does already", async () => {
    const { events } = await rollOn({ hosts: 2, next: { whenComplete: true }, check: true });
    const shown = events.flatMap((e) => (e.type === "task" ? [`${e.host} ${e.play} ${e.state}`] : []));
    expect(shown.sort()).toEqual(["h1 Roll planned", "h1 Then ok", "h2 Roll planned", "h2 Then ok"]);
  });

  test("sizes that are none are an error before any host is connected to", async () => {
    await expect(rollOn({ hosts: 2, play: { serial: "many" } })).rejects.toThrow(CausewayError);
  });
});
