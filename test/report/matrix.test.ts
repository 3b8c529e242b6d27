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

  it("of a large fleet is a count and the pairs that failed", () => {
    const hosts = Array.from({ length: 300 }, (_, i) => `h${i}`);
    const cells = hosts.flatMap((from) => hosts.filter((to) => to !== from).map((to) => cell(from, to)));
    const bad = cells.map((c, i) => (i < 3 ? { ...c, ok: false, cause: "lost" } : c));
    expect(lines({ title: "all", hosts, cells: bad, notes: [] })).toBe(
      "all: 89697/89700 ordered pairs reached\n  ✗ h0 → h1: lost\n  ✗ h0 → h2: lost\n  ✗ h0 → h3: lost",
    );
    const all = lines({ title: "all", hosts, cells: cells.map((c) => ({ ...c, ok: false })), notes: [] });
    expect(all.split("\n")).toHaveLength(52);
    expect(all).toMatch(/… and 89650 more failed pairs$/);
  });
});
