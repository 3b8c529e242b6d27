import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { cellsOf, execute, full, stepsOf, type TestLab, useLab } from "./support.ts";

/** The article's own pitfall is what the last scheme left behind: every ordered pair of these schemes, once. */
const walkOf = (schemes: readonly string[]) => [
  ...schemes.flatMap((one, index) => schemes.slice(index + 1).flatMap((other) => [one, other])),
  ...schemes.slice(0, 1),
];

const called: Record<string, string> = {
  "static-route": "static-route",
  flannel: "flannel (vxlan)",
  macvlan: "macvlan (macvlan_1)",
  overlay: "overlay (overlay_1)",
  swarm: "swarm (swarm_1)",
  wireguard: "wireguard (wg-causeway0)",
};

const flannel_binary = join(packageDir, "src/lab/flanneld-stand-in.sh");

function fromAnyToAnyOther(lab: TestLab, schemes: readonly string[]) {
  const walk = walkOf(schemes);
  const inventory = () => lab.inventory({ vars: { flannel_binary } });

  /** A run that ends well: its steps, the pairs that reached each other under their own addresses, and what was said. */
  async function run(playbook: string) {
    const { events } = await lab.fine(`playbooks/${playbook}.ts`, [], inventory());
    const between = cellsOf(events).filter((c) => c.from !== c.to);
    return {
      steps: stepsOf(events),
      proved: between.filter((c) => c.ok && c.sourcePreserved).length,
      said: events.filter((e) => e.type === "message" && e.level !== undefined).map((e) => e.text),
    };
  }

  const start = new Map<string, string[]>();
  beforeAll(async () => {
    // Docker's second start shows a gateway of its default network that its first one did not.
    await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
    for (const host of lab.names) start.set(host, await snapshot(lab, host));
  });

  test("before the first, verify says of each host that it runs none, and wakes no Docker", async () => {
    await lab.must("docker-201", "systemctl stop docker.service");
    const { code, stderr } = await lab.run("playbooks/verify.ts", [], inventory());
    expect(stderr).toMatch(
      /no host runs a scheme\n +found +docker-200: none\n +docker-201: none; Docker is stopped/,
    );
    expect(code).toBe(3);
    expect(await lab.must("docker-201", "systemctl is-active docker docker.socket || true")).toBe(
      "inactive\nactive\n",
    );
    await lab.must("docker-201", "systemctl start docker");
  });

  test.each(walk.map((to, i) => [i === 0 ? "nothing" : walk[i - 1], to] as const))(
    "from %s to %s: one run, all pairs; nothing to do in the second; and verify knows it",
    async (_from, to) => {
      const first = await run(to);
      expect(first.steps).not.toEqual([]);
      // What a switch undoes by itself is nobody's leftover.
      expect(first).toMatchObject({ proved: 2, said: [] });
      expect(await run(to)).toEqual({ steps: [], proved: 2, said: [] });
      expect(await run("verify")).toEqual({ steps: [], proved: 2, said: [`the hosts run ${called[to]}`] });
    },
  );

  test("a rollback of the last switch brings the scheme before it back", async () => {
    const last = walk.at(-2) ?? "";
    const { code, stdout, stderr } = await execute([join(packageDir, "run"), "rollback", "-i", inventory()], {
      cwd: lab.folder,
    });
    expect({ code, said: code === 0 ? "" : stdout + stderr }).toEqual({ code: 0, said: "" });
    expect(await run("verify")).toMatchObject({ proved: 2, said: [`the hosts run ${called[last]}`] });
    expect(await run(last)).toMatchObject({ steps: [], proved: 2 });
  });

  test("reset leaves the hosts as they were", async () => {
    expect((await lab.run("playbooks/reset.ts", [], inventory())).code).toBe(0);
    for (const host of lab.names)
      expect(differences(start.get(host) ?? [], await snapshot(lab, host)), host).toEqual([]);
  });
}

describe.runIf(full).sequential("from any scheme of the article to any other", () => {
  fromAnyToAnyOther(useLab("test-switch", 16, 2), ["static-route", "flannel", "macvlan", "overlay", "swarm"]);
});

describe.runIf(full).sequential("from any scheme to any other on Docker 28", () => {
  fromAnyToAnyOther(useLab("test-switch-28", 73, 2, "docker28"), [
    "static-route",
    "flannel",
    "macvlan",
    "swarm",
    "wireguard",
  ]);
});
