import { expect, test } from "vitest";
import { painter } from "../../src/report/paint.ts";
import { watchedLines } from "../../src/report/watched.ts";
import type { RunEvent, ToldGap, ToldPair } from "../../src/run/events.ts";

type Watched = Extract<RunEvent, { type: "watched" }>;

const gapOf = (ms: number, restarted: string[], host = "h1"): ToldGap => ({
  at: 1000,
  ms,
  open: false,
  restarted,
  during: [{ host, what: "restart docker" }],
});

const pairOf = (from: string, to: string, gaps: ToldGap[] = [], lost = gaps.length * 3): ToldPair => ({
  from,
  to,
  reached: true,
  sent: 100,
  lost,
  longestMs: Math.max(0, ...gaps.map(({ ms }) => ms)),
  gaps,
});

const linesOf = (pairs: readonly ToldPair[], over: Partial<Watched> = {}) =>
  watchedLines(
    {
      at: 1,
      type: "watched",
      name: "p",
      title: "containers on bridge",
      everyMs: 200,
      pairs,
      notes: [],
      ...over,
    },
    painter(false),
  ).slice(1);

test("pairs without a gap are counted, those that should have noticed nothing come before own restarts", () => {
  const cut = { ...gapOf(400, []), during: [{ host: "h2", task: "cut", what: "a rule" }] };
  const still = { ...gapOf(2000, ["h1"]), open: true, during: [] };
  expect(
    linesOf([
      pairOf("h2", "h3"),
      pairOf("h3", "h2"),
      pairOf("h1", "h2", [gapOf(900, ["h1"]), gapOf(1500, ["h1"])]),
      pairOf("h2", "h1", [cut]),
      pairOf("h3", "h1", [still]),
      { ...pairOf("h4", "h1"), reached: false },
    ]),
  ).toEqual([
    "WATCH containers on bridge: 6 ordered pairs, a packet every 200 ms on each",
    "  2 pairs lost nothing: 200 packets",
    "  gaps, although no container of the pair went away:",
    "    h2 → h1  400 ms, 3 of 100 packets lost  during cut: a rule on h2",
    "  gaps of own restarts: a container of the pair went away, with its Docker or its network:",
    "    h3 → h1  2.0 s, no answer any more, 3 of 100 packets lost  while no step of this run was going on",
    "    h1 → h2  the longest of 2: 1.5 s, 6 of 100 packets lost (none was sent while its own container was away)  during restart docker on h1",
    "  never reached: h4 → h1",
  ]);
});

test("many pairs are one line a cause; a limit names the pairs over it", () => {
  const pairs = Array.from({ length: 20 }, (_, i) =>
    pairOf(i < 15 ? "h1" : "h2", `p${i}`, [
      gapOf(1000 + i * 100, [i < 15 ? "h1" : "h2"], i < 15 ? "h1" : "h2"),
    ]),
  );
  const over = pairs.filter(({ longestMs }) => longestMs > 2000).map(({ from, to }) => `${from} → ${to}`);
  expect(
    linesOf(pairs, { maxGapMs: 2000, over, sampleOf: 9900, notes: ["no container on h9 at the end"] }),
  ).toEqual([
    "WATCH containers on bridge: 20 ordered pairs, a sample of 9,900, a packet every 200 ms on each",
    "  gaps of own restarts: a container of the pair went away, with its Docker or its network:",
    "    5 pairs  2.5 s to 2.9 s, the longest h2 → p19  during restart docker on h2",
    "    15 pairs  1.0 s to 2.4 s, the longest h1 → p14  during restart docker on h1",
    "  --max-gap 2.0 s was exceeded: h1 → p11 (2.1 s), h1 → p12 (2.2 s), h1 → p13 (2.3 s), h1 → p14 (2.4 s), h2 → p15 (2.5 s), h2 → p16 (2.6 s), h2 → p17 (2.7 s), h2 → p18 (2.8 s) and 1 more",
    "  no container on h9 at the end",
  ]);
});
