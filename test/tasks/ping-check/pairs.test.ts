import { describe, expect, it } from "vitest";
import {
  type Ends,
  keyOf,
  selectPairs,
  suspectsAtMost,
  suspectsOf,
} from "../../../tasks/ping-check/pairs.ts";

const fleet = (size: number) => Array.from({ length: size }, (_, index) => `host-${index}`);
const select = (hosts: readonly string[], everything = false, named: readonly Ends[] = []) =>
  selectPairs(hosts, { everything, allUpTo: 16, named });
const keys = (pairs: readonly Ends[]) => pairs.map(keyOf).sort();

describe("the pairs that are tried", () => {
  it.each([
    [1, 0],
    [2, 2],
    [3, 6],
    [16, 240],
    [17, 17 * 4],
    [50, 50 * 3],
    [200, 200 * 3],
    [201, 201 * 4],
  ])("of %i hosts are %i", (size, count) => {
    const { pairs, sample, all } = select(fleet(size));
    expect(pairs).toHaveLength(count);
    expect(sample).toEqual(pairs);
    expect(all).toBe(size * (size - 1));
    expect(new Set(keys(pairs)).size).toBe(count);
    expect(pairs.every(({ from, to }) => from !== to)).toBe(true);
  });

  it.each([17, 18, 50, 200, 201])(
    "of %i hosts: each host sends to three others, and is sent to by as many",
    (size) => {
      const { pairs } = select(fleet(size));
      for (const host of fleet(size)) {
        const to = new Set(pairs.filter((pair) => pair.from === host).map((pair) => pair.to));
        const from = new Set(pairs.filter((pair) => pair.to === host).map((pair) => pair.from));
        expect(to.size).toBe(size % 2 === 0 ? 3 : 4);
        expect(from).toEqual(to);
      }
    },
  );

  it("every way to part a fleet in two is crossed at least twice, in each direction", () => {
    const hosts = fleet(9);
    const { pairs } = selectPairs(hosts, { everything: false, allUpTo: 2, named: [] });
    for (let part = 1; part < 2 ** hosts.length - 1; part += 1) {
      const inside = new Set(hosts.filter((_, index) => (part >> index) % 2 === 1));
      const out = pairs.filter(({ from, to }) => inside.has(from) && !inside.has(to));
      const back = pairs.filter(({ from, to }) => !inside.has(from) && inside.has(to));
      expect(Math.min(out.length, back.length)).toBeGreaterThanOrEqual(2);
    }
  });

  it("are the same whatever the order of the inventory", () => {
    const hosts = fleet(50);
    expect(keys(select([...hosts].reverse()).pairs)).toEqual(keys(select(hosts).pairs));
    expect(keys(select([...hosts.slice(20), ...hosts.slice(0, 20)]).pairs)).toEqual(
      keys(select(hosts).pairs),
    );
  });

  it("are all of them where everything is asked for, and captures are judged of the sample", () => {
    const { pairs, sample } = select(fleet(200), true);
    expect(new Set(keys(pairs)).size).toBe(39_800);
    expect(sample).toHaveLength(600);
  });

  it("begin on each host with another one", () => {
    const { pairs } = select(fleet(16));
    for (let at = 0; at < 15; at += 1) {
      const called = fleet(16).map((host) => pairs.filter(({ from }) => from === host)[at]?.to);
      expect(new Set(called).size).toBe(16);
    }
  });

  it("hold those that somebody expects something of, once each, and only of hosts that are there", () => {
    const named = [
      { from: "host-0", to: "host-7" },
      { from: "host-0", to: "host-1" },
      { from: "host-0", to: "host-0" },
      { from: "host-0", to: "gone" },
    ];
    const { pairs, sample } = select(fleet(50), false, named);
    expect(pairs).toHaveLength(151);
    expect(sample).toHaveLength(150);
    expect(keys(pairs)).toContain("host-0 host-7");
  });
});

describe("of some hosts with all others", () => {
  it.each<[string, number, readonly number[], boolean, number, number]>([
    ["one of three", 3, [0], false, 4, 4],
    ["two of four: both ways, and with each other", 4, [0, 1], false, 10, 10],
    ["all", 4, [0, 1, 2, 3], false, 12, 12],
    ["one that is not there", 4, [9], false, 0, 0],
    ["one of 50: fewer pairs than 16 hosts have", 50, [7], false, 98, 98],
    ["ten of 50: those of the sample", 50, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], false, 46, 890],
    ["ten of 50, everything asked for", 50, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], true, 890, 890],
  ])("%s", (_, size, some, everything, count, all) => {
    const among = new Set(some.map((index) => `host-${index}`));
    const chosen = selectPairs(fleet(size), { everything, allUpTo: 16, named: [], among });
    expect([chosen.pairs.length, chosen.all]).toEqual([count, all]);
    expect(chosen.pairs.every(({ from, to }) => among.has(from) || among.has(to))).toBe(true);
    for (const { from, to } of chosen.pairs)
      expect(keys(chosen.pairs)).toContain(keyOf({ from: to, to: from }));
    const named = [{ from: "host-11", to: "host-12" }];
    expect(selectPairs(fleet(size), { everything, allUpTo: 16, named, among }).pairs).toEqual(chosen.pairs);
  });
});

describe("after pairs of the sample have failed", () => {
  const hosts = fleet(50);
  const { pairs: tried } = select(hosts);

  it("nothing more is tried where none has", () => {
    expect(suspectsOf(hosts, [], tried)).toEqual({ hosts: [], more: 0, pairs: [] });
  });

  it("both hosts are tried with all others, both ways", () => {
    const { hosts: suspects, more, pairs } = suspectsOf(hosts, [{ from: "host-0", to: "host-1" }], tried);
    expect([suspects, more]).toEqual([["host-0", "host-1"], 0]);
    const all = [...tried, ...pairs];
    expect(new Set(keys(all)).size).toBe(all.length);
    for (const host of ["host-0", "host-1"])
      expect(all.filter(({ from, to }) => from === host || to === host)).toHaveLength(98);
  });

  it("they are so many at most, those with the most failed pairs first, and the rest is counted", () => {
    const failed = hosts.slice(1).map((to) => ({ from: "host-0", to }));
    const found = suspectsOf(hosts, [...failed, { from: "host-9", to: "host-30" }], tried);
    expect(found.hosts.slice(0, 3)).toEqual(["host-0", "host-30", "host-9"]);
    expect(found.hosts).toHaveLength(suspectsAtMost);
    expect(found.more).toBe(50 - suspectsAtMost);
    expect(found.pairs.length).toBeLessThanOrEqual(suspectsAtMost * 98);
  });
});
