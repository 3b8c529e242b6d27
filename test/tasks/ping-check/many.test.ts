import { describe, expect, it } from "vitest";
import type { ProbeRun } from "../../../src/index.ts";
import { pingCheck } from "../../../tasks/ping-check.ts";
import { FakeFleet } from "./fleet.ts";
import { wireOf } from "./wires.ts";

const params = {
  network: "bridge",
  image: "busybox",
  count: 3,
  source: "preserved",
  wire: wireOf("routed"),
} as const;
const prove = (fleet: FakeFleet, over: Partial<ProbeRun> = {}) =>
  pingCheck(params).run(fleet.hosts, { ...fleet.run, ...over });

/** The most scripts, and processes of `docker exec`, that one host was given. */
function mostOf({ scripts }: FakeFleet) {
  const each = [...scripts.values()];
  const execs = each.map((some) => some.join("\n").split("docker exec").length - 1);
  return { scripts: Math.max(...each.map((some) => some.length)), execs: Math.max(...execs) };
}

/** A host of which nothing arrives anywhere, and that nothing reaches. */
function cutOff(fleet: FakeFleet, host: string): void {
  for (const { name } of fleet.hosts)
    for (const pair of [`${host} ${name}`, `${name} ${host}`]) fleet.lost.add(pair);
}

describe("the proof of many hosts", () => {
  it.each([
    [3, false, { scripts: 4, execs: 1 }],
    [16, false, { scripts: 4, execs: 1 }],
    [50, true, { scripts: 4, execs: 1 }],
    [200, true, { scripts: 4, execs: 1 }],
    [50, false, { scripts: 5, execs: 1 }],
    [200, false, { scripts: 5, execs: 1 }],
  ])(
    "starts as many processes on a host of %i as of any number (all pairs: %s)",
    async (size, allPairs, most) => {
      const fleet = new FakeFleet(size);
      const { cells } = await prove(fleet, { allPairs });
      expect(cells.every(({ ok }) => ok)).toBe(true);
      expect(mostOf(fleet)).toEqual(most);
    },
  );

  it("has so many pings of a container in flight at most", async () => {
    const fleet = new FakeFleet(200);
    await prove(fleet, { allPairs: true });
    const pings = [...fleet.scripts.values()].flat().filter((text) => text.includes("@peer"));
    const lanes = pings.map((text) => Number(/' (\d+) '3 192/.exec(text)?.[1]));
    expect(new Set(lanes)).toEqual(new Set([8]));
  });

  it("looks for causes as often on a host of 50 as of 200", async () => {
    const counts = [];
    for (const size of [50, 200]) {
      const fleet = new FakeFleet(size);
      cutOff(fleet, "h7");
      await prove(fleet);
      counts.push(mostOf(fleet));
    }
    expect(counts[1]).toEqual(counts[0]);
    expect(counts[0]?.execs).toBe(5);
  });

  it("says beforehand how many pairs it proves, and how long that takes at most", async () => {
    const [three, many] = [new FakeFleet(3), new FakeFleet(200)];
    await prove(three);
    await prove(many);
    expect(three.said).toContain("proving all 6 ordered pairs: at most 36 s");
    expect(many.said).toContain("proving 600 of 39,800 ordered pairs: at most 36 s");
    await prove(many, { allPairs: true });
    expect(many.said).toContain("proving all 39,800 ordered pairs: at most 420 s");
  });

  it("is of all pairs up to 16 hosts, and where that is asked for", async () => {
    expect(await prove(new FakeFleet(16))).toMatchObject({ cells: { length: 240 }, notes: [] });
    const all = await prove(new FakeFleet(50), { allPairs: true });
    expect(all).toMatchObject({ cells: { length: 2450 }, notes: [] });
    expect(all.sampleOf).toBeUndefined();
  });

  it("of more is a sample, and says so", async () => {
    const { cells, sampleOf, notes } = await prove(new FakeFleet(200));
    expect([cells.length, sampleOf]).toEqual([600, 39_800]);
    expect(notes).toEqual([expect.stringMatching(/^a sample: 600 of 39,800 ordered pairs; .*--all-pairs/)]);
  });

  it("tries a host with all others when a pair of the sample has failed", async () => {
    const fleet = new FakeFleet(50);
    cutOff(fleet, "h7");
    const { cells, notes } = await prove(fleet);
    const failed = cells.filter(({ ok }) => !ok);
    expect(failed).toHaveLength(98);
    expect(failed.every(({ from, to, cause }) => (from === "h7" || to === "h7") && cause !== undefined)).toBe(
      true,
    );
    expect(notes).toContainEqual(
      expect.stringMatching(/^a pair failed: tried h7, (h\d+, ){2}h\d+ with all others$/),
    );
  });

  it("tries beside a sample the pairs whose sender has no route there", async () => {
    const fleet = new FakeFleet(50);
    fleet.astray.add("h3 h41");
    const { cells } = await prove(fleet);
    expect(cells.filter(({ ok }) => !ok)).toMatchObject([
      {
        from: "h3",
        to: "h41",
        cause: expect.stringMatching(/^missing route: h3 has no route to 192.168.41.2 by h41/),
      },
    ]);
  });

  it("as a gate tries the pairs of some hosts alone, with containers on the hosts of those pairs", async () => {
    const started = ({ scripts }: FakeFleet) =>
      [...scripts].filter(([, some]) => some.some((text) => text.includes("docker run -d"))).length;
    const [few, many] = [new FakeFleet(4), new FakeFleet(50)];
    cutOff(few, "h3");
    const gate = await prove(few, { among: new Set(["h0"]) });
    expect(gate.hosts).toHaveLength(4);
    expect(gate.cells.map(({ from, to, ok }) => `${from} ${to} ${ok}`)).toEqual([
      ...["h0 h1 true", "h0 h2 true", "h0 h3 false"],
      ...["h1 h0 true", "h2 h0 true", "h3 h0 false"],
    ]);
    expect(gate.sampleOf).toBeUndefined();

    const ten = new Set(Array.from({ length: 10 }, (_, index) => `h${index}`));
    cutOff(many, "h3");
    const sample = await prove(many, { among: ten });
    expect(sample.sampleOf).toBe(890);
    expect(sample.cells.every(({ from, to }) => ten.has(from) || ten.has(to))).toBe(true);
    expect(sample.hosts).toHaveLength(started(many));
    expect(started(many)).toBeLessThan(50);
  });

  it("takes every container away when a host is lost in the middle", async () => {
    const fleet = new FakeFleet(50);
    fleet.gone.add("h9");
    await expect(prove(fleet)).rejects.toThrow(/the connection is lost/);
    const last = [...fleet.scripts.values()].map((some) => some.at(-1));
    expect(last.filter((text) => text?.includes("docker rm -f"))).toHaveLength(50);
  });
});
