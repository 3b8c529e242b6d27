import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { batchesOf, full, messagesOf, recapOf, stepsOf, useLab } from "./support.ts";

describe.runIf(full).sequential("a balancer around a roll", () => {
  const lab = useLab("test-around", 78, 3);
  const playbook = join(packageDir, "test/lab/playbooks/around.ts");
  const [one = "", two = "", balancer = ""] = lab.names;
  /** What the balancer read at each of its reloads since it was last asked. */
  const reads = async () =>
    (await lab.must(balancer, "cat /run/balancer 2>/dev/null; rm -f /run/balancer"))
      .split(" \n")
      .slice(0, -1);
  const list = () => lab.must(balancer, "cat /etc/balancer/*");

  test("each host is out while it is changed, and nothing is left of it all after the undo", async () => {
    const start = await Promise.all(lab.names.map((host) => snapshot(lab, host)));
    const first = await lab.fine(playbook);
    expect(batchesOf(first.events)).toEqual([[one], [two]]);
    const cycle = [`${one}=out`, `${one}=in`, `${one}=in ${two}=out`, `${one}=in ${two}=in`];
    expect(await reads()).toEqual(cycle);
    expect(stepsOf((await lab.fine(playbook)).events)).toEqual([]);
    expect(await reads()).toEqual([]);

    // A release that does not start: its host stays out, and the other one is not begun.
    const broken = await lab.events(playbook, ["-e", "release=2", "-e", `broken=${one}`]);
    expect([
      broken.code,
      recapOf(broken.events)[one]?.failed,
      recapOf(broken.events)[balancer]?.failed,
    ]).toEqual([2, 1, 0]);
    expect(broken.events.at(-1)).toMatchObject({ notBegun: [two] });
    expect(messagesOf(broken.events).join("\n")).toContain(`still out on ${balancer}: ${one}`);
    expect(await list()).toBe(`${one}=out\n${two}=in\n`);

    // Whoever changes the other one alone does not bring it in by chance.
    const rest = ["-e", "release=2", "--limit", `${two}:${balancer}`];
    expect((await lab.fine(playbook, rest)).code).toBe(0);
    expect(await list()).toBe(`${one}=out\n${two}=in\n`);
    await reads();
    await lab.fine(playbook, ["-e", "release=2"]);
    expect(await reads()).toEqual([`${one}=in ${two}=in`]);

    expect((await lab.run("playbooks/reset.ts")).code).toBe(0);
    await lab.must(balancer, "rm -f /run/balancer");
    for (const [i, host] of lab.names.entries())
      expect(differences(start[i] ?? [], await snapshot(lab, host)), host).toEqual([]);
  });

  test("a batch that failed and is undone is in again, and a rollback leaves the list as it was", async () => {
    await lab.fine(playbook);
    await reads();
    const undone = await lab.events(playbook, [
      "-e",
      "release=2",
      "-e",
      `broken=${one}`,
      "--on-failure",
      "rollback",
    ]);
    expect([undone.code, await lab.must(one, "cat /opt/release")]).toEqual([2, "1\n"]);
    expect(await reads()).toEqual([`${one}=out ${two}=in`, `${one}=in ${two}=in`]);

    await lab.fine(playbook, ["-e", "release=2"]);
    const back = await lab.run("rollback");
    expect(back.code).toBe(0);
    expect([await list(), await lab.must(two, "cat /opt/release")]).toEqual([
      `${one}=in\n${two}=in\n`,
      "1\n",
    ]);
    expect((await lab.run("playbooks/reset.ts")).code).toBe(0);
  });
});
