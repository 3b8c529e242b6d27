import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { prettyReporter } from "../../src/report/pretty.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { inParallel } from "../../src/run/in-parallel.ts";
import { applied, failure, keysStep, recapOf } from "./events.ts";
import { FakeTerminal, quiet } from "./terminal.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const names = (n: number) => Array.from({ length: n }, (_, i) => `docker-${200 + i}`);
const doing = { task: "docker-bip", play: "Addresses", key: "docker0" };
const started = (host: string, state: "started" | "done" = "started"): RunEvent => ({
  at: 0,
  type: "step",
  host,
  ...doing,
  step: keysStep,
  state,
});

/** A play on a terminal: a real listr2 works on the hosts, each until it is let go. */
async function playOn(hosts: readonly string[], terminal = new FakeTerminal()) {
  const reporter = prettyReporter({ ...quiet, stdout: terminal.stream });
  const say = (event: RunEvent) => reporter.event(event);
  say({ at: 0, type: "run", id: "R1", playbook: "p", summary: "s", check: false, hosts });
  say({ at: 0, type: "play", title: "Addresses", index: 0, count: 1, hosts });
  const finish = new Map<string, () => void>();
  const { renderer } = reporter;
  const ended = inParallel(
    hosts.map((name) => ({ name })),
    { atOnce: hosts.length, renderer },
    ({ name }) => new Promise<void>((resolve) => void finish.set(name, resolve)),
  );
  await vi.waitFor(() => expect(finish.size).toBe(hosts.length));
  await vi.advanceTimersByTimeAsync(100);
  const end = async () => {
    for (const resolve of finish.values()) resolve();
    await ended;
    await reporter.close();
  };
  return { terminal, say, finish: (name: string) => finish.get(name)?.(), end };
}

/** What stands in the live area. */
const liveRows = ({ lines }: FakeTerminal) => lines.slice(lines.findIndex((l) => l.includes("hosts done")));

