import { describe, expect, test } from "vitest";
import { differences, snapshot } from "./snapshot.ts";
import { cellsOf, full, stepsOf, useLab } from "./support.ts";

/** bookworm's Docker 20.10.24 has no consul backend, and etcd's; the image takes a minute to build: in test:full only. */
describe.runIf(full).sequential("overlay on bookworm", () => {
  const lab = useLab("test-overlay-bookworm", 14, 2, "bookworm");
  const playbook = "playbooks/overlay.ts";
  const snapshots = () => Promise.all(lab.names.map((h) => snapshot(lab, h)));

  test("consul is refused with the way out, and no host is touched; with etcd all pairs reach each other", async () => {
    await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
    const before = await snapshots();
    const unchanged = async () => {
      for (const [i, now] of (await snapshots()).entries())
        expect(differences(before[i] ?? [], now), lab.names[i]).toEqual([]);
    };
    const { code, stdout, stderr } = await lab.run(playbook);
    expect(stdout + stderr).toMatch(/built without the consul backend[\s\S]*overlay_store=etcd/);
    expect(code).toBe(2);
    await unchanged();

    const etcd = lab.inventory({ vars: { overlay_store: "etcd" } });
    for (const round of [1, 2]) {
      const { code, events } = await lab.events(playbook, [], etcd);
      expect(code).toBe(0);
      expect(cellsOf(events).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(2);
      if (round === 2) expect(stepsOf(events)).toEqual([]);
    }
    const nodes = await lab.must("docker-200", "ETCDCTL_API=2 etcdctl ls /docker/nodes");
    for (const n of [200, 201]) expect(nodes).toContain(`/docker/nodes/${lab.net}.${n}:2375`);

    await lab.must("docker-200", "systemctl stop etcd");
    const stopped = await lab.run("playbooks/reset.ts", [], etcd);
    expect(stopped.stdout + stopped.stderr).toMatch(/store etcd:\/\/\S+ does not answer/);
    expect(stopped.code).toBe(2);
    await lab.must("docker-200", "systemctl start etcd");
    expect((await lab.run("playbooks/reset.ts", [], etcd)).code).toBe(0);
    await unchanged();
  });
});
