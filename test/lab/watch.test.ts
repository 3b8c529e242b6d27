import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import type { ToldGap, ToldPair } from "../../src/run/events.ts";
import { doneBy, full, idle, inFull, type RunEventLike, useLab } from "./support.ts";

const lab = useLab("test-watch", 52, full ? 6 : 3);
const playbook = "playbooks/static-route.ts";
const [first = "", second = "", third = ""] = lab.names;

/** The fleet with its hosts' subnets: the number of the first, the others count up from there. */
const fleet = (from: number, vars: Record<string, unknown> = {}) =>
  lab.inventory({
    vars,
    of: Object.fromEntries(lab.names.map((name, i) => [name, { bip: `192.168.${from + i}.1/24` }])),
  });

/** The same with another subnet for the first host. */
const moved = (from: number, to: number) =>
  lab.inventory({
    of: Object.fromEntries(
      lab.names.map((name, i) => [name, { bip: `192.168.${i === 0 ? to : from + i}.1/24` }]),
    ),
  });

const watchedBy = (events: readonly RunEventLike[]) => {
  const watched = events.find((e) => e.type === "watched") as unknown as {
    pairs: readonly ToldPair[];
    over?: readonly string[];
    notes: readonly string[];
  };
  const arrow = ({ from, to }: ToldPair) => `${from} → ${to}`;
  return { ...watched, of: new Map(watched.pairs.map((pair) => [arrow(pair), pair])) };
};

const withHost = (host: string, { from, to }: ToldPair) => from === host || to === host;
const unnoticed = { reached: true, lost: 0, longestMs: 0, gaps: [] };
const left = (host: string) => lab.must(host, "docker ps -aq --filter label=causeway.probe");

/** Drops what the second host's containers and the first's send each other, for a second. */
const breaking = (
  from: string,
  to: string,
) => `import { definePlaybook, defineTask, sh, step, Type } from "causeway";
import { pingCheck } from "${packageDir}/tasks/ping-check.ts";
const cut = defineTask({
  name: "cut", summary: "x", params: Type.Object({}), key: () => "",
  read: async (host) => (await host.read(sh\`ls /run/was-cut\`, { looksAt: ["file:/run/was-cut"] })).code === 0,
  present: (there) => there ? [] : [step.run({ what: "the wire is cut", to: "whole again", touches: ["file:/run/was-cut"],
    do: sh\`iptables -w -I FORWARD -s ${from} -d ${to} -j DROP; sleep 1; iptables -w -D FORWARD -s ${from} -d ${to} -j DROP; touch /run/was-cut\`,
    done: sh\`[ -e /run/was-cut ]\`, undo: sh\`rm -f /run/was-cut\` })],
});
export default definePlaybook({ name: "cut", summary: "x", vars: Type.Object({}), plays: [
  { title: "Cut", hosts: "${second}", tasks: () => [cut({})] }, { title: "Others", hosts: "docker", tasks: () => [] } ],
  verify: () => [pingCheck({ network: "bridge", image: "busybox", count: 3, source: "preserved", wire: { name: "routed", routed: true } })] });`;

