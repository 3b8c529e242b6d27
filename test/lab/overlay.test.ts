import { beforeAll, describe, expect, test } from "vitest";
import { labReboot } from "../../src/lab/index.ts";
import { differences, snapshot } from "./snapshot.ts";
import { cellsOf, stepsOf, useLab } from "./support.ts";

/** The longer ones belong to `npm run test:full`. */
const inFull = test.runIf(process.env.CAUSEWAY_TEST_FULL !== undefined);

const lab = useLab("test-overlay", 8, 3);
const playbook = "playbooks/overlay.ts";
const gossipKey = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s=";
const inventory = () => lab.inventory({ vars: { consul_gossip_key: gossipKey } });

/** A run that ends well: its steps, and how many pairs reached each other under their own addresses. */
async function fine(args: readonly string[] = []) {
  const { code, events, stderr } = await lab.events(playbook, args, inventory());
  if (code !== 0) throw new Error(JSON.stringify(events.filter((e) => e.error ?? e.matrix)) + stderr);
  return { steps: stepsOf(events), pairs: cellsOf(events).filter((c) => c.ok && c.sourcePreserved).length };
}

/** The same before and after, whatever a refused run said. */
async function refused(prepare: string, message: RegExp, clean: string) {
  await lab.must("docker-201", prepare);
  const before = await Promise.all(lab.names.map((h) => snapshot(lab, h)));
  const { code, stdout, stderr } = await lab.run(playbook, [], inventory());
  expect(stdout + stderr).toMatch(message);
  expect(code).toBe(2);
  const after = await Promise.all(lab.names.map((h) => snapshot(lab, h)));
  for (const [i, host] of lab.names.entries())
    expect(differences(before[i] ?? [], after[i] ?? []), host).toEqual([]);
  await lab.must("docker-201", clean);
}

describe.sequential("overlay", () => {
  const start = new Map<string, string[]>();
  beforeAll(async () => {
    // Docker's second start shows a gateway of its default network that its first one did not.
    await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
    for (const host of lab.names) start.set(host, await snapshot(lab, host));
  });

  test("a Docker without consul's backend is refused, and no host is touched", async () => {
    // The same file, but for the package's name in it: what a Docker built without it looks like from outside.
    await refused(
      "sed 's,libkv/store/consul,libkv/store/absent,g' /usr/sbin/dockerd >/tmp/dockerd && chmod 755 /tmp/dockerd && mount --bind /tmp/dockerd /usr/sbin/dockerd",
      /built without the consul backend/,
      "umount /usr/sbin/dockerd; rm /tmp/dockerd",
    );
  });

  test("a fresh lab: all pairs reach each other, every Docker is in the store, the gossip key is nowhere", async () => {
    const { code, stdout, stderr } = await lab.run(playbook, ["--diff"], inventory());
    expect(stdout + stderr).not.toContain(gossipKey);
    expect(code).toBe(0);
    expect(stdout).toContain("source preserved: 6/6");
    const nodes = await lab.must("docker-202", "consul kv get -keys docker/nodes/");
    for (const n of [200, 201, 202]) expect(nodes).toContain(`docker/nodes/${lab.net}.${n}:2375`);
    expect(await lab.must("docker-200", "stat -c '%a %U:%G' /etc/consul.d/causeway.json")).toBe(
      "640 root:consul\n",
    );
    expect(await lab.must("docker-200", "ss -Hltn 'sport = :2375 or sport = :8500' | awk '{print $4}'")).toBe(
      "127.0.0.1:8500\n",
    );
    expect(await fine()).toEqual({ steps: [], pairs: 6 });
  });

  test("it stands after all hosts reboot at once", async () => {
    await labReboot(lab.spec, lab.names);
    expect(await fine()).toEqual({ steps: [], pairs: 6 });
  });

  inFull("it stands after a restart of Docker on one host, and of consul on its server", async () => {
    await lab.must("docker-201", "systemctl restart docker");
    await lab.must("docker-200", "systemctl restart consul");
    expect(await fine()).toEqual({ steps: [], pairs: 6 });
  });

  inFull("another subnet: the network is made anew", async () => {
    expect((await fine(["-e", "overlay_subnet=10.0.3.0/24"])).steps).toContainEqual(
      expect.stringContaining("subnet 10.0.3.0/24"),
    );
    expect((await fine()).pairs).toBe(6);
  });

  test("another gossip key is refused: a consul with data keeps its old one", async () => {
    const other = lab.inventory({
      vars: { consul_gossip_key: "cg8StVXbQJ0gPvMd9o7yrg==" },
    });
    const { code, stdout, stderr } = await lab.run(playbook, ["--no-verify"], other);
    expect(stdout + stderr).toMatch(/the gossip key changed/);
    expect(stdout + stderr).not.toContain("cg8StVXbQJ0gPvMd9o7yrg==");
    expect(code).toBe(2);
    expect(await fine()).toEqual({ steps: [], pairs: 6 });
  });

  test("reset leaves the hosts as they were", async () => {
    expect((await lab.run("playbooks/reset.ts", [], inventory())).code).toBe(0);
    for (const host of lab.names)
      expect(differences(start.get(host) ?? [], await snapshot(lab, host)), host).toEqual([]);
  });
});
