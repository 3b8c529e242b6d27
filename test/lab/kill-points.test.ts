import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { labPowerOff, labPowerOn } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { execute, full, type RunEventLike, stepsOf, useLab } from "./support.ts";

/*
 * Every scheme is cut off at twenty points of its steps, and then run again or rolled back: 160. At ten points of each a host
 * loses its power: 40. A reset of each is cut off at five points, and given again. Fifty pairs of runners meet on the same hosts. One lab stays up for all of it; each case ends in the
 * state in which it began, and says so.
 */

const lab = useLab("test-points", 36, 2);
const [, second = ""] = lab.names;
let inventory = "";

type Snapshots = readonly (readonly string[])[];
const both = (): Promise<string[][]> => Promise.all(lab.names.map((host) => snapshot(lab, host)));
const between = (before: Snapshots, after: Snapshots): string[] =>
  after.flatMap((lines, i) => differences(before[i] ?? [], lines).map((d) => `${lab.names[i]} ${d}`));

let start: Snapshots = [];
async function begin(): Promise<void> {
  // Docker's second start shows a gateway of its default network that its first one did not.
  await Promise.all(lab.names.map((host) => lab.must(host, "systemctl restart docker")));
  start = await both();
}

const counts = new Map<string, { passed: number; of: number }>();
function counted(what: string, passed: boolean): void {
  const count = counts.get(what) ?? { passed: 0, of: 0 };
  counts.set(what, { passed: count.passed + Number(passed), of: count.of + 1 });
}

beforeAll(async () => {
  inventory = lab.inventory({
    vars: { flannel_binary: join(packageDir, "src/lab/flanneld-stand-in.sh") },
  });
  await begin();
});
afterEach(async ({ task }) => {
  const passed = task.result?.state !== "fail";
  counted(task.suite?.name ?? "", passed);
  if (passed) return;
  await lab.reset();
  await begin();
});
afterAll(() => {
  for (const [what, { passed, of }] of counts) process.stderr.write(`${what}: ${passed}/${of}\n`);
});

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** What a command said, once it ended with that code. */
async function ended(result: Promise<Ended>, code = 0): Promise<string> {
  const { code: found, stdout, stderr } = await result;
  const said = stdout + stderr;
  if (found !== code) throw new Error(`code ${found} instead of ${code}\n${said}`);
  return said;
}

/** After the command all hosts are as they were at first. */
async function atStart(back: Promise<Ended>): Promise<void> {
  await ended(back);
  expect(between(start, await both()).join("\n")).toBe("");
}

const play = (scheme: string) => lab.run(`playbooks/${scheme}.ts`, ["--no-verify"], inventory);
const resetBook = "playbooks/reset.ts";
const reset = () => lab.run(resetBook, [], inventory);
const rollback = () => execute([join(packageDir, "run"), "rollback", "-i", inventory], { cwd: lab.folder });

/** What a run can be cut off at: each step and restart begins, and ends. */
const isPoint = ({ type, state }: RunEventLike): boolean =>
  (type === "step" || type === "consequence") && (state === "started" || state === "done");

/** Runs a playbook until the point of that number, where `then` happens; one of fewer points ends by itself. */
async function until(
  playbook: string,
  n: number,
  then: (send: (signal: NodeJS.Signals) => void, host: string) => void | Promise<void>,
): Promise<void> {
  let seen = 0;
  await lab.follow(
    playbook,
    playbook === resetBook ? [] : ["--no-verify"],
    async (event, send) => {
      if (isPoint(event) && ++seen === n) await then(send, event.host ?? "");
    },
    inventory,
  );
}

/** How many points the scheme has when nothing cuts it off, and how many its reset. */
async function measured(scheme: string): Promise<{ points: number; back: number }> {
  const { code, events } = await lab.events(`playbooks/${scheme}.ts`, ["--no-verify"], inventory);
  expect(code).toBe(0);
  const undone = await lab.events(resetBook, [], inventory);
  expect(undone.code).toBe(0);
  expect(between(start, await both()).join("\n")).toBe("");
  return { points: events.filter(isPoint).length, back: undone.events.filter(isPoint).length };
}

