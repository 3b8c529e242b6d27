import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { labFault, labHeal, labStatus } from "../../src/lab/index.ts";
import type { Faults } from "../../src/lab/types.ts";
import { packageDir } from "../../src/package-dir.ts";
import { execute, full, useLab } from "./support.ts";

const lab = useLab("test-faults", 34, 2);
const [first = "", second = ""] = lab.names;
const run = join(packageDir, "run");
const fault = (...args: string[]) => execute([run, "lab", "fault", ...args, "-i", lab.inventory()]);

afterEach(() => labHeal(lab.spec));

/** How many of twenty packets with so many bytes of data come back from the first host to the second. */
async function answers(bytes = 56): Promise<number> {
  const ping = `ping -q -c 20 -i 0.02 -W 1 -s ${bytes} ${lab.net}.200`;
  return Number(/(\d+) received/.exec((await lab.on(second, ping)).stdout)?.[1]);
}

async function until(what: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (await what()) return;
    await sleep(100);
  }
  throw new Error("it did not come to that within a minute");
}

/** Each of them waits for answers that do not come. */
const longer: [Faults, () => Promise<unknown>][] = [
  [{ cut: "in" }, async () => expect(await answers()).toBe(0)],
  [{ cut: "out" }, async () => expect(await answers()).toBe(0)],
  [{ drop: 60 }, async () => expect(await answers()).toBeLessThan(20)],
];

describe.sequential("run lab fault", () => {
  test.each<[Faults, () => Promise<unknown>]>([
    [{ cut: "both" }, async () => expect(await answers()).toBe(0)],
    ...(full ? longer : []),
    [
      { mtu: 1400 },
      async () => {
        expect(await answers(1400 - 28)).toBe(20);
        expect(await answers(1401 - 28)).toBe(0);
        // Segments of TCP, too, of which many travel as one packet inside one machine.
        const get = `timeout 2 ssh -o StrictHostKeyChecking=no -o BatchMode=yes ${lab.net}.200 true 2>&1`;
        expect((await lab.on(second, get)).code).toBe(124);
      },
    ],
    [
      { freeze: true },
      async () => expect((await labStatus(lab.spec)).hosts[0]).toMatchObject({ state: "faulty" }),
    ],
    [{ stop: "docker" }, async () => expect((await lab.on(first, "docker ps")).code).not.toBe(0)],
    [
      { fill: "/var" },
      async () => {
        expect((await lab.on(first, "echo text >/var/lib/faults-test")).code).not.toBe(0);
        await lab.must(first, "rm /var/lib/faults-test; mkdir /var/lib/faults-kept");
      },
    ],
    [
      { kill: true },
      async () => expect((await labStatus(lab.spec)).hosts[0]).toMatchObject({ state: "down" }),
    ],
  ])("does %j, and heal ends it", async (faults, isSeen) => {
    await labFault(lab.spec, first, faults);
    await isSeen();
    expect((await labStatus(lab.spec)).hosts[0]?.faults).toEqual(faults);
    expect(await labHeal(lab.spec)).toEqual({ [first]: faults });
    expect(await answers(1400)).toBe(20);
    await lab.must(first, "until docker ps; do sleep 0.2; done");
    if (faults.fill !== undefined)
      await lab.must(first, "rmdir /var/lib/faults-kept; touch /var/lib/docker/x");
    expect((await labStatus(lab.spec)).hosts[0]).not.toHaveProperty("faults");
  });

  test("a fault ends with its command, also by kill -9; with --for after its time; and not twice on one host", async () => {
    const child = spawn(run, ["lab", "fault", first, "--cut", "in", "-i", lab.inventory()]);
    await once(child.stderr, "data");
    expect(await answers()).toBe(0);
    const again = await fault(first, "--freeze");
    expect(again).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/has faults already[\s\S]*cut in[\s\S]*run lab heal/),
    });
    child.kill("SIGKILL");
    await until(async () => (await answers()) === 20);
    const timed = await fault(first, "--cut", "out", "--for", "2s");
    expect(timed).toMatchObject({ code: 0, stderr: `${first}: cut out, for 2s\n` });
    await until(async () => (await answers()) === 20);
  });

  test.each([
    [["--clock", "+1y"], 1, /has no clock of its own/],
    [["--stop", "nosuch"], 1, /nosuch does not run on docker-200/],
    [["--fill", "var"], 5, /--fill takes a folder of docker-200/],
    [["--drop", "0%"], 5, /--drop takes a share/],
    [["--reboot", "--cut", "in"], 5, /goes with no other option/],
    [[], 5, /needs at least one fault/],
  ])("what cannot be done is said: %j", async (args, code, words) => {
    expect(await fault(first, ...args)).toMatchObject({ code, stderr: expect.stringMatching(words) });
    expect((await labStatus(lab.spec)).hosts[0]).not.toHaveProperty("faults");
  });

  test("a delay is there, or the kernel that has no netem is named", async () => {
    const harm = await labFault(lab.spec, first, { delay: 200 }).catch((error: Error) => error);
    if (harm instanceof Error) expect(harm.message).toBe("this kernel cannot delay packets: it has no netem");
    else
      expect((await lab.must(second, `ping -c 1 ${lab.net}.200`)).match(/time=(\d+)/)?.[1]).toMatch(/^2\d\d/);
  });
});
