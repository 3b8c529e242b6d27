import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { labPowerOff, labPowerOn } from "../../src/lab/index.ts";
import { fleetOf, retryOf, rolled, strangersOf } from "./rolls.ts";
import { differences, snapshot } from "./snapshot.ts";
import { batchesOf, cellsOf, full, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-rolling-stopped", 42, 3);
const playbook = "playbooks/static-route.ts";
const [first = "", second = "", last = ""] = lab.names;
const serial = ["--serial", "1"];
const retry = ["--limit", "@static-route.retry"];

const atRest = async () => {
  await lab.atRest(60_000);
  // The proof of a runner that was killed leaves containers, which end by themselves after some minutes.
  for (const host of lab.names)
    await lab.must(host, "docker ps -q --filter label=causeway.probe | xargs -r docker rm -f");
};

/** Whether a batch of a host is under way: its Docker is being restarted. */
const isRestarting = (host: string, e: { type: string; host?: string; state?: string }) =>
  e.type === "consequence" && e.host === host && e.state === "started";

/** The same command again finishes, from a host on; then there is nothing to do, and nothing of the proofs is left. */
async function finishes(generation: number, hosts: readonly string[]) {
  const inventory = fleetOf(lab, generation);
  const { code, events } = await rolled(lab, inventory, serial);
  expect(code).toBe(0);
  expect(batchesOf(events)).toEqual(hosts.map((host) => [host]));
  expect(cellsOf(events).filter(({ ok }) => ok)).toHaveLength(6);
  expect(stepsOf((await lab.events(playbook, serial, inventory)).events)).toEqual([]);
  for (const host of lab.names) expect(await lab.must(host, "docker ps -aq"), host).toBe("");
}

describe.runIf(full).sequential("a roll that is stopped", () => {
  afterEach(atRest);

  test("killed with -9 in its second batch: what is left is written down, and can be done by itself", async () => {
    expect((await lab.run(playbook, [], fleetOf(lab, 0))).code).toBe(0);
    await rolled(lab, fleetOf(lab, 1), serial, (e, send) => {
      if (isRestarting(second, e)) send("SIGKILL");
    });
    await atRest();
    expect(retryOf(lab)).toEqual([second, last]);
    const limited = await rolled(lab, fleetOf(lab, 1), [...serial, ...retry]);
    expect(limited.code).toBe(0);
    expect(batchesOf(limited.events).flat()).toContain(last);
    await finishes(1, []);
  });

  test("killed with -9 between two batches: the same command goes on with the next", async () => {
    // Once for what only adds, once for its batch: what is not confirmed is taken back.
    let confirmed = 0;
    await rolled(lab, fleetOf(lab, 2), serial, (e, send) => {
      if (e.type === "switch" && e.state === "confirmed" && e.host === first && ++confirmed === 2)
        send("SIGKILL");
    });
    await atRest();
    expect(retryOf(lab)).toEqual([first, second, last]);
    await finishes(2, [second, last]);
  });

  test("killed with -9 in its first batch: a rollback restores all hosts", async () => {
    const before = await Promise.all(lab.names.map((host) => snapshot(lab, host)));
    await rolled(lab, fleetOf(lab, 3), serial, (e, send) => {
      if (isRestarting(first, e)) send("SIGKILL");
    });
    await atRest();
    const undone = await lab.run("rollback", [], fleetOf(lab, 3));
    expect(undone.code, undone.stdout + undone.stderr).toBe(0);
    for (const [i, host] of lab.names.entries())
      expect(differences(before[i] ?? [], await snapshot(lab, host)), host).toEqual([]);
  });

  test("Ctrl-C in its second batch: the step in flight ends, and the rest is not begun", async () => {
    const { code, events } = await rolled(lab, fleetOf(lab, 3), serial, (e, send) => {
      if (e.type === "step" && e.host === second && e.task === "docker-bip" && e.state === "started")
        send("SIGINT");
    });
    expect(code).toBe(130);
    expect(batchesOf(events)).toEqual([[first], [second]]);
    expect(retryOf(lab)).toContain(last);
    await finishes(3, retryOf(lab));
  });

  test("Ctrl-C twice in its second batch: a rollback restores all hosts", async () => {
    const before = await Promise.all(lab.names.map((host) => snapshot(lab, host)));
    const { code } = await rolled(lab, fleetOf(lab, 4), serial, (e, send) => {
      if (!isRestarting(second, e)) return;
      send("SIGINT");
      void sleep(300).then(() => send("SIGINT"));
    });
    expect(code).toBe(130);
    await atRest();
    expect(retryOf(lab)).toContain(last);
    const undone = await lab.run("rollback", [], fleetOf(lab, 4));
    expect(undone.code, undone.stdout + undone.stderr).toBe(0);
    for (const [i, host] of lab.names.entries())
      expect(differences(before[i] ?? [], await snapshot(lab, host)), host).toEqual([]);
  });

  test("a host that dies in its batch is unreachable, and the roll ends there; booted again, the rest is done", async () => {
    let dead: Promise<void> | undefined;
    const { code, events } = await rolled(
      lab,
      fleetOf(lab, 4),
      [...serial, "--command-timeout", "20"],
      (e) => {
        if (isRestarting(second, e)) dead ??= labPowerOff(lab.spec, [second]);
      },
    );
    await dead;
    expect(code).toBe(4);
    expect(batchesOf(events)).toEqual([[first], [second]]);
    expect(retryOf(lab)).toEqual([second, last]);
    await labPowerOn(lab.spec, [second]);
    const limited = await rolled(lab, fleetOf(lab, 4), [...serial, ...retry]);
    expect(limited.code).toBe(0);
    await finishes(4, []);
  });

  test("a host that is dead beforehand: the others are done, and nothing is taken away", async () => {
    await labPowerOff(lab.spec, [second]);
    // An inventory that names the lab would boot it again.
    const { inventory, args } = strangersOf(lab, 5);
    const away = await rolled(lab, inventory, [...serial, ...args, "--timeout", "3"]);
    expect(away.code).toBe(4);
    expect(batchesOf(away.events)).toEqual([[first], [last]]);
    expect(retryOf(lab)).toEqual([second]);
    await labPowerOn(lab.spec, [second]);
    await finishes(5, [second]);
  });
});
