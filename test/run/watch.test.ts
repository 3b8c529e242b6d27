import { describe, expect, test } from "vitest";
import { CausewayError } from "../../src/errors.ts";
import { Type } from "../../src/index.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { definePlaybook, type Playbook } from "../../src/playbook/define.ts";
import { Activities } from "../../src/run/activities.ts";
import type { RunEvent } from "../../src/run/events.ts";
import type { RunOptions } from "../../src/run/options.ts";
import { run } from "../../src/run/run.ts";
import { defineProbe, type ProbeDefinition } from "../../src/task/probe.ts";
import type { WatchedPair } from "../../src/task/watched.ts";
import { connectTo, FakeHost } from "./fake-host.ts";

const none = Type.Object({});

interface Given {
  pairs?: readonly WatchedPair[];
  watch?: RunOptions["watch"];
  check?: boolean;
  hosts?: string;
  /** Whether the probe of the proof can watch. */
  able?: boolean;
  /** How many such probes the proof has. */
  probes?: number;
  /** Why the watch cannot begin. */
  broken?: CausewayError;
  proofThrows?: boolean;
}

/** A run with a watch that saw these pairs; what happened, in order. */
async function watching({ pairs = [], able = true, hosts = "h1,h2", ...given }: Given) {
  const order: string[] = [];
  const watch: ProbeDefinition<typeof none>["watch"] = async (_hosts, _params, { say, silent }) => {
    if (given.broken) throw given.broken;
    order.push("begins");
    say("two pairs");
    silent(["h1 → h2"]);
    silent(["h1 → h2"]);
    if (order.filter((one) => one === "begins").length === (given.probes ?? 1)) silent([]);
    return {
      stop: async () => {
        order.push("ends");
        return { title: "x", everyMs: 200, pairs, notes: [] };
      },
    };
  };
  const probe = defineProbe({
    name: "probe",
    summary: "x",
    params: none,
    run: async () => {
      order.push("proof");
      return { title: "x", hosts: [], cells: [], notes: [] };
    },
    ...(able ? { watch } : {}),
  });
  const playbook = definePlaybook({
    name: "test",
    summary: "x",
    vars: none,
    plays: [
      {
        title: "Play",
        hosts: "all",
        tasks: () => [],
      },
    ],
    verify: () => {
      if (given.proofThrows && order.includes("play")) throw new TypeError("not foreseen");
      return Array.from({ length: given.probes ?? 1 }, () => probe({}));
    },
  }) as unknown as Playbook;
  const events: RunEvent[] = [];
  const names = hosts.split(",");
  const outcome = await run({
    playbook,
    inventory: await loadInventory([`${hosts},`]),
    extraVars: new Map(),
    check: given.check ?? false,
    verify: true,
    ...(given.watch ? { watch: given.watch } : {}),
    forks: 64,
    session: { hostKeyChecking: "strict", connectTimeoutMs: 1000, commandTimeoutMs: 1000 },
    connect: connectTo(new Map(names.map((name) => [name, new FakeHost()]))),
    reporter: {
      event: (e) => {
        events.push(e);
        if (e.type === "play") order.push("play");
      },
      close: async () => {},
    },
    interrupted: new AbortController().signal,
    breakLock: false,
    verbose: false,
  }).catch((error: Error) => error);
  const code = outcome instanceof Error ? outcome.message : outcome.exitCode;
  const texts = events.flatMap((e) => (e.type === "message" ? [e.text] : []));
  const watched = events.find((e) => e.type === "watched");
  return { code, order: [...new Set(order)], events, texts, watched, outcome };
}

const pair = (over: Partial<WatchedPair> = {}): WatchedPair => ({
  from: "h1",
  to: "h2",
  reached: true,
  sent: 10,
  lost: 0,
  gaps: [],
  ...over,
});
const gap = (ms: number) => pair({ lost: 2, gaps: [{ from: Date.now(), ms, open: false, restarted: [] }] });

