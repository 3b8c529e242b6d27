import { describe, expect, test, vi } from "vitest";
import { CausewayError } from "../../src/errors.ts";
import type { Connect, Session } from "../../src/host/session.ts";
import { rawScript } from "../../src/host/sh.ts";
import { revertScript } from "../../src/journal/script.ts";
import { defineFact } from "../../src/playbook/define.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { Switch } from "../../src/run/switch.ts";
import { rollOn, setting } from "./rolling.ts";

const armedOn = (events: readonly RunEvent[]) =>
  events.flatMap((e) => (e.type === "switch" ? [`${e.host} ${e.state}`] : []));
const errorsOf = (events: readonly RunEvent[]) =>
  events.flatMap((e) =>
    e.type === "failed" || e.type === "unreachable" ? [`${e.host}: ${e.error.message}`] : [],
  );

/** Every connection of the hosts, in order, and what new ones come to that are there to confirm. */
function confirming(answer: (host: string) => { code: number; stdout: string } | undefined, through = "") {
  const order: string[] = [];
  const connect =
    (real: Connect): Connect =>
    async (target, options) => {
      const session = await real(target, options);
      return {
        ...session,
        through: target.name === "h1" ? [through] : [],
        run: async (script, how) => {
          if (!/^cw_confirm \S+ [0-9a-f]+$/m.test(script)) return session.run(script, how);
          order.push(target.name);
          const said = answer(target.name);
          if (said === undefined)
            throw new CausewayError("host", "a command did not end", { host: target.name });
          return { ...said, stderr: "" };
        },
      };
    };
  return { connect, order };
}

/** What a second play has to do. */
const other = (host: { name: string }) => [setting([], "w")({ host: host.name })];
const fine = { code: 0, stdout: "" };
const reverted = { code: 79, stdout: "@cw unconfirmed reverted reverted\n@cw done R/0001\n" };

