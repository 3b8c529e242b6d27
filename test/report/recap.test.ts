import { describe, expect, it } from "vitest";
import { painter } from "../../src/report/paint.ts";
import { type Recap, recapLines } from "../../src/report/recap.ts";
import { recapOf } from "./events.ts";

const lines = (over: Partial<Recap>, every = true) =>
  recapLines(
    { at: 0, type: "recap", hosts: {}, check: false, interrupted: false, exitCode: 0, ms: 61_000, ...over },
    painter(false),
    every,
  );

describe("the recap", () => {
  it("lines its numbers up and says how it ended", () => {
    const hosts = { a: recapOf({ ok: 12, restarts: 1 }), "docker-200": recapOf({ changed: 2 }) };
    expect(lines({ hosts })).toEqual([
      "RECAP",
      "a          : ok=12 changed=0  failed=0  unreachable=0  restarts=1  owed=—",
      "docker-200 : ok=4  changed=2  failed=0  unreachable=0  restarts=0  owed=—",
      "1 min 1 s, exit code 0: every host is as it should be",
    ]);
  });

  it("names what a check would do", () => {
    const hosts = { a: recapOf({ changed: 1, restarts: 1 }) };
    expect(lines({ hosts, check: true })[1]).toBe(
      "a : ok=4 would-change=1 failed=0 unreachable=0 would-restart=1 owed=—",
    );
  });

  it("counts the plays that were rescued, and names them", () => {
    const hosts = { a: recapOf({ rescued: ["Migrate"] }), b: recapOf() };
    expect(lines({ hosts })).toEqual([
      "RECAP",
      "a : ok=4 changed=0 failed=0 unreachable=0 restarts=0 rescued=1 owed=—",
      "b : ok=4 changed=0 failed=0 unreachable=0 restarts=0 owed=—",
      "“Migrate” failed on a, and its rescue was done instead",
      "1 min 1 s, exit code 0: every host is as it should be, but for the plays whose rescue was done instead",
    ]);
  });

  it("of many hosts lists those that need attention", () => {
    const hosts = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`h${i}`, recapOf()]));
    hosts.h7 = recapOf({ ok: 0, unreachable: true });
    expect(lines({ hosts, exitCode: 4 }, false)).toEqual([
      "RECAP",
      "300 hosts: 299 ok, 1 unreachable",
      "299 hosts : ok=4 changed=0 failed=0 unreachable=0 restarts=0 owed=—",
      "h7        : ok=0 changed=0 failed=0 unreachable=1 restarts=0 owed=—",
      "1 host unreachable: see the errors above",
      "1 min 1 s, exit code 4: a host was unreachable",
    ]);
  });

  it("names every host that failed, as ranges where they are many", () => {
    const names = Array.from({ length: 100 }, (_, i) => `h${i}`);
    const hosts = Object.fromEntries(names.map((h, i) => [h, recapOf(i === 50 ? {} : { failed: 1 })]));
    expect(lines({ hosts, exitCode: 2, check: true }, false).slice(1, 4)).toEqual([
      "100 hosts: 1 ok, 99 failed",
      "h[0:49], h[51:99] : ok=4 would-change=0 failed=1 unreachable=0 would-restart=0 owed=—",
      "h50               : ok=4 would-change=0 failed=0 unreachable=0 would-restart=0 owed=—",
    ]);
  });

  it.each([
    [{ exitCode: 2, hosts: { a: recapOf() } }, "refused, nothing was changed"],
    [{ exitCode: 3, hosts: { a: recapOf({ ok: 0 }) } }, "exit code 3: verification failed"],
    [
      { exitCode: 3, hosts: { a: recapOf({ ok: 4, changed: 0 }) } },
      "exit code 3: nothing was missing, and verification failed",
    ],
    [{ exitCode: 3, hosts: { a: recapOf({ changed: 1 }) } }, ": changes applied, verification failed"],
    [{ check: true }, "exit code 0: check completed"],
    [{ exitCode: 130, interrupted: true }, "interrupted"],
  ])("says why: %j", (over, words) => {
    expect(lines(over).at(-1)).toContain(words);
  });
});
