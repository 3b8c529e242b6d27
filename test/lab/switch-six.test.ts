import { beforeAll, describe, expect } from "vitest";
import { cutOff, cutOffArgs, expectOnTime, isOff, since, snapshots, started, until } from "./cut-off.ts";
import { full, inFull, useLab } from "./support.ts";

const lab = useLab("test-timer-six", 58, 6);
const seconds = 10;

describe.runIf(full)("six hosts", () => {
  beforeAll(async () => {
    // Docker's second start shows a gateway of its default network that its first one did not.
    await Promise.all(lab.names.map((host) => lab.must(host, "systemctl restart docker")));
  });

  inFull("are all armed when the runner is killed: all go back, by themselves", async () => {
    const before = await snapshots(lab);
    const slow = new Set<string>();
    await lab.follow(cutOff, cutOffArgs(lab, "slow", seconds), (event, send) => {
      if (started("slow")(event)) slow.add(String(event.host));
      if (slow.size === lab.names.length) send("SIGKILL");
    });
    for (const host of lab.names) expect(await isOff(lab, [host]), host).toBe(false);
    await until(() => isOff(lab));
    await expectOnTime(lab, "killed", seconds);
    expect(await since(lab, before)).toEqual([]);
  });
});