describe("pretty output", () => {
  it("shows which pairs of containers do not answer now", async () => {
    const { terminal, say, end } = await playOn(names(2));
    const watch = (silent: string[]): RunEvent => ({
      at: 0,
      type: "watch",
      name: "p",
      state: "changed",
      silent,
    });
    say(watch(["a → b", "b → a", "a → c"]));
    await vi.advanceTimersByTimeAsync(100);
    expect(liveRows(terminal).at(-1)).toBe("no answer now: a → b, b → a and 1 more");
    say(watch([]));
    await vi.advanceTimersByTimeAsync(100);
    expect(liveRows(terminal).join()).not.toContain("no answer");
    await end();
  });

  it("shows what each of a few hosts is doing, and for how long", async () => {
    const { terminal, say, finish, end } = await playOn(names(3));
    say(started("docker-200"));
    say({
      at: 0,
      type: "consequence",
      host: "docker-201",
      what: "restart docker",
      why: [],
      state: "started",
    });
    const waiting = { at: 0, type: "task", host: "docker-202", ...doing, state: "waiting" } as const;
    say({ ...waiting, reason: "docker0 is down" });
    await vi.advanceTimersByTimeAsync(2000);
    say({ ...waiting, reason: "docker0 has no address" });
    await vi.advanceTimersByTimeAsync(1200);
    const rows = liveRows(terminal).map((row) => row.replace(/\d\.\d s/, "N s"));
    expect(rows).toEqual([
      "PLAY Addresses  0/3 hosts done",
      expect.stringMatching(/^. docker-200 {2}docker-bip: keys of \/etc\/docker\/daemon.json \(N s\)$/),
      expect.stringMatching(/^. docker-201 {2}restart docker \(N s\)$/),
      expect.stringMatching(
        /^. docker-202 {2}docker-bip docker0: waiting for docker0 has no address \(N s\)$/,
      ),
    ]);
    finish("docker-201");
    await vi.advanceTimersByTimeAsync(200);
    expect(liveRows(terminal)[0]).toBe("PLAY Addresses  1/3 hosts done");
    expect(liveRows(terminal).join("\n")).not.toContain("docker-201");
    await end();
  });

  it("of many hosts shows a count and those that need attention", async () => {
    const hosts = names(300);
    const { terminal, say, finish, end } = await playOn(hosts);
    await vi.advanceTimersByTimeAsync(2500);
    for (const host of hosts.slice(2)) say(started(host));
    for (const host of hosts.slice(100)) finish(host);
    say({ at: 0, type: "failed", host: "docker-205", error: failure });
    await vi.advanceTimersByTimeAsync(1500);
    expect(liveRows(terminal)).toEqual([
      expect.stringMatching(/^. PLAY Addresses {2}200\/300 hosts done, 1 lost$/),
      "✗ docker-205  failed: restart docker failed",
      expect.stringMatching(/^. docker-200 {2}planning \(4\.\d s\)$/),
      expect.stringMatching(/^. docker-201 {2}planning \(4\.\d s\)$/),
    ]);
    await end();
  });

  it("keeps what has happened above, and leaves nothing else behind", async () => {
    const { terminal, say, end } = await playOn(names(2));
    for (const event of applied.slice(5)) {
      say(event);
      await vi.advanceTimersByTimeAsync(100);
    }
    await end();
    expect(terminal.lines.join("\n")).not.toMatch(/hosts done|planning/);
    expect(terminal.lines.filter((line) => /^docker-200 {2}changed/.test(line))).toHaveLength(1);
    expect(terminal.lines.at(-1)).toBe("9.0 s, exit code 2: a host failed");
  });

  it("draws a thousand hosts within the window, ten times a second", async () => {
    const hosts = names(1000);
    const { terminal, say, end } = await playOn(hosts, new FakeTerminal(25, 20));
    await vi.advanceTimersByTimeAsync(4000);
    const before = terminal.writes.length;
    for (let i = 0; i < 20_000; i += 1) {
      say(started(hosts[i % 500] ?? "", i % 1000 < 500 ? "started" : "done"));
      if (i % 200 === 199) await vi.advanceTimersByTimeAsync(100);
    }
    expect(terminal.writes.length - before).toBeLessThanOrEqual(100);
    expect(terminal.tallest).toBe(11);
    expect(terminal.widest).toBeGreaterThan(10);
    expect(terminal.widest).toBeLessThanOrEqual(25);
    expect(terminal.lines.at(-1)).toMatch(/^ {2}… and \d+ more$/);
    await end();
    expect(terminal.lines.filter((line) => line.includes("changed"))).toEqual([
      'changed on 500 of 1000 hosts (docker-[200:699]; 10000 times)  docker-bip  keys of /etc/docker/daemon.json: — → "bip": "192.168.100.1/24"',
    ]);
    expect(terminal.cursorVisible).toBe(true);
  });

  it.each([1, 2, 3])("fits into a window of %i rows", async (rows) => {
    const { terminal, end } = await playOn(names(5), new FakeTerminal(40, rows));
    await vi.advanceTimersByTimeAsync(300);
    expect(terminal.tallest).toBe(rows - 1);
    await end();
  });

  it("takes back what a narrower window has wrapped", async () => {
    const { terminal, say, end } = await playOn(names(2), new FakeTerminal(80, 24));
    say(started("docker-200"));
    await vi.advanceTimersByTimeAsync(100);
    expect(terminal.tallest).toBe(3);
    terminal.columns = 30;
    const before = terminal.writes.length;
    await vi.advanceTimersByTimeAsync(100);
    // The 30 characters of the heading still fit; the 57 of docker-200 have become two rows.
    expect(terminal.writes[before]).toMatch(/^\x1b\[4A\r\x1b\[0J/);
    await vi.advanceTimersByTimeAsync(100);
    expect(terminal.writes.at(-1)).toMatch(/^\x1b\[3A\r\x1b\[0J/);
    await end();
  });

  it("hides the cursor only while it draws, and shows it again however the run ends", async () => {
    const listeners = process.listenerCount("exit");
    const { terminal, say, end } = await playOn(names(1));
    expect(terminal.cursorVisible).toBe(false);
    say({ at: 0, type: "message", level: "info", text: "the last words" });
    // What Node does at the end of a process that crashed.
    const onExit = process.listeners("exit").at(-1) as () => void;
    onExit();
    expect(terminal.writes.at(-1)).toBe("the last words\n\x1b[?25h");
    await end();
    expect(terminal.cursorVisible).toBe(true);
    expect(process.listenerCount("exit")).toBe(listeners);
  });

  it("draws nothing any more after the recap", async () => {
    const { terminal, say, end } = await playOn(names(1));
    const hosts = { "docker-200": recapOf() };
    say({ at: 0, type: "recap", hosts, check: false, interrupted: false, exitCode: 0, ms: 5 });
    expect(terminal.cursorVisible).toBe(true);
    const before = terminal.writes.length;
    await vi.advanceTimersByTimeAsync(1000);
    await end();
    expect(terminal.writes.length).toBe(before);
  });
});
