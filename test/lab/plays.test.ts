import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { execute, full, type RunEventLike, recapOf, stepsOf, useLab } from "./support.ts";

/** How many hosts had a step going on at one time, at most. */
function atOnce(events: readonly RunEventLike[], what: string): number {
  const working = new Set<unknown>();
  let most = 0;
  for (const { type, host, state, step } of events) {
    if (type !== "step" || step?.what !== what) continue;
    if (state === "started") working.add(host);
    else working.delete(host);
    most = Math.max(most, working.size);
  }
  return most;
}

describe.runIf(full).sequential("plays over several hosts", () => {
  const lab = useLab("test-plays", 81, 3);
  const playbook = join(packageDir, "test/lab/playbooks/plays.ts");
  const [one = "", two = "", three = ""] = lab.names;
  const by = (events: readonly RunEventLike[], what: string) =>
    events.filter((e) => e.type === "step" && e.state === "done" && e.step?.what === what).map((e) => e.host);
  const files = (host: string) =>
    lab.must(host, "cd /opt && ls -d always rescued well 2>/dev/null | tr '\\n' ' '; true");

  test("throttle, runOnce, another host's tasks, and a rescue on one of them: as Ansible has it", async () => {
    const start = await Promise.all(lab.names.map((host) => snapshot(lab, host)));
    const { code, events } = await lab.events(playbook, ["-e", `broken=${two}`]);
    expect(code).toBe(0);
    expect([atOnce(events, "at-once"), atOnce(events, "one-at-a-time")]).toEqual([3, 1]);
    expect([by(events, "one-at-a-time").sort(), by(events, "once")]).toEqual([lab.names, [one]]);
    const hosts = lab.spec.hosts.map(({ name, address }) => `${name} ${address}\n`).join("");
    expect(await lab.must(three, "cat /opt/plays-hosts")).toBe(hosts);

    const recap = recapOf(events);
    expect(lab.names.map((host) => [recap[host]?.failed, "rescued" in (recap[host] ?? {})])).toEqual([
      [0, false],
      [0, true],
      [0, false],
    ]);
    expect(await Promise.all(lab.names.map(files))).toEqual([
      "always well ",
      "always rescued ",
      "always well ",
    ]);
    expect(existsSync(join(lab.folder, "plays.retry"))).toBe(false);
    const args = ["history", "-i", lab.inventory(), "--output", "json"];
    const history = await execute([join(packageDir, "run"), ...args], { cwd: lab.folder });
    expect((JSON.parse(history.stdout) as { state: string }[]).map(({ state }) => state)).toEqual(["done"]);
    expect((await lab.run(playbook, ["-e", `broken=${two}`])).stdout).toMatch(
      new RegExp(`^${two} : .*failed=0 .*rescued=1 `, "m"),
    );

    // A file is no store: another first host does not see it, and has its own. What is well now takes the rescue back.
    const swapped = lab.inventory({ hosts: [three, two, one] });
    const well = await lab.fine(playbook, [], swapped);
    expect(by(well.events, "once")).toEqual([three]);
    expect(await files(two)).toBe("always well ");
    expect(stepsOf((await lab.fine(playbook)).events)).toEqual([
      `${three} file /opt/plays-hosts → 3 lines, mode 644, another text`,
    ]);

    expect((await lab.run("playbooks/reset.ts")).code).toBe(0);
    for (const [i, host] of lab.names.entries())
      expect(differences(start[i] ?? [], await snapshot(lab, host)), host).toEqual([]);
  });
});