describe("a watch", () => {
  test("goes on from before the first play until after the proof, and tells when other pairs are silent", async () => {
    const { code, order, events, watched } = await watching({ watch: {}, pairs: [pair()] });
    expect(code).toBe(0);
    expect(order).toEqual(["begins", "play", "proof", "ends"]);
    expect(events.flatMap((e) => (e.type === "watch" ? [e.doing ?? e.silent] : []))).toEqual([
      "two pairs",
      ["h1 → h2"],
      [],
    ]);
    expect(watched).toMatchObject({ pairs: [{ from: "h1", to: "h2", longestMs: 0 }] });
  });

  test("of two probes: a pair that is silent for one of them is told until it is for neither", async () => {
    const { events, outcome } = await watching({ watch: { maxGapMs: 500 }, probes: 2, pairs: [gap(600)] });
    expect(events.flatMap((e) => (e.type === "watch" ? (e.silent ?? []) : []))).toEqual(
      expect.arrayContaining(["h1 → h2"]),
    );
    expect(events.findLast((e) => e.type === "watch")).toMatchObject({ silent: ["h1 → h2"] });
    expect(events.filter((e) => e.type === "watched")).toHaveLength(2);
    expect(outcome).toMatchObject({ exitCode: 3 });
  });

  test.each([
    ["a shorter gap", [gap(400)], 0, []],
    ["a longer gap", [gap(600), pair({ from: "h2", to: "h1" })], 3, ["h1 → h2"]],
    ["a pair that was never reached", [pair({ reached: false })], 3, ["h1 → h2"]],
  ])("with a limit, %s", async (_name, pairs, expected, over) => {
    const { code, watched } = await watching({ watch: { maxGapMs: 500 }, pairs });
    expect(code).toBe(expected);
    expect(watched).toMatchObject({ maxGapMs: 500, over });
  });

  test.each([
    ["a check", { check: true }, /a check changes nothing/],
    ["one host", { hosts: "h1" }, /pairs need two hosts/],
    ["a proof that cannot", { able: false }, /nothing in the proof of test can watch/],
  ])("does nothing in %s, and says so", async (_name, given, words) => {
    const { code, order, texts, watched } = await watching({ watch: {}, ...given });
    expect(code).toBe(0);
    expect(order).not.toContain("begins");
    expect(texts).toContainEqual(expect.stringMatching(words));
    expect(watched).toBeUndefined();
  });

  test.each([
    ["nothing can watch", { able: false, watch: { maxGapMs: 500 } }, 3],
    ["it cannot begin", { broken: new CausewayError("host", "no image"), watch: {} }, 2],
  ])("that was asked for is refused before the first step where %s", async (_name, given, expected) => {
    const { code, order, events } = await watching(given);
    expect(code).toBe(expected);
    expect(order).toEqual([]);
    expect(events.some((e) => e.type === "play")).toBe(false);
  });

  test("is ended also where a bug ends the run", async () => {
    const { order, code } = await watching({ watch: {}, proofThrows: true });
    expect(code).toBe("not foreseen");
    expect(order).toEqual(["begins", "play", "ends"]);
  });

  test("is not begun unless it is asked for", async () => {
    const { order, watched } = await watching({});
    expect(order).toEqual(["play", "proof"]);
    expect(watched).toBeUndefined();
  });
});

describe("what went on during a gap", () => {
  const activities = new Activities();
  const step = (host: string, at: number, state: "started" | "done") =>
    activities.take({
      type: "step",
      at,
      host,
      task: "t",
      step: { kind: "run", what: "s", from: null, to: null },
      state,
    });
  const restart = (host: string, at: number, state: "started" | "done") =>
    activities.take({ type: "consequence", at, host, what: "restart docker", why: [], state });
  step("h1", 100, "started");
  step("h1", 200, "done");
  restart("h1", 200, "started");
  restart("h1", 1200, "done");
  step("h2", 2000, "started");

  test.each([
    ["the step before it is over", 250, 300, ["h1"], ["restart docker"]],
    ["restarts first", 150, 300, ["h1"], ["restart docker", "s"]],
    ["of other hosts where its own did nothing", 250, 300, ["h3"], ["restart docker"]],
    ["a step that goes on", 5000, 6000, ["h2"], ["s"]],
    ["nothing", 1300, 1900, ["h1"], []],
  ])("%s", (_name, from, to, hosts, expected) => {
    expect(activities.during(from, to, hosts).map(({ what }) => what)).toEqual(expected);
  });
});
