import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { execute, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-earlier", 29, 3);
const playbook = "playbooks/static-route.ts";

/** An earlier version's own checkout, where this names its folder; else its scheme in this version's words. */
const checkout = process.env.CAUSEWAY_TEST_EARLIER;

async function earlier(): Promise<void> {
  const args = ["-i", lab.inventory(), "--no-verify"];
  const { code, stdout, stderr } = checkout
    ? await execute([join(checkout, "run"), join(checkout, playbook), ...args], { cwd: lab.folder })
    : await lab.run(join(packageDir, "test/lab/playbooks/earlier.ts"), ["--no-verify"]);
  if (code !== 0) throw new Error(stdout + stderr);
}

/** Pings a container of another host from one of this, one after the other, until it is stopped; how many, and how many were lost. */
const pinging = (to: string) => `docker run -d --name pinging busybox sh -c '
n=0; lost=0
while [ ! -e /stop ]; do ping -c 1 -W 1 ${to} >/dev/null 2>&1 || lost=$((lost + 1)); n=$((n + 1)); done
echo $n $lost >/result; sleep 1000'`;
const pinged = `docker exec pinging touch /stop; sleep 2; docker exec pinging cat /result`;

describe.sequential("a fleet that an earlier version set up", () => {
  const start = new Map<string, string[]>();
  beforeAll(async () => {
    // Docker's second start shows a gateway of its default network that its first one did not.
    await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
    for (const host of lab.names) start.set(host, await snapshot(lab, host));
    await earlier();
  });

  test("is taken over by one run, of which no packet notices anything", async () => {
    for (const host of lab.names) await lab.must(host, "docker run -d --name far busybox sleep 1000");
    await lab.must("docker-200", pinging("192.168.200.2"));
    await lab.must("docker-201", pinging("192.168.210.2"));
    const { code, events, stderr } = await lab.events(playbook);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const steps = stepsOf(events).filter((step) => step.startsWith("docker-200 "));
    const gone = steps.filter((step) => step.endsWith(" → null"));
    // The routes are what they are to be.
    expect(steps.filter((step) => !gone.includes(step)).map((step) => step.replace(/ → .*/, ""))).toEqual([
      "docker-200 chain filter CAUSEWAY-FORWARD",
      "docker-200 chain nat CAUSEWAY-FORWARD",
      "docker-200 rule filter DOCKER-USER -j CAUSEWAY-FORWARD",
      "docker-200 rule nat POSTROUTING -j CAUSEWAY-FORWARD",
    ]);
    expect(gone).toHaveLength(2 * 3);
    for (const host of ["docker-200", "docker-201"]) {
      const [sent, lost] = (await lab.must(host, pinged)).trim().split(" ").map(Number);
      expect(sent).toBeGreaterThan(100);
      expect(lost).toBe(0);
    }
    const left = await lab.must("docker-200", "iptables-save | grep -c 'causeway:static-route'");
    expect(left.trim()).toBe("2");
  });

  test("has nothing to do in the next run", async () => {
    const { code, events } = await lab.events(playbook);
    expect(code).toBe(0);
    expect(stepsOf(events)).toEqual([]);
  });

  test("a route that is changed by hand is mended by a list of all, and a peer that leaves goes from it", async () => {
    await lab.must("docker-200", `ip route replace 192.168.210.0/24 via ${lab.net}.201 proto 202`);
    expect(stepsOf((await lab.events(playbook)).events)).toEqual([
      `docker-200 routes peers → 192.168.210.0/24 via ${lab.net}.202`,
    ]);
    await lab.must("docker-202", "docker rm -f far");
    const two = lab.inventory({ hosts: ["docker-200", "docker-201"] });
    const { code } = await lab.run(playbook, [], two);
    expect(code).toBe(0);
    expect(await lab.must("docker-200", "ip route show proto 202; sort -u /etc/causeway/routes/*")).toBe(
      `192.168.200.0/24 via ${lab.net}.201 dev host0 \n192.168.200.0/24 via ${lab.net}.201 proto 202\n`,
    );
    expect(stepsOf((await lab.events(playbook, [], two)).events)).toEqual([]);
    expect((await lab.run(playbook)).code).toBe(0);
  });

  test("is after a reset what it was before the earlier version", async () => {
    for (const host of lab.names) await lab.on(host, "docker rm -f far pinging");
    const { code, stdout, stderr } = await lab.run("playbooks/reset.ts");
    expect(code, stdout + stderr).toBe(0);
    for (const host of lab.names)
      expect(differences(start.get(host) ?? [], await snapshot(lab, host)), host).toEqual([]);
  });
});
