import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ProbeHost } from "../../../src/task/probe.ts";
import { WatchedFleet } from "../../../tasks/ping-check/watch-fleet.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Two hosts, as far as what they say and what they are told matters; both have been up for 100 s when the watch begins. */
async function watched() {
  const told: string[] = [];
  const lines = new Map<string, (line: string) => void>();
  const host = (name: string) =>
    ({
      name,
      accompany: async (_: unknown, onLine: (line: string) => void) => {
        lines.set(name, onLine);
        return {
          tell: (line: string) => void told.push(`${name}: ${line}`),
          end: async () => {},
          ended: new Promise(() => {}),
        };
      },
    }) as unknown as ProbeHost;
  const pairs = [{ from: "a", to: "b" }];
  const fleet = new WatchedFleet([host("a"), host("b")], pairs, new AbortController().signal);
  const began = Date.now();
  const starting = fleet.start({ name: "x", label: "x", network: "bridge", image: "busybox", family: 4 });
  await vi.advanceTimersByTimeAsync(0);
  /** A host says something at a time since the beginning, in milliseconds, which is heard so much later. */
  const says = async (name: string, at: number, words: string, delay = 0) => {
    await vi.advanceTimersByTimeAsync(Math.max(0, began + at + delay - Date.now()));
    lines.get(name)?.(`${((100_000 + at) / 1000).toFixed(2)} ${words}`);
  };
  return { fleet, starting, told, says, began };
}

const answer = (sequence: number) => `64 bytes from 10.0.2.2: seq=${sequence} ttl=62 time=0.2 ms`;

describe("a fleet that is watched", () => {
  test("a peer that comes back is told with its new address, and the gap is its own restart, however late its words came", async () => {
    const { fleet, starting, told, says, began } = await watched();
    await says("a", 100, "@here 10.0.1.2 ida 0.2", 50);
    await says("b", 200, "@here 10.0.2.2 idb 0.2", 800);
    await says("a", 1010, "@ping 10.0.2.2 idb");
    await says("a", 1020, "@met 10.0.2.2");
    await says("a", 1020, answer(0));
    await says("a", 1220, answer(1));
    await starting;
    expect(fleet.silent()).toEqual([]);
    await says("b", 3000, "@here 10.0.3.2 idc 0.2", 500);
    expect(fleet.silent()).toEqual(["a → b"]);
    await says("a", 3510, "--- 10.0.2.2 ping statistics ---");
    await says("a", 3510, "12 packets transmitted, 2 packets received, 83% packet loss");
    await says("a", 3520, "@ping 10.0.3.2 idc");
    await says("a", 3530, "@met 10.0.3.2");
    await says("a", 3530, answer(0).replace("10.0.2.2", "10.0.3.2"));
    // Only now a word of b's comes without delay.
    await says("b", 3600, "@ping 10.0.1.2 ida");
    await fleet.end();
    expect(told.filter((line) => line.startsWith("a: peers"))).toEqual([
      "a: peers ",
      "a: peers 10.0.2.2=idb",
      "a: peers 10.0.3.2=idc",
    ]);
    expect(fleet.seen(began + 3600)).toEqual([
      {
        from: "a",
        to: "b",
        reached: true,
        sent: 12,
        lost: 9,
        gaps: [{ from: began + 1220, ms: 2310, open: false, restarted: ["b"] }],
      },
    ]);
  });

  test("a sender that comes back and is answered at once: its own restart, also where its clock was not known well yet", async () => {
    const { fleet, says, began } = await watched();
    await says("a", 100, "@here 10.0.1.2 ida 0.2", 50);
    await says("b", 110, "@here 10.0.2.2 idb 0.2", 50);
    for (const [at, id] of [
      [1000, ""],
      [3000, "@here 10.0.1.2 idc 0.2"],
    ] as const) {
      if (id !== "") await says("a", at - 10, id, 50);
      await says("a", at, "@ping 10.0.2.2 idb", 50);
      await says("a", at, "@met 10.0.2.2", 50);
      await says("a", at + 10, answer(0), 50);
    }
    await says("a", 3210, answer(1));
    await fleet.end();
    expect(fleet.seen(began + 3300)[0]?.gaps).toEqual([
      { from: began + 1010, ms: 2000, open: false, restarted: ["a"] },
    ]);
  });

  test("of two peers with one address none is pinged", async () => {
    const { told, says } = await watched();
    await says("b", 100, "@here 172.17.0.2 idb 0.2");
    await says("a", 110, "@here 172.17.0.2 ida 0.2");
    expect(told.filter((line) => line.startsWith("a: "))).toEqual(["a: peers "]);
  });
});
