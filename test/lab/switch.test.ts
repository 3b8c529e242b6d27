import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { labPowerOff, labPowerOn } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { inFull, type RunEventLike, recapOf, useLab } from "./support.ts";

const lab = useLab("test-timer", 51, 3);
const cutOff = join(packageDir, "test/lab/playbooks/cut-off.ts");
const seconds = 8;
const args = (how: string) => [
  "-e",
  JSON.stringify({ how, runner: `${lab.net}.1` }),
  "--confirm-timeout",
  String(seconds),
];

const all = () => Promise.all(lab.names.map((host) => snapshot(lab, host)));
async function since(before: string[][]): Promise<string[]> {
  const now = await all();
  return now.flatMap((lines, i) => differences(before[i] ?? [], lines).map((d) => `${lab.names[i]} ${d}`));
}

const errorsOf = (events: readonly RunEventLike[]) =>
  events.flatMap(({ type, host, error }) => (type === "failed" ? [`${host}: ${error?.message}`] : []));

/** What the host's own journal of systemd says of the undo, for a test that failed. */
const armed = (host: string) =>
  lab.on(host, "ls /var/lib/causeway/switch /etc/systemd/system/causeway-revert.service 2>&1");

/** Starts a run, and kills it with -9 once an event says so; gives when that was. */
async function killed(how: string, when: (event: RunEventLike) => boolean): Promise<number> {
  await lab.follow(cutOff, args(how), (event, send) => {
    if (when(event)) send("SIGKILL");
  });
  return Date.now();
}

describe.sequential("a host takes back by itself what is not confirmed", () => {
  test.each(["no new connection", "no packet", "no route"])(
    "%s: on three hosts at once, and the report is true",
    async (how) => {
      const before = await all();
      const { code, events } = await lab.events(cutOff, args(how));
      expect(code).toBe(2);
      expect(errorsOf(events)).toEqual(
        expect.arrayContaining(
          lab.names.map((host) => `${host}: rolled back by its own timer: the run was not confirmed in time`),
        ),
      );
      expect(await since(before)).toEqual([]);
      expect((await armed(lab.names[0] ?? "")).stdout).not.toMatch(/armed|reverting|^\/etc/m);
      // The next one is told, and not held up.
      const next = await lab.events("playbooks/reset.ts");
      expect(next.code).toBe(0);
      expect(next.events.filter((e) => /own timer/.test(String(e.text)))).toHaveLength(3);
    },
  );

  test("the runner is killed while all are armed: all are back within the time", async () => {
    const before = await all();
    const at = await killed(
      "slow",
      (e) => e.type === "step" && e.step?.what === "slow" && e.state === "started",
    );
    // What somebody else writes into the same file meanwhile stays.
    const [first = "", second = ""] = lab.names;
    await lab.must(second, `sed -i 's/{/{"theirs": 1,/' /etc/cut-off.json`);
    expect((await armed(first)).stdout).toMatch(/armed/);
    while (Date.now() < at + (seconds + 2) * 1000) await sleep(100);
    for (const host of lab.names) expect((await armed(host)).stdout, host).not.toMatch(/armed|reverting/);
    expect(JSON.parse(await lab.must(second, "cat /etc/cut-off.json"))).toEqual({ theirs: 1 });
    await lab.must(second, "rm /etc/cut-off.json");
    expect(await since(before)).toEqual([]);
  });

  inFull("a host that boots before the run is confirmed is as it was", async () => {
    const [first = ""] = lab.names;
    // Docker's second start shows a gateway of its default network that its first one did not.
    await lab.must(first, "systemctl restart docker");
    const before = await snapshot(lab, first);
    await killed("slow", (e) => e.type === "step" && e.step?.what === "slow" && e.host === first);
    await labPowerOff(lab.spec, [first]);
    await labPowerOn(lab.spec, [first]);
    await lab.must(first, "until systemctl is-active -q docker; do sleep 0.2; done; sleep 2");
    expect((await armed(first)).stdout).not.toMatch(/armed|reverting|^\/etc/m);
    const after = await snapshot(lab, first);
    expect(differences(before, after)).toEqual([]);
  });

  inFull(
    "a run that is confirmed leaves no timer and no unit, and a run that changes nothing arms none",
    async () => {
      const slow = await lab.events(cutOff, [...args("slow"), "-l", "docker-200"]);
      // The step takes longer than the host waits: the runner renewed it.
      expect(slow.code).toBe(0);
      expect(slow.events.filter((e) => e.type === "switch").map((e) => e.state)).toEqual([
        "armed",
        "confirmed",
      ]);
      expect((await armed("docker-200")).stdout).not.toMatch(/armed|reverting|^\/etc/m);
      const again = await lab.events(cutOff, [...args("slow"), "-l", "docker-200"]);
      expect(again.code).toBe(0);
      expect(again.events.filter((e) => e.type === "switch")).toEqual([]);
      expect(recapOf(again.events)["docker-200"]).toMatchObject({ changed: 0 });
    },
  );
});
