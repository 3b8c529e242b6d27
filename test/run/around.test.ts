import { describe, expect, test } from "vitest";
import { rawScript } from "../../src/host/sh.ts";
import { Type } from "../../src/index.ts";
import { defineTask } from "../../src/task/define.ts";
import type { Step } from "../../src/task/step.ts";
import { put } from "./fake-host.ts";
import { type Given, rollOn } from "./rolling.ts";

/** A member of a balancer: its name is `in` or `out`; for some it fails. */
const membership = (failing: readonly string[]) =>
  defineTask({
    name: "member",
    summary: "x",
    params: Type.Object({ name: Type.String(), state: Type.String() }),
    key: ({ name }) => name,
    read: async (host, { name }) =>
      (await host.read(rawScript(`cat m-${name}`), { looksAt: [`m-${name}`] })).stdout,
    present: (now, { name, state }): readonly Step[] =>
      now === state
        ? []
        : [
            put(`m-${name}`, state, {
              touches: [`m-${name}`],
              perform: rawScript(
                `${failing.includes(`${name} ${state}`) ? "fail" : "put"} m-${name} ${state}`,
              ),
            }),
          ],
  });

/** Rolls over all hosts but the last, which is the balancer of the others; what was done, in the order of its being done. */
async function rollAround(given: Given & { refusing?: readonly string[] }) {
  const balancer = `h${given.hosts}`;
  const member = membership(given.refusing ?? []);
  const rolled = await rollOn({
    ...given,
    play: {
      serial: 1,
      hosts: `all:!${balancer}`,
      around: {
        hosts: balancer,
        tasks: (_attending, { name }, state) => [member({ name, state })],
      },
      ...given.play,
    },
  });
  const done = rolled.events.flatMap((e) =>
    e.type === "step" && e.state === "done" ? [`${e.host} ${e.step.what} ${e.step.to}`] : [],
  );
  return { ...rolled, done, members: rolled.hosts.get(balancer)?.values ?? new Map<string, string>() };
}

describe("what other hosts do around a batch", () => {
  test("its hosts go out before it and in after it, one batch after the other", async () => {
    const { outcome, done, texts } = await rollAround({ hosts: 4 });
    expect(outcome.exitCode).toBe(0);
    expect(done).toEqual(["h1", "h2", "h3"].flatMap((h) => [`h4 m-${h} out`, `${h} v 1`, `h4 m-${h} in`]));
    expect(texts.join()).not.toMatch(/still out/);
    const two = await rollAround({ hosts: 4, rolling: { serial: "2" } });
    expect(two.done.slice(0, 2)).toEqual(["h4 m-h1 out", "h4 m-h2 out"]);
  });

  test("a host that has nothing to do is in, and a run that has nothing to do does nothing", async () => {
    const { done } = await rollAround({ hosts: 3, done: [1] });
    expect(done).toEqual(["h3 m-h1 in", "h3 m-h2 out", "h2 v 1", "h3 m-h2 in"]);
    const none = await rollAround({ hosts: 3, done: [1, 2] });
    expect(none.done).toEqual(["h3 m-h1 in", "h3 m-h2 in"]);
  });

  test("one that failed stays out, is named, and the retry has who takes it in", async () => {
    const { outcome, done, texts, members } = await rollAround({
      hosts: 3,
      failing: ["h1"],
      rolling: { policy: { continueOnFailure: true } },
    });
    expect([outcome.exitCode, outcome.retry]).toEqual([2, ["h1", "h3"]]);
    expect(done).toEqual(["h3 m-h1 out", "h3 m-h2 out", "h2 v 1", "h3 m-h2 in"]);
    expect(members.get("m-h1")).toBe("out");
    expect(texts).toContain("still out on h3: h1; a run in which they are well brings them in again");
  });

  test("where the gate fails the batch stays out", async () => {
    const broken = (among: ReadonlySet<string> | undefined) => (among?.has("h1") ? ["h1 h2"] : []);
    const stopped = await rollAround({ hosts: 3, broken });
    expect([stopped.outcome.exitCode, stopped.members.get("m-h1")]).toEqual([3, "out"]);
    expect(stopped.texts.join()).toMatch(/still out on h3: h1/);
  });

  test.each([
    ["out", [], ["h1", "h2"]],
    ["in", ["h3 m-h1 out", "h1 v 1"], ["h2"]],
  ] as const)("who cannot bring a host %s ends the roll", async (state, before, notBegun) => {
    const { outcome, done, events, texts } = await rollAround({ hosts: 3, refusing: [`h1 ${state}`] });
    expect(outcome.exitCode).toBe(2);
    expect(done).toEqual(before);
    expect(texts).toContain("the roll ends here: a host around the batches failed");
    expect(events.at(-1)).toMatchObject({ type: "recap", notBegun });
    expect(outcome.retry).toEqual(expect.arrayContaining(["h3", ...notBegun]));
  });

  test("a check shows how they go out, and does nothing", async () => {
    const { done, events } = await rollAround({ hosts: 3, check: true });
    expect(done).toEqual([]);
    const planned = events.flatMap((e) =>
      e.type === "task" && e.state === "planned"
        ? (e.steps ?? []).map(({ what, to }) => `${e.host} ${what} ${to}`)
        : [],
    );
    expect(planned.sort()).toEqual(["h1 v 1", "h2 v 1", "h3 m-h1 out", "h3 m-h2 out"]);
  });

  test("what does not go together is an error before any connection", async () => {
    const { serial: _, ...whole } = { serial: 1 };
    await expect(rollAround({ hosts: 3, play: { ...whole, serial: undefined } as never })).rejects.toThrow(
      "around goes with batches",
    );
    await expect(rollAround({ hosts: 3, play: { runOnce: true } })).rejects.toThrow(
      "around goes with batches",
    );
    await expect(rollAround({ hosts: 3, limit: "h1" })).rejects.toMatchObject({
      message: "--limit h1 leaves out who attends to play “Roll”",
      detail: { advice: "--limit 'h1:h3'" },
    });
    expect((await rollAround({ hosts: 3, limit: "h1:h3" })).done).toEqual([
      "h3 m-h1 out",
      "h1 v 1",
      "h3 m-h1 in",
    ]);
  });
});
