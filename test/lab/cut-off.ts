import { readFileSync } from "node:fs";
import { connect } from "node:net";
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

/** When a new connection to a host was tried, in seconds since the boot, which hosts of a lab share with this machine. */
export interface Tries {
  readonly came: number[];
  readonly failed: number[];
}

/** Tries to reach every host anew, four times a second, until it is told to stop. */
export function knocking(lab: TestLab): () => Promise<ReadonlyMap<string, Tries>> {
  const tries = new Map(lab.names.map((host): [string, Tries] => [host, { came: [], failed: [] }]));
  let on = true;
  const all = lab.spec.hosts.map(async ({ name, address }) => {
    const { came, failed } = tries.get(name) as Tries;
    while (on) {
      const reached = await knock(address);
      (reached ? came : failed).push(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]));
      await sleep(reached ? 250 : 0);
    }
  });
  return async () => {
    on = false;
    await Promise.all(all);
    return tries;
  };
}

/** Whether something listens for SSH there, and answers in a quarter of a second. */
function knock(host: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host, port: 22, timeout: 250 });
    const end = (came: boolean) => {
      socket.destroy();
      done(came);
    };
    socket
      .on("connect", () => end(true))
      .on("timeout", () => end(false))
      .on("error", () => end(false));
  });
}

/**
 * That no host began to take back before the time of its last switch was over, nor waited as long a second time, and that it was
 * reached again before all of it was done, as far as somebody knocked; when that was is printed. How far behind a host is
 * depends on how busy this machine is.
 */
export async function expectOnTime(
  lab: TestLab,
  what: string,
  seconds: number,
  tries?: ReadonlyMap<string, Tries>,
): Promise<void> {
  // A host whose runner stood still is back before anything was cut, on a very busy machine; not all of them are.
  if (tries) expect([...tries.values()].flatMap(({ failed }) => failed)).not.toEqual([]);
  const last = "cat $(ls -td /var/lib/causeway/runs/* | head -n 1)/reverted";
  const delays = await Promise.all(
    lab.names.map(async (host) => {
      const said = await lab.must(host, last);
      const stamp = (word: string) => Number(new RegExp(`${word} (\\d+)`).exec(said)?.[1]) / 100;
      const due = stamp("due");
      const { came = [] } = tries?.get(host) ?? {};
      const back = came.find((at) => at > due);
      return { begun: stamp("begun") - due, ...(back && { back: back - due }), over: stamp("over") - due };
    }),
  );
  const times = delays.map((of) =>
    Object.entries(of)
      .map(([word, s]) => `${word} ${s.toFixed(2)} s`)
      .join(", "),
  );
  console.log(`${what}: after the time was over: ${times.join("; ")}`);
  for (const { begun } of delays) {
    expect(begun).toBeGreaterThanOrEqual(0);
    expect(begun).toBeLessThan(seconds);
  }
  // A restart of Docker takes long; whoever is cut off does not wait for it.
  if (what === "bip" && tries) for (const { back, over } of delays) expect(back).toBeLessThan(over);
}
