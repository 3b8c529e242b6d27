import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { labReboot } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { cellsOf, doneBy, full, idle, inFull, type RunEventLike, type TestLab, useLab } from "./support.ts";

const flannel_binary = join(packageDir, "src/lab/flanneld-stand-in.sh");

/** A scheme's pairs that are proved, and what is seen of them on the wire. */
const schemes = [
  { scheme: "static-route", pairs: 2, seen: /^bare inner addresses$/ },
  { scheme: "flannel", pairs: 2, seen: /^UDP 8472 with the inner addresses inside$/ },
  // Two of them are kept apart, as they ought to be: a host and its own container.
  { scheme: "macvlan", pairs: 4, seen: /^the children's own MACs$/ },
  { scheme: "swarm", pairs: 2, seen: /^UDP 4789 with the inner addresses inside$/ },
  { scheme: "wireguard", pairs: 2, seen: /^UDP 51820 encrypted at both ends/ },
];

/** One path of every scheme that this Docker can run: what works in the article's Docker has to work in that of today. */
function throughAllSchemes(lab: TestLab, quick: readonly string[]) {
  const inventory = () => lab.inventory({ vars: { flannel_binary } });

  describe.each(schemes)("$scheme", ({ scheme, pairs, seen }) => {
    const inThis = quick.includes(scheme) ? test : inFull;
    const playbook = `playbooks/${scheme}.ts`;
    const fine = (path: string, args: readonly string[] = []) => lab.fine(path, args, inventory());
    const proved = (events: readonly RunEventLike[]) => cellsOf(events).filter(({ ok }) => ok);
    const hasNothingToDo = async () => {
      const again = await fine(playbook);
      expect(doneBy(again)).toEqual(idle(lab.names));
      expect(proved(again.events)).toHaveLength(pairs);
    };

    inThis(
      "all pairs with evidence, nothing to do in a second run, nor after a reboot, and a reset that leaves no trace",
      async () => {
        await Promise.all(lab.names.map((host) => lab.must(host, "systemctl restart docker")));
        const snapshots = () => Promise.all(lab.names.map((host) => snapshot(lab, host)));
        const before = await snapshots();
        const cells = proved((await fine(playbook, ["--evidence"])).events);
        expect(cells).toHaveLength(pairs);
        expect(cells.flatMap(({ from, to, evidence }) => (from === to ? [] : [evidence]))).toEqual(
          Array(2).fill({ ok: true, seen: expect.stringMatching(seen) }),
        );
        await hasNothingToDo();
        if (full) {
          await labReboot(lab.spec, lab.names);
          await hasNothingToDo();
        }
        await fine("playbooks/reset.ts");
        for (const [i, now] of (await snapshots()).entries())
          expect(differences(before[i] ?? [], now), lab.names[i]).toEqual([]);
      },
    );
  });

  inFull(
    "userns-remap and IPv6 of somebody's stay as they are, and each scheme works beside them",
    async () => {
      const settings = '{"userns-remap": "default", "ipv6": true, "fixed-cidr-v6": "fd00:30:1::/64"}';
      const config = "/etc/docker/daemon.json";
      // With it Docker has other images.
      const remap = `docker save -o /root/busybox.tar busybox && echo '${settings}' >${config}
systemctl reset-failed docker; systemctl restart docker && docker load -qi /root/busybox.tar && rm /root/busybox.tar`;
      await Promise.all(lab.names.map((host) => lab.must(host, remap)));
      for (const { scheme, pairs } of schemes) {
        const { code, events } = await lab.events(`playbooks/${scheme}.ts`, [], inventory());
        expect([scheme, code, cellsOf(events).filter(({ ok }) => ok).length]).toEqual([scheme, 0, pairs]);
      }
      expect((await lab.run("playbooks/reset.ts", [], inventory())).code).toBe(0);
      const back = `cat ${config}; rm ${config}; systemctl reset-failed docker; systemctl restart docker`;
      for (const host of lab.names) expect(await lab.must(host, back)).toBe(`${settings}\n`);
    },
  );

  inFull("overlay with a store is refused before the first step, with a way out", async () => {
    const before = await Promise.all(lab.names.map((host) => snapshot(lab, host)));
    for (const overlay_store of ["consul", "etcd"]) {
      const refused = await lab.run("playbooks/overlay.ts", [], lab.inventory({ vars: { overlay_store } }));
      expect(refused.stdout + refused.stderr).toMatch(
        /this Docker no longer supports a cluster store[\s\S]*use flannel[\s\S]*-i lab-2022/,
      );
      expect(refused.code).toBe(2);
    }
    for (const [i, host] of lab.names.entries())
      expect(differences(before[i] ?? [], await snapshot(lab, host)), host).toEqual([]);
  });
}

describe.sequential("Docker 28", () => {
  throughAllSchemes(useLab("test-docker28", 61, 2, "docker28"), ["static-route", "flannel"]);
});

describe.runIf(full).sequential("Docker 26, on cgroup v2", () => {
  throughAllSchemes(useLab("test-docker26", 62, 2, "trixie", 2), []);
});
