import { describe, expect, test } from "vitest";
import { rawScript } from "../../src/host/sh.ts";
import { Type } from "../../src/index.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { readMarksScript } from "../../src/journal/marks.ts";
import { definePlaybook, type Playbook } from "../../src/playbook/define.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { run } from "../../src/run/run.ts";
import { defineTask, type Scope } from "../../src/task/define.ts";
import { later } from "../../src/task/step.ts";
import { FakeHost, journalOf, plainly, put } from "./fake-host.ts";

/** What peers have of each other: one value that names them all. `waits` is asked each time that it is planned. */
const peers = (scope: Scope, waits: () => boolean) =>
  defineTask({
    name: "peers",
    summary: "x",
    params: Type.Object({ names: Type.String() }),
    key: () => "k",
    scope,
    settles: "2s",
    read: async (host) => (await host.read(rawScript("cat peers"), { looksAt: ["peers"] })).stdout,
    present: (now, { names }) => {
      if (waits()) return [later("a store that does not answer")];
      return now === names ? [] : [put("peers", names, { from: now, touches: ["peers"] })];
    },
  });

function didPeers(playbook: string, scope: Scope): string {
  return journalOf({ playbook, owns: "network", task: "peers", key: "k", scope, what: "peers", to: "x" });
}

interface Given {
  off?: readonly string[];
  dead?: boolean;
  owner?: string;
  scope?: Scope;
  /** So often it is planned before the store answers. */
  waits?: number;
  bare?: boolean;
  check?: boolean;
  /** What h3 has of causeway that is in no journal. */
  carries?: string;
  /** What happens to the others while h3 takes its own part back. */
  meanwhile?: (hosts: ReadonlyMap<string, FakeHost>) => void;
}

/** Takes h3 out of h1, h2 and h3, in check unless it is said. */
async function takeOut({ off = [], dead = false, owner = "test", scope = "host", ...given }: Given) {
  const names = ["h1", "h2", "h3"];
  const hosts = new Map(names.filter((n) => !off.includes(n)).map((name) => [name, new FakeHost()]));
  for (const host of hosts.values()) {
    if (!given.bare) host.journal = didPeers(owner, scope);
    host.values.set("peers", "h1+h2+h3");
  }
  const leaves = hosts.get("h3");
  if (leaves)
    leaves.says = (script) => {
      if (/^cw_take_back/m.test(script)) given.meanwhile?.(hosts);
      return script === readMarksScript.text ? given.carries : undefined;
    };
  let plans = 0;
  const task = peers(scope, () => {
    plans += 1;
    return plans <= (given.waits ?? 0);
  });
  const playbook = {
    ...definePlaybook({ name: "test", summary: "x", owns: "network", vars: Type.Object({}), plays: [] }),
    plays: [
      {
        title: "Know the peers",
        hosts: "all",
        tasks: (_: unknown, fleet: { hosts: readonly { name: string }[] }) => [
          task({ names: fleet.hosts.map(({ name }) => name).join("+") }),
        ],
      },
    ],
  } as unknown as Playbook;
  const events: RunEvent[] = [];
  const outcome = await run({
    ...plainly(hosts, events),
    playbook,
    inventory: await loadInventory([`${names.join(",")},`]),
    leaving: { names: ["h3"], dead },
    check: given.check ?? true,
  });
  const planned = events.flatMap((e) =>
    e.type === "task" && e.state === "planned" ? (e.steps ?? []).map((s) => `${e.host}: ${s.to}`) : [],
  );
  const texts = events.flatMap((e) => (e.type === "message" ? [e.text] : []));
  const [why] = outcome.refused;
  const performed = [...hosts].flatMap(([name, host]) => host.performed.map((step) => `${name}: ${step}`));
  return {
    outcome,
    planned,
    performed,
    plans,
    texts,
    why: `${why?.message} · ${why?.detail.found} · ${why?.detail.advice}`,
  };
}

describe("a host is taken out", () => {
  test("its own part first, then what the others have of it; and what is left to a person is said", async () => {
    const { outcome, planned, texts } = await takeOut({});
    expect(outcome.exitCode).toBe(0);
    expect(planned).toEqual(["h3: null", "h1: h1+h2", "h2: h1+h2"]);
    expect(texts.at(-1)).toBe("after that, take h3 out of the inventory");
  });

  test("what is judged beforehand is not planned again while nothing was done", async () => {
    expect((await takeOut({})).plans).toBe(2);
    expect((await takeOut({ off: ["h3"], dead: true })).plans).toBe(2);
  });

  test("a task that settles has its time for it", async () => {
    expect((await takeOut({ waits: 4 })).planned).toEqual(["h3: null", "h1: h1+h2", "h2: h1+h2"]);
  });

  test("what taking its own part back did to the others is seen before they are changed", async () => {
    const { outcome, performed } = await takeOut({
      check: false,
      meanwhile: (hosts) => hosts.get("h1")?.values.set("peers", "h1+h2"),
    });
    expect([outcome.exitCode, performed]).toEqual([0, ["h2: put peers h1+h2"]]);
  });

  test("the others stay as they are where something of causeway is left on it", async () => {
    const carries = "carries /etc/causeway/apply\n";
    const { outcome, performed, texts } = await takeOut({ check: false, carries });
    expect([outcome.exitCode, outcome.retry, performed]).toEqual([2, ["h3"], []]);
    expect(texts.at(-1)).toMatch(
      /the others are left as they are, because h3 did not take its own part back/,
    );
  });

  test("what it did for the fleet, and the others still want, stays", async () => {
    const { outcome, planned, texts } = await takeOut({ scope: "fleet" });
    expect(outcome.exitCode).toBe(0);
    expect(planned).toEqual(["h1: h1+h2", "h2: h1+h2"]);
    expect(texts).toContain("stays, because it is the fleet's: peers");
  });

  test("one that is dead is none of the run's hosts, and no failure of it", async () => {
    const { outcome, planned } = await takeOut({ off: ["h3"], dead: true });
    expect(outcome.exitCode).toBe(0);
    expect(Object.keys(outcome.hosts)).toEqual(["h1", "h2"]);
    expect(planned).toEqual(["h1: h1+h2", "h2: h1+h2"]);
  });
});

describe("nothing is taken out", () => {
  test.each<[string, Given, number, RegExp]>([
    ["where the host that leaves is silent", { off: ["h3"] }, 4, /did not answer .*with --dead$/],
    ["where one that stays is silent", { off: ["h2"] }, 4, /no answer from h2 · .*h3,h2 --dead$/],
    ["where one that counts as dead answers", { dead: true }, 2, /so it is not dead .*without --dead$/],
    ["of another playbook's fleet", { owner: "other" }, 2, /other on h1, h2 · run remove other h3$/],
    ["of a fleet that has nothing of it", { bare: true }, 2, /nothing of it · take h3 out of the inventory/],
    [
      "where a task waits as it is",
      { waits: Number.POSITIVE_INFINITY },
      2,
      /not whole as it is · a store that does not answer/,
    ],
  ])("%s", async (_, given, code, why) => {
    const { outcome, planned, why: said } = await takeOut(given);
    expect(said).toMatch(why);
    expect([outcome.exitCode, planned]).toEqual([code, []]);
  });
});
