import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import type { RunEventLike, TestLab } from "./support.ts";

/** The playbook that cuts the runner off in the way that it is told. */
export const cutOff = join(packageDir, "test/lab/playbooks/cut-off.ts");

/** Its command line: the way, and how long a host waits for a confirmation. */
export function cutOffArgs(lab: TestLab, how: string, seconds: number, vars: object = {}): string[] {
  const given = JSON.stringify({ how, runner: `${lab.net}.1`, ...vars });
  return ["-e", given, "--confirm-timeout", String(seconds)];
}

export const started = (what: string) => (e: RunEventLike) =>
  e.type === "step" && e.step?.what === what && e.state === "started";

export const errorsOf = (events: readonly RunEventLike[]) =>
  events.flatMap(({ type, host, error }) => (type === "failed" ? [`${host}: ${error?.message}`] : []));

/** What each host says that took a run back in time. */
export const rolledBack = (lab: TestLab) =>
  lab.names.map((host) => `${host}: rolled back by its own timer: the run was not confirmed in time`);

export const snapshots = (lab: TestLab) => Promise.all(lab.names.map((host) => snapshot(lab, host)));

export async function since(lab: TestLab, before: readonly string[][]): Promise<string[]> {
  const now = await snapshots(lab);
  return now.flatMap((lines, i) => differences(before[i] ?? [], lines).map((d) => `${lab.names[i]} ${d}`));
}

/** Whether nothing is armed on the hosts, and none takes anything back. */
export async function isOff(lab: TestLab, hosts: readonly string[] = lab.names): Promise<boolean> {
  const look = "ls /var/lib/causeway/switch /etc/systemd/system/causeway-revert.service 2>&1";
  const said = await Promise.all(hosts.map((host) => lab.on(host, look)));
  return said.every(({ stdout }) => !/armed|reverting|^\/etc/m.test(stdout));
}

/** Waits for what the hosts do by themselves: two minutes at most. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries += 1) {
    if (tries > 600) throw new Error("it never came to that");
    await sleep(200);
  }
}

/**
 * That no host began to take back before the time of its last switch was over, nor waited as long a second time, as each noted
 * that itself; when they began and were done is printed. How far behind a host is depends on how busy this machine is.
 */
export async function expectOnTime(lab: TestLab, what: string, seconds: number): Promise<void> {
  const last = "cat $(ls -td /var/lib/causeway/runs/* | head -n 1)/reverted";
  const delays = await Promise.all(
    lab.names.map(async (host) => {
      const said = await lab.must(host, last);
      const stamp = (word: string) => Number(new RegExp(`${word} (\\d+)`).exec(said)?.[1]);
      return ["begun", "over"].map((word) => (stamp(word) - stamp("due")) / 100);
    }),
  );
  console.log(
    `${what}: after the time was over, hosts began and were done: ${delays.map((one) => `${one.join(" and ")} s`).join("; ")}`,
  );
  for (const [began] of delays) {
    expect(began).toBeGreaterThanOrEqual(0);
    expect(began).toBeLessThan(seconds);
  }
}
