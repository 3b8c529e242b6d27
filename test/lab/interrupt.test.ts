import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type Faults, labFault, labHeal, labStatus } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { execute, full, type Result, useLab } from "./support.ts";

const lab = useLab("test-stop", 10, 1);
const host = "docker-200";

const slow = `import { definePlaybook, defineTask, sh, step, Type } from "causeway";
const wait = defineTask({
  name: "wait", summary: "x", params: Type.Object({ n: Type.Integer() }), key: ({ n }) => String(n),
  read: async (host, { n }) => (await host.read(sh\`ls /opt/slow-\${n}\`, { looksAt: [\`file:/opt/slow-\${n}\`] })).code === 0,
  present: (there, { n }) => there ? [] : [step.run({ what: \`slow \${n}\`, to: "there", do: sh\`sleep 3.\${n}42; touch /opt/slow-\${n}\`,
    done: sh\`[ -e /opt/slow-\${n} ]\`, undo: sh\`rm -f /opt/slow-\${n}\`, touches: [\`file:/opt/slow-\${n}\`] })],
});
export default definePlaybook({ name: "slow", summary: "x", vars: Type.Object({}), plays: [
  { title: "Slowly", hosts: "docker", tasks: () => [wait({ n: 1 }), wait({ n: 2 }), wait({ n: 3 })] } ] });`;

/** Runs the slow playbook, and sends SIGINT so many times, a moment apart, once its first step is under way. */
async function interrupted(times: number) {
  const file = lab.playbook("slow.ts", slow);
  let sent = 0;
  return lab.follow(file, [], async (event, send) => {
    if (sent > 0 || event.type !== "step" || event.state !== "started") return;
    for (; sent < times; sent += 1) {
      send("SIGINT");
      await sleep(300);
    }
  });
}

test("once: the step in flight is finished, what was left is said, exit 130", async () => {
  const { code, events } = await interrupted(1);
  expect(code).toBe(130);
  expect(events.filter((e) => e.type === "step" && e.state === "done").map((e) => e.step?.what)).toEqual([
    "slow 1",
  ]);
  expect(events.find((e) => e.type === "failed")?.error).toMatchObject({
    code: "interrupted",
    found: "1 of 3 steps done",
  });
  expect((await lab.on(host, "ls /opt")).stdout).toBe("slow-1\n");
  await lab.must(host, "test ! -e /var/lib/causeway/lock && ! ls /var/lib/causeway/stop* 2>/dev/null");
});

test("twice: what runs on the host is ended now; the next run says so and finishes", async () => {
  await lab.must(host, "rm -f /opt/slow-*");
  const { code } = await interrupted(2);
  expect(code).toBe(130);
  expect((await lab.on(host, "ps -eo args | grep '^sleep 3[.]'")).stdout).toBe("");
  expect((await lab.on(host, "ls /opt")).stdout).toBe("");
  const again = await lab.events(join(lab.folder, "slow.ts"));
  expect(again.code).toBe(0);
  expect(again.events.find((e) => e.type === "message")?.text).toMatch(
    /left unfinished: slow 1; this run completes or undoes it/,
  );
  const third = await lab.events(join(lab.folder, "slow.ts"));
  expect(third.events.some((e) => e.type === "message")).toBe(false);
});

test.runIf(full)(
  "two runs on one host: the second stops before its first step, and names the first",
  async () => {
    await lab.must(host, "rm -f /opt/slow-*");
    const file = lab.playbook("slow.ts", slow);
    let second:
      | Promise<{ code: number; events: Awaited<ReturnType<typeof lab.events>>["events"] }>
      | undefined;
    const first = await lab.follow(file, [], async (event) => {
      if (second || event.type !== "step" || event.state !== "started") return;
      second = lab.events(file);
      await second;
    });
    const { code, events } = (await second) ?? { code: 0, events: [] };
    expect([first.code, code]).toEqual([0, 2]);
    expect(events.find((e) => e.type === "failed")?.error).toMatchObject({
      message: "another run is working on this host",
      found: expect.stringMatching(/^the lock is held by \S+@\S+ since \S+ in run /),
    });
    expect(events.some((e) => e.type === "step")).toBe(false);
  },
);

