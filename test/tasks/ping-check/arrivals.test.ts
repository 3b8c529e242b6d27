import { describe, expect, test } from "vitest";
import { arrivedOf, readPinged } from "../../../tasks/ping-check/arrivals.ts";
import { isFlushed } from "../../../tasks/ping-check/forwarding.ts";
import type { Pair } from "../../../tasks/ping-check/pings.ts";

const end = (name: string) => ({ id: name, host: { name } }) as unknown as Pair["to"];
const [a, b, c] = [end("a"), end("b"), end("c")];
const lost = { loss: 100 } as NonNullable<Pair["tried"]>;
const some = { loss: 50 } as NonNullable<Pair["tried"]>;
const failed: Pair[] = [
  { from: a, to: c, tried: lost },
  { from: b, to: c, tried: lost },
];

describe("whether pings arrive in the far container", () => {
  test.each<[string, readonly Pair[], number | undefined, number | undefined, boolean | undefined]>([
    ["none came: they do not", failed, 7, 7, false],
    ["as many as both pairs sent: they do", failed, 7, 17, true],
    ["those of one of two: it cannot be told of which", failed, 7, 12, undefined],
    ["more were sent to find a size", [...failed, { from: a, to: c, tried: some }], 7, 30, undefined],
    ["the container is gone", failed, 7, undefined, undefined],
  ])("%s", (_name, pairs, before, after, arrived) => {
    expect(arrivedOf(failed[0] as Pair, pairs, { before, after, each: 5 })).toBe(arrived);
  });

  test("the kernel's own count, by its column's name", () => {
    const table = "Ip: Forwarding\nIp: 1\nIcmp: InMsgs InErrors InEchos InEchoReps\nIcmp: 9 0 4 5\n";
    expect(readPinged(table)).toBe(4);
    expect(readPinged("")).toBeUndefined();
  });
});

test.each([
  [":DOCKER-USER - [0:0]\n[0:0] -A FORWARD -i x -j ACCEPT\n", true],
  [":DOCKER-USER - [0:0]\n[3:9] -A FORWARD -j DOCKER-USER\n", false],
  [":FORWARD DROP [0:0]\n", false],
])("a chain of Docker's to which nothing leads: %j %s", (saved, flushed) => {
  expect(isFlushed(saved)).toBe(flushed);
});
