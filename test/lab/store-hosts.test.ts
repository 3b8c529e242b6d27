import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { cellsOf, doneBy, full, idle, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-store", 19, 3);
const [first, second, third] = lab.names as [string, string, string];
const overlay = "playbooks/overlay.ts";

/** A run that ends well: its steps, and how many pairs reached each other under their own addresses. */
async function fine(path: string, inventory: string) {
  const { events } = await lab.fine(path, [], inventory);
  return { steps: stepsOf(events), pairs: cellsOf(events).filter((c) => c.ok && c.sourcePreserved).length };
}

const start = new Map<string, string[]>();
const remember = async () => {
  for (const host of lab.names) start.set(host, await snapshot(lab, host));
};
const resetTo = async (inventory: string) => {
  await fine("playbooks/reset.ts", inventory);
  for (const host of lab.names)
    expect(differences(start.get(host) ?? [], await snapshot(lab, host)), host).toEqual([]);
};

describe.runIf(full).sequential("three hosts keep the store of an overlay network", () => {
  beforeAll(async () => {
    // Docker's second start shows a gateway of its default network that its first one did not.
    await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
    await remember();
  });

  test("consul, whose leader is lost: a run brings it back, and neither a switch nor a reset stops it too early", async () => {
    const inventory = lab.inventory({ groups: { consul: lab.names } });
    expect((await fine(overlay, inventory)).pairs).toBe(6);
    expect(await fine(overlay, inventory)).toEqual({ steps: [], pairs: 6 });
    const swapped = lab.inventory({
      hosts: [second, first, third],
      groups: { consul: [third, second, first] },
    });
    expect(doneBy(await lab.events(overlay, ["--no-verify"], swapped))).toEqual(idle(lab.names));
    const peers = await lab.must(first, "consul operator raft list-peers");
    expect(peers.match(/ true /g)).toHaveLength(3);
    const leader = lab.names.find((name) => new RegExp(`^${name} .* leader `, "m").test(peers)) ?? "";
    const [other = ""] = lab.names.filter((name) => name !== leader);

    await lab.must(leader, "systemctl stop consul");
    await expect
      .poll(async () => (await lab.on(other, "consul kv get -keys docker/nodes/")).code, { timeout: 60_000 })
      .toBe(0);
    const { steps, pairs } = await fine(overlay, inventory);
    expect(steps).toEqual([expect.stringMatching(`^${leader} unit consul.service`)]);
    expect(pairs).toBe(6);

    // It was down once: on no way back does it go down again before the network has left it.
    expect((await fine("playbooks/static-route.ts", inventory)).pairs).toBe(6);
    await fine("rollback", inventory);
    for (const host of lab.names) expect(await lab.must(host, "systemctl is-active consul")).toBe("active\n");
    expect(await fine(overlay, inventory)).toEqual({ steps: [], pairs: 6 });
    await resetTo(inventory);
  });

  test("etcd, whose first member is lost: all pairs, and a run brings it back", async () => {
    const inventory = lab.inventory({ vars: { overlay_store: "etcd" }, groups: { etcd: lab.names } });
    expect((await fine(overlay, inventory)).pairs).toBe(6);
    const swapped = lab.inventory({
      hosts: [third, second, first],
      vars: { overlay_store: "etcd" },
      groups: { etcd: [second, third, first] },
    });
    expect(doneBy(await lab.events(overlay, ["--no-verify"], swapped))).toEqual(idle(lab.names));
    await lab.must(first, "systemctl stop etcd");
    const { code, events } = await lab.events("playbooks/verify.ts", [], inventory);
    expect(cellsOf(events).flatMap((c) => c.cause ?? [])).toEqual([]);
    expect(code).toBe(0);

    const { steps, pairs } = await fine(overlay, inventory);
    expect(steps).toEqual([expect.stringMatching(`^${first} unit etcd.service`)]);
    expect(pairs).toBe(6);
    expect(await fine(overlay, inventory)).toEqual({ steps: [], pairs: 6 });
    await resetTo(inventory);
  });
});

describe.runIf(full).sequential("a host without Docker keeps the store, and nothing else", () => {
  beforeAll(async () => {
    await lab.must(third, "dpkg --purge --force-depends docker.io && ! command -v docker");
    await remember();
  });

  const flannel_binary = join(packageDir, "src/lab/flanneld-stand-in.sh");
  test.each<[string, string, string, Record<string, unknown>]>([
    ["consul of overlay", overlay, "consul", {}],
    ["etcd of overlay", overlay, "etcd", { overlay_store: "etcd" }],
    ["etcd of flannel", "playbooks/flannel.ts", "etcd", { flannel_binary, flannel_backend: "host-gw" }],
  ])("%s", async (_, playbook, store, vars) => {
    const inventory = lab.inventory({ vars, groups: { docker: [first, second], [store]: [third] } });
    expect((await fine(playbook, inventory)).pairs).toBe(2);
    expect(await lab.must(third, `systemctl is-active ${store}`)).toBe("active\n");
    for (const host of [first, second])
      expect((await lab.on(host, "systemctl is-active etcd")).stdout).toBe("inactive\n");
    expect(await fine(playbook, inventory)).toEqual({ steps: [], pairs: 2 });
    expect((await fine("playbooks/verify.ts", inventory)).pairs).toBe(2);
    await resetTo(inventory);
  });
});