describe.sequential("a watch", () => {
  test("of one host's new bip: the others notice nothing, its own gap has the restart beside it, and a limit ends with 3", async () => {
    // No container is reached yet: a pair counts from the first time that it works.
    const start = await lab.events(playbook, ["--watch", "--no-verify"], fleet(100));
    expect(start.code).toBe(0);
    const begun = watchedBy(start.events).pairs;
    expect(begun.map(({ reached }) => reached)).toContain(true);
    for (const { reached, gaps } of begun) if (!reached) expect(gaps).toEqual([]);

    // Containers of the watch are nobody's: they need no leave to be interrupted.
    const { code, events } = await lab.events(
      playbook,
      ["--serial", "1", "--max-gap", "100ms"],
      moved(100, 90),
    );
    expect(code).toBe(3);
    const { pairs, over } = watchedBy(events);
    expect(pairs).toHaveLength(lab.names.length * (lab.names.length - 1));
    for (const pair of pairs) {
      if (!withHost(first, pair)) expect(pair).toMatchObject(unnoticed);
      else {
        expect(pair.gaps).toEqual([expect.objectContaining({ open: false, restarted: [first] })]);
        expect(pair.gaps[0]?.during).toContainEqual({ host: first, what: "restart docker" });
      }
    }
    const own = pairs.filter((pair) => withHost(first, pair)).map(({ from, to }) => `${from} → ${to}`);
    expect([...(over ?? [])].sort()).toEqual(own.sort());
    for (const host of lab.names) expect(await left(host)).toBe("");

    const again = await lab.events(playbook, ["--serial", "1", "--max-gap", "100ms"], moved(100, 90));
    expect(doneBy(again)).toEqual(idle(lab.names));
    for (const pair of watchedBy(again.events).pairs) expect(pair).toMatchObject(unnoticed);

    // Somebody's own still do.
    await lab.must(first, "docker run -d --name web busybox sleep 100000");
    const refused = await lab.events(playbook, ["--watch"], moved(100, 91));
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/this run restarts or stops Docker[\s\S]* 1 container; not back: web /);
    await lab.must(first, "docker rm -f web");
  });

  inFull(
    "a wire that is cut for a second: its two pairs lose what was sent in that time, the others nothing",
    async () => {
      expect((await lab.run(playbook, [], fleet(100))).code).toBe(0);
      await lab.must(second, "rm -f /run/was-cut");
      const file = lab.playbook("cut.ts", breaking("192.168.101.0/24", "192.168.100.0/24"));
      const { code, events } = await lab.events(file, ["--max-gap", "300ms"], fleet(100));
      expect(code).toBe(3);
      const { pairs, over } = watchedBy(events);
      expect([...(over ?? [])].sort()).toEqual([`${first} → ${second}`, `${second} → ${first}`]);
      for (const pair of pairs) {
        if (!withHost(first, pair) || !withHost(second, pair)) expect(pair).toMatchObject(unnoticed);
        else {
          // From the last answer before to the first one after: never less than the second.
          expect(pair.gaps).toEqual([expect.objectContaining({ open: false, restarted: [] })]);
          expect(pair.longestMs).toBeGreaterThanOrEqual(1000);
          expect(pair.lost).toBeGreaterThanOrEqual(4);
          expect(pair.gaps[0]?.during).toEqual([{ host: second, task: "cut", what: "the wire is cut" }]);
        }
      }
      await lab.must(second, "rm -f /run/was-cut");
    },
  );

  inFull("a runner that is killed leaves no container; Ctrl-C tells what was seen until then", async () => {
    const run = () =>
      spawn(
        join(packageDir, "run"),
        [join(packageDir, playbook), "-i", fleet(100), "--watch", "--output", "json"],
        {
          cwd: lab.folder,
          stdio: ["ignore", "pipe", "ignore"],
        },
      );
    const killed = run();
    await vi.waitFor(async () => expect(await left(third)).not.toBe(""), 60_000);
    killed.kill("SIGKILL");
    for (const host of lab.names)
      await vi.waitFor(async () => expect(await left(host)).toBe(""), { timeout: 60_000, interval: 500 });

    const stopped = run();
    let text = "";
    stopped.stdout.on("data", (chunk: Buffer) => {
      text += chunk;
    });
    await vi.waitFor(() => expect(text).toContain('"type":"watch"'), 60_000);
    stopped.kill("SIGINT");
    expect(await new Promise((resolve) => stopped.once("close", resolve))).toBe(130);
    expect(text).toContain('"type":"watched"');
    for (const host of lab.names) expect(await left(host)).toBe("");
  });

  inFull.each([
    ["1", 110, 6],
    ["1,50%", 120, 3],
  ])(
    "of all hosts' bips with --serial %s: no pair of two hosts outside the batch loses a packet",
    async (serial, from, count) => {
      expect((await lab.run(playbook, ["--no-verify"], fleet(100))).code).toBe(0);
      const { code, events } = await lab.events(playbook, ["--serial", serial, "--watch"], fleet(from));
      expect(code).toBe(0);
      const batches = events.filter((e) => e.type === "batch" && e.state === "started");
      expect(batches).toHaveLength(count);
      const batchAt = (gap: ToldGap) =>
        (batches.findLast(({ at }) => Number(at) <= gap.at + gap.ms)?.hosts ?? []) as unknown as string[];
      const { pairs, notes } = watchedBy(events);
      for (const pair of pairs) {
        expect(pair.reached).toBe(true);
        // What a busy machine did not read in time is not lost on the way, and is told.
        const busy = notes.some((note) => note.startsWith(`on ${pair.from}, which is busy`));
        for (const gap of pair.gaps.filter(({ restarted }) => !busy || restarted.length > 0)) {
          expect(gap.restarted, JSON.stringify({ pair, batches })).not.toEqual([]);
          expect(batchAt(gap)).toEqual(expect.arrayContaining([gap.restarted[0]]));
        }
      }
      for (const host of lab.names) expect(await left(host)).toBe("");
      expect(doneBy(await lab.events(playbook, ["--serial", serial], fleet(from)))).toEqual(idle(lab.names));
    },
  );
});
