import { describe, expect, test } from "vitest";
import { inFull, useLab } from "./support.ts";

const lab = useLab("test-place", 24, 2);
const playbook = "playbooks/static-route.ts";
const dns = "198.51.100.53";

describe.sequential("what a host needs, and how it was found", () => {
  test("a network for containers over its DNS server or its way back is refused in every scheme", async () => {
    await lab.must("docker-200", `echo nameserver ${dns} >/etc/resolv.conf`);
    const over = `198.51.100.0/24`;
    const own = lab.inventory({ of: { "docker-201": { bip: "198.51.100.1/24" } } });
    const words: [string, string[], string | undefined, RegExp][] = [
      [
        "static-route",
        [],
        own,
        /^\S+:\d+:\d+ docker-200: bip 198\.51\.100\.1\/24 contains an address that docker-200 needs: the DNS server$/m,
      ],
      [
        "flannel",
        ["-e", `flannel_network=${over} flannel_subnet_len=27`],
        undefined,
        /^-e:1:1 docker-200: flannel_network \S+ contains an address that docker-200 needs: the DNS/m,
      ],
      [
        "overlay",
        ["-e", `overlay_subnet=${over}`],
        undefined,
        /^-e:1:1 docker-200: overlay_subnet \S+ contains an address that docker-200 needs: the DNS/m,
      ],
      [
        "macvlan",
        ["-e", `macvlan_subnet=${over}`],
        undefined,
        /a container of docker-200 could get the address of the DNS server/,
      ],
    ];
    for (const [scheme, args, inventory, text] of words) {
      const { code, stderr } = await lab.run(`playbooks/${scheme}.ts`, ["--check", ...args], inventory);
      expect(stderr, scheme).toMatch(text);
      expect(stderr, scheme).toContain(dns);
      expect(code, scheme).toBe(2);
    }
    // What macvlan's error advises is enough.
    const aux = ["-e", `{"macvlan_subnet": "${over}", "macvlan_aux": {"reserved": "${dns}"}}`];
    const reserved = await lab.run("playbooks/macvlan.ts", ["--check", ...aux]);
    expect(reserved.code, reserved.stderr).toBe(0);
  });

  inFull("also behind sudo the way back to the runner is known", async () => {
    const over = { of: { "docker-201": { bip: `${lab.net}.2/26` } } };
    for (const vars of [{}, { ansible_user: "ops-nopass", ansible_become: true }]) {
      const { code, stderr } = await lab.run(playbook, ["--check"], lab.inventory({ ...over, vars }));
      expect(stderr).toMatch(
        /contains an address that docker-200 needs: the machine from which this run connects/,
      );
      expect(stderr).toContain(`${lab.net}.1 is in `);
      expect(code).toBe(2);
    }
  });

  inFull("a byte order mark in daemon.json is named, and the advice mends it", async () => {
    await lab.must(
      "docker-200",
      `mkdir -p /etc/docker; printf '\\357\\273\\277{"debug": true}\\n' >/etc/docker/daemon.json`,
    );
    const { code, stderr } = await lab.run(playbook, ["--check"]);
    expect(stderr).toMatch(/daemon\.json:1:1 docker-200.*begins with a byte order mark/);
    expect(code).toBe(2);
    const [, advice = ""] = /^ +do +(sed .*)$/m.exec(stderr) ?? [];
    await lab.must("docker-200", advice);
    expect(await lab.must("docker-200", "cat /etc/docker/daemon.json")).toBe('{"debug": true}\n');
    const mended = await lab.run(playbook, ["--check"]);
    expect(mended.code, mended.stdout).toBe(0);
  });

  inFull("a Docker that did not run before is named where a run starts it", async () => {
    await lab.must("docker-201", "systemctl stop docker.socket docker.service");
    for (const args of [["--check"], []]) {
      const { code, stdout, stderr } = await lab.run(playbook, args);
      expect(stdout).toMatch(
        /^docker-201 +warning: Docker does not run here; a run that changes .* starts it$/m,
      );
      expect(stdout).not.toMatch(/^docker-200 +warning/m);
      expect(code, stderr + stdout).toBe(0);
    }
    expect(await lab.must("docker-201", "systemctl is-active docker")).toBe("active\n");
    expect((await lab.run(playbook, ["--check"])).stdout).not.toContain("does not run here");
  });
});
