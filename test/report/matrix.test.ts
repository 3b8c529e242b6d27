import { describe, expect, it } from "vitest";
import { matrixLines } from "../../src/report/matrix.ts";
import { painter } from "../../src/report/paint.ts";
import type { Matrix, MatrixCell } from "../../src/task/matrix.ts";

const cell = (from: string, to: string, over: Partial<MatrixCell> = {}): MatrixCell => ({
  from,
  to,
  ok: true,
  expected: "reachable",
  lossPercent: 0,
  rttMs: 0.214,
  ...over,
});
const lines = (matrix: Matrix) => matrixLines(matrix, painter(false)).join("\n");

describe("the connectivity matrix", () => {
  it("is a table, with every failed pair and its cause below", () => {
    const cause = "no route to 192.168.200.0/24";
    const lost = { ok: false, lossPercent: 100, cause, command: "ip route get 192.168.200.2" };
    const matrix: Matrix = {
      title: "containers on bridge",
      hosts: ["a", "b", "c"],
      cells: [
        cell("a", "b", { sourcePreserved: true }),
        cell("a", "c", lost),
        cell("b", "a", { sourcePreserved: false, sourceSeen: "10.0.0.2" }),
        cell("b", "c", { expected: "unreachable", lossPercent: 100 }),
        cell("c", "a", { expected: "unreachable", ok: false }),
        cell("c", "b", { ok: false }),
      ],
      notes: ["the MTU is 1450"],
    };
    expect(lines(matrix)).toBe(`containers on bridge: 2/4 ordered pairs reached, 1/2 kept apart, as expected
  from \\ to         a                 b                 c
  a                 —                 0.21 ms           ✗ loss 100%
  b                 0.21 ms           —                 no (as expected)
  c                 ✗ reached         ✗ see below       —
  source preserved: 1/2
  source not preserved: b → a, seen as 10.0.0.2
  ✗ a → c: no route to 192.168.200.0/24
      on a: ip route get 192.168.200.2
  ✗ c → a: reached, although it should not be
  ✗ c → b: no answer
  the MTU is 1450`);
  });

  it("tells sizes, names and evidence in a line each, and only what differs by pair", () => {
    const udp = "UDP 4789 with the inner addresses inside";
    const whole = { largestPacket: 1450, nameResolved: true, evidence: { ok: true, seen: udp } };
    const cells = [cell("a", "b", whole), cell("b", "a", whole)];
    const matrix = { title: "on overlay_1", hosts: ["a", "b"], captures: "causeway-runs/R1", notes: [] };
    expect(
      lines({ ...matrix, cells })
        .split("\n")
        .slice(4),
    ).toEqual([
      "  largest packet: 1450 bytes on all pairs",
      "  names resolved: 2/2",
      `  evidence: 2/2 pairs as ${udp}`,
      "  captures: causeway-runs/R1",
    ]);
    const small = {
      ...whole,
      ok: false,
      largestPacket: 1350,
      cause: "MTU: 1400",
      command: "ip link",
      commandOn: "a",
    };
    const wrong = { ...small, nameResolved: false, evidence: { ok: false, seen: "bare" } };
    expect(
      lines({ ...matrix, cells: [cell("a", "b", whole), cell("b", "a", wrong)] })
        .split("\n")
        .slice(4),
    ).toEqual([
      "  largest packet: 1450 bytes on 1 of 2 pairs",
      "  largest packet: 1350 bytes on b → a",
      "  names resolved: 1/2",
      `  evidence: 1/2 pairs as ${udp}`,
      "  captures: causeway-runs/R1",
      "  ✗ b → a: MTU: 1400",
      "      on a: ip link",
    ]);
  });

  const fleet = (size: number) => Array.from({ length: size }, (_, i) => `h${i}`);
  const every = (hosts: readonly string[]) =>
    hosts.flatMap((from) => hosts.filter((to) => to !== from).map((to) => cell(from, to)));
  const of = (hosts: readonly string[], cells: readonly MatrixCell[], over: Partial<Matrix> = {}) =>
    lines({ title: "all", hosts, cells, notes: [], ...over }).split("\n");

  it.each([3, 16])("of %i hosts is a table", (size) => {
    const hosts = fleet(size);
    expect(of(hosts, every(hosts))).toHaveLength(size + 2);
  });

  it("of 17 hosts is told in numbers", () => {
    const hosts = fleet(17);
    const cells = every(hosts).map((c, i) => (i === 0 ? c : { ...c, rttMs: i < 5 ? i : 0.5 }));
    expect(of(hosts, cells)).toEqual([
      "all: 272/272 ordered pairs reached",
      "  round trip: median 0.50 ms, worst 4.00 ms h0 → h5, 3.00 ms h0 → h4, 2.00 ms h0 → h3",
    ]);
  });

  it("of 200 hosts says of how many pairs it is a sample, and which hosts have failed ones, with each cause", () => {
    const hosts = fleet(200);
    const cells = hosts.flatMap((from, i) => [1, 100, 199].map((step) => cell(from, `h${(i + step) % 200}`)));
    const lost = { ok: false, lossPercent: 100, cause: "missing route: h7 has none", command: "ip route" };
    const bad = cells.map(({ rttMs, ...c }) =>
      c.from === "h7" || c.to === "h7" ? { ...c, ...lost, commandOn: "h7" } : { ...c, rttMs: rttMs ?? 0 },
    );
    const notes = ["a pair failed: tried h7 with all others"];
    const shown = of(hosts, bad, { sampleOf: 39_800, notes });
    expect(shown.slice(0, 3)).toEqual([
      "all: 594/600 ordered pairs reached, a sample of 39,800; missing route: h7 has none",
      "  round trip: median 0.21 ms, worst 0.21 ms h0 → h1, 0.21 ms h0 → h100, 0.21 ms h0 → h199",
      "  hosts with failed pairs: h7 (6), h6 (2), h8 (2), h107 (2)",
    ]);
    expect(shown.slice(3)).toEqual([
      ...["h6 → h7", "h7 → h8", "h7 → h107", "h7 → h6", "h8 → h7", "h107 → h7"].flatMap((pair) => [
        `  ✗ ${pair}: missing route: h7 has none`,
        "      on h7: ip route",
      ]),
      `  ${notes[0]}`,
    ]);
  });

  it("counts the failed pairs and hosts that are too many to name", () => {
    const hosts = fleet(300);
    const all = of(
      hosts,
      every(hosts).map((c) => ({ ...c, ok: false })),
    );
    expect(all).toHaveLength(54);
    expect(all[2]).toMatch(/^ {2}hosts with failed pairs: h0 \(598\), .* and 280 more$/);
    expect(all.at(-1)).toMatch(/… and 89650 more failed pairs$/);
  });
});