describe("a run that may cut the runner off", () => {
  test("is confirmed after its proof, on each host that was changed", async () => {
    const { connect } = confirming(() => fine);
    const { outcome, events } = await rollOn({ hosts: 3, done: [2], connect });
    expect(outcome.exitCode).toBe(0);
    expect(armedOn(events)).toEqual(["h1 armed", "h3 armed", "h1 confirmed", "h3 confirmed"]);
    const types = events.map((e) => (e.type === "switch" ? e.state : e.type));
    expect(types.lastIndexOf("probe")).toBeLessThan(types.indexOf("confirmed"));
  });

  test("in a roll, each batch before the next", async () => {
    const { connect } = confirming(() => fine);
    const { events } = await rollOn({ hosts: 2, play: { serial: 1 }, connect });
    expect(armedOn(events)).toEqual(["h1 armed", "h1 confirmed", "h2 armed", "h2 confirmed"]);
  });

  test("a host that has taken it back fails with 2, and ends a roll of one host at a time", async () => {
    const { connect } = confirming((host) => (host === "h1" ? reverted : fine));
    const { outcome, events, changed } = await rollOn({ hosts: 2, play: { serial: 1 }, connect });
    expect(outcome.exitCode).toBe(2);
    expect(errorsOf(events)).toEqual(["h1: rolled back by its own timer: the run was not confirmed in time"]);
    expect(changed).toEqual(["h1"]);
    expect(outcome.retry).toEqual(["h1", "h2"]);
  });

  test("a host that others are reached through is done last, and not confirmed when they cannot be reached", async () => {
    const held = confirming((host) => (host === "h1" ? undefined : fine), "h3");
    const lost = await rollOn({ hosts: 3, connect: held.connect });
    expect(held.order).toEqual(["h1", "h2"]);
    expect(errorsOf(lost.events)).toEqual([
      "h1: not confirmed over a new connection: a command did not end",
      "h3: not confirmed, because h1 could not be reached through it",
    ]);
    const { connect, order } = confirming(() => fine, "h1-is-not-h3");
    await rollOn({ hosts: 3, connect });
    expect(order.sort()).toEqual(["h1", "h2", "h3"]);
    const last = confirming(() => fine, "h2");
    expect((await rollOn({ hosts: 3, play: { serial: 1 }, connect: last.connect })).batches).toEqual([
      "h1",
      "h3",
      "h2",
    ]);
    expect(last.order).toEqual(["h1", "h3", "h2"]);
  });

  test("what failed in itself is confirmed as it stands, where the host is reached: no switch is left armed", async () => {
    const { connect, order } = confirming(() => fine);
    const { outcome, events } = await rollOn({ hosts: 2, failing: ["h1"], connect });
    expect(outcome.exitCode).toBe(2);
    expect(armedOn(events).toSorted()).toEqual(["h1 armed", "h1 confirmed", "h2 armed", "h2 confirmed"]);
    expect(order.toSorted()).toEqual(["h1", "h2"]);
  });

  test("a play that switches it off says so", async () => {
    const { connect } = confirming(() => fine);
    const off = await rollOn({ hosts: 1, connect, play: { confirmTimeout: 0 } });
    expect(armedOn(off.events)).toEqual([]);
    expect(off.texts).toContain(
      "confirmTimeout 0: if it is cut off, it does not take this play back by itself",
    );
    const idle = await rollOn({ hosts: 1, connect, play: { confirmTimeout: 0 }, check: true });
    expect(idle.texts.filter((text) => /cut off/.test(text))).toEqual([]);
  });

  test("a play waits as long as it says itself, also where one before it armed the switch", async () => {
    const { connect } = confirming(() => fine);
    const { hosts, events } = await rollOn({
      hosts: 1,
      connect,
      play: { confirmTimeout: 300 },
      next: { confirmTimeout: 20, tasks: other },
    });
    const armed = hosts.get("h1")?.scripts.map((script) => /^cw_arm \S+ (\d+ \d+)/m.exec(script)?.[1]);
    expect(armed).toEqual(["300 0001", "20 0001"]);
    expect(events.flatMap((e) => (e.type === "switch" ? [e.seconds ?? e.state] : []))).toEqual([
      300,
      20,
      "confirmed",
    ]);
  });

  test("is renewed for as long as the present play says, and no more once it is off", async () => {
    vi.useFakeTimers();
    try {
      const asked: (string | undefined)[] = [];
      const session = {
        beside: async (script: string) => {
          asked.push(/^cw_renew R1 \S+ (\d+)$/m.exec(script)?.[1]);
          return 0;
        },
      } as unknown as Session;
      const one = new Switch();
      for (const seconds of [300, 30]) {
        one.seconds = seconds;
        one.arm(session, "R1");
      }
      one.seconds = 0;
      await vi.advanceTimersByTimeAsync(25_000);
      expect([asked, one.isArmed, one.fires - Date.now()]).toEqual([["30", "30"], true, 25_000]);
      one.off();
      await vi.advanceTimersByTimeAsync(25_000);
      expect([asked.length, one.isArmed]).toEqual([2, false]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("before a play that switches it off, what is armed is confirmed", async () => {
    const { connect } = confirming(() => fine);
    const { events, hosts } = await rollOn({
      hosts: 2,
      connect,
      next: { confirmTimeout: 0, hosts: "h1", tasks: other },
    });
    const order = events.flatMap((e) =>
      e.type === "switch" ? [e.state] : e.type === "play" ? [e.title] : [],
    );
    expect(order).toEqual(["Roll", "armed", "armed", "confirmed", "confirmed", "Then"]);
    expect(hosts.get("h1")?.scripts.map((script) => /^cw_arm /m.test(script))).toEqual([true, false]);
  });

  test("with a time of 0 nothing is armed, and nothing that changes nothing is", async () => {
    const { connect, order } = confirming(() => fine);
    const off = await rollOn({ hosts: 2, connect, confirmSeconds: 0 });
    const idle = await rollOn({ hosts: 2, done: [1, 2], connect });
    expect([armedOn(off.events), armedOn(idle.events), order]).toEqual([[], [], []]);
  });

  test("what an earlier run left armed is taken back first; then all is read again, also what no step touches", async () => {
    let armed = true;
    const answer = (script: string, stdout: string) => {
      if (script.endsWith(revertScript)) armed = false;
      if (script === "look") return armed ? "a node" : "none";
      return armed && script.includes("<switch/armed") ? "armed R1" : stdout;
    };
    const connect =
      (real: Connect): Connect =>
      async (target, options) => {
        const session = await real(target, options);
        return {
          ...session,
          run: async (script, how) => {
            const said = await session.run(script, how);
            return { ...said, stdout: answer(script, said.stdout) };
          },
        };
      };
    const node = defineFact({
      name: "node",
      read: async (host) => (await host.read(rawScript("look"), { looksAt: [] })).stdout,
    });
    const judged: unknown[] = [];
    const preflight = ({ reached }: { reached: readonly { facts: unknown }[] }) => {
      judged.push(...reached.map(({ facts }) => facts));
      return [];
    };
    const { outcome, texts } = await rollOn({
      hosts: 1,
      connect,
      confirmSeconds: 0,
      playbook: { facts: { node }, preflight },
    });
    expect(texts).toContainEqual(
      expect.stringMatching(/^run R1 was cut off and not confirmed: .* taken back first$/),
    );
    expect([outcome.exitCode, judged]).toEqual([0, [{ node: "none" }]]);
  });
});