test("a lab is not taken away from a run, which ends well; a run waits for a lab that gets a new disk", async () => {
  await lab.must(host, "rm -f /opt/slow-*");
  const inventory = lab.inventory();
  const command = (...args: string[]) =>
    execute([join(packageDir, "run"), "lab", ...args, "-i", inventory], { cwd: lab.folder });
  const refused: Result[] = [];
  const { code } = await lab.follow(
    join(lab.folder, "slow.ts"),
    [],
    async (event) => {
      if (refused.length > 0 || event.type !== "step" || event.state !== "started") return;
      refused.push(await command("reset", host), await command("down"));
    },
    inventory,
  );
  expect(code).toBe(0);
  for (const one of refused)
    expect(one).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/is in use[\s\S]*slow\.ts \(process \d+\)[\s\S]*kill -INT \d+/),
    });
  expect(refused).toHaveLength(2);
  const fresh = command("reset", host);
  await until(async () => (await labStatus(lab.spec)).up === false);
  const beside = await lab.run(join(lab.folder, "slow.ts"), [], inventory);
  expect([beside.code, (await fresh).code]).toEqual([0, 0]);
});

async function until(what: () => Promise<boolean>): Promise<void> {
  while (!(await what())) await sleep(50);
}

/** Does the host harm while the slow playbook's first step is under way, and heals it once the run has ended. */
async function harmed(faults: Faults) {
  await lab.must(host, "rm -f /opt/slow-*");
  let done = false;
  const run = await lab.follow(lab.playbook("slow.ts", slow), ["--confirm-timeout", "30"], async (event) => {
    if (done || event.type !== "step" || event.state !== "started") return;
    done = true;
    await labFault(lab.spec, host, faults);
  });
  await labHeal(lab.spec);
  await lab.atRest(60_000);
  return run;
}

async function completes(): Promise<void> {
  const again = await lab.events(join(lab.folder, "slow.ts"));
  expect(again.code).toBe(0);
  expect((await lab.must(host, "ls /opt")).split("\n")).toEqual(["slow-1", "slow-2", "slow-3", ""]);
  const idle = await lab.events(join(lab.folder, "slow.ts"));
  expect([idle.code, idle.events.filter((e) => e.type === "step")]).toEqual([0, []]);
  expect((await lab.run("playbooks/reset.ts")).code).toBe(0);
  expect((await lab.on(host, "ls /opt")).stdout).toBe("");
}

describe.runIf(full).sequential("in the middle of a long step", () => {
  test.each<[Faults]>([[{ cut: "in" }], [{ cut: "out" }], [{ cut: "both" }]])(
    "%j: the host is unreachable, the step in flight is named, and the next run completes it",
    async (faults) => {
      const { code, events } = await harmed(faults);
      expect(code).toBe(4);
      const errors = events.flatMap((e) => (e.type === "unreachable" ? [e.error] : []));
      expect(errors[0]).toMatchObject({
        code: "unreachable",
        message: expect.stringContaining("the host stopped answering"),
        found: expect.stringMatching(/^slow \d was under way; whether it ended is not known$/),
        command: expect.stringMatching(/touch '?\/opt\/slow-\d/),
      });
      await completes();
    },
  );

  test("a disk that is full: it is told, nothing is lost, and the next run completes it", async () => {
    const { code, events } = await harmed({ fill: "/var" });
    expect(code).toBe(2);
    expect(events.find((e) => e.type === "failed")?.error).toMatchObject({
      message: expect.stringMatching(/^slow \d was performed, but the journal cannot note what it made$/),
      command: "df -h /var/lib/causeway",
    });
    await completes();
  });
});