/** So many points, spread evenly over those that there are. */
const spread = (i: number, of: number, points: number): number => 1 + Math.floor(((i - 1) * points) / of);

const schemes = ["static-route", "flannel", "macvlan", "overlay"];
const numbers = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe.runIf(full).sequential.each(schemes)("%s", (scheme) => {
  const playbook = `playbooks/${scheme}.ts`;
  let [points, back] = [0, 0];
  beforeAll(async () => {
    ({ points, back } = await measured(scheme));
  });

  const runAgain = async () => {
    await ended(play(scheme));
    const left = await lab.events(playbook, ["--no-verify", "--check"], inventory);
    expect([left.code, stepsOf(left.events, true)]).toEqual([0, []]);
    await atStart(reset());
  };
  const takeBack = () => atStart(rollback());

  describe.each([
    ["run again", runAgain],
    ["rolled back", takeBack],
  ])(`${scheme} killed, then %s`, (_how, mend) => {
    test.each(numbers(20))("at point %i of 20", async (i) => {
      await until(playbook, spread(i, 20, points), (send) => send("SIGKILL"));
      await lab.atRest(90_000);
      await mend();
    });
  });

  describe(`${scheme}'s reset killed, then given again`, () => {
    test.each(numbers(5))("at point %i of 5", async (i) => {
      await ended(play(scheme));
      await until(resetBook, spread(i, 5, back), (send) => send("SIGKILL"));
      await lab.atRest(90_000);
      await atStart(reset());
    });
  });

  describe.each([
    ["run again", runAgain],
    ["rolled back", takeBack],
  ])(`${scheme} without power, then %s`, (_how, mend) => {
    test.each(numbers(5))("at point %i of 5", async (i) => {
      await until(playbook, spread(i, 5, points), async (_send, host) => {
        await labPowerOff(lab.spec, [host]);
        await labPowerOn(lab.spec, [host]);
      });
      await Promise.all(
        lab.names.map((host) => lab.must(host, "until systemctl is-active -q docker; do sleep 0.2; done")),
      );
      await lab.atRest(90_000);
      await mend();
    });
  });
});

/** How a command came out beside another one. */
const named = /another run (is working on|changed) this host/;

describe.runIf(full).sequential("pairs of runners on the same hosts", () => {
  const playbook = "playbooks/static-route.ts";
  let points = 0;
  beforeAll(async () => {
    ({ points } = await measured("static-route"));
  });
  const others: [string, () => Promise<Ended>][] = [
    ["the same playbook", () => play("static-route")],
    ["another playbook", () => play("macvlan")],
    ["a reset", reset],
    ["a rollback", rollback],
    ["one of the hosts", () => lab.run(playbook, ["--no-verify", "-l", second], inventory)],
  ];

  test.each(others.flatMap(([who, other]) => numbers(10).map((i) => [who, i, other] as const)))(
    "%s, at point %i of 10",
    async (_who, i, other) => {
      let beside: Promise<Ended> | undefined;
      let seen = 0;
      const one = await lab.follow(
        playbook,
        ["--no-verify"],
        (event) => {
          if (isPoint(event) && ++seen === spread(i, 10, points)) beside = other();
        },
        inventory,
      );
      const two = await (beside ?? other());
      const failures = one.events.flatMap(({ type, error }) => (type === "failed" ? [error?.message] : []));
      // One works. The other waits for nobody: it works on what is there afterwards, or it names who is working.
      expect([one.code, two.code]).toContain(0);
      if (one.code !== 0) expect([one.code, failures.join()]).toEqual([2, expect.stringMatching(named)]);
      if (two.code !== 0)
        expect([two.code, two.stdout + two.stderr]).toEqual([2, expect.stringMatching(named)]);
      await atStart(reset());
    },
  );
});
