import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { imageFolder } from "../../src/lab/image.ts";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { execute, full, inFull, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-sources", 12, 2);
const playbook = join(packageDir, "test/lab/playbooks/sources.ts");

/** etcd as a .tar.gz that the second host serves to the first, which has no other way out. */
const etcd = { url: `http://${lab.net}.201:8092/etcd-v3.3.25.tar.gz`, sha256: "" };
/** consul as a .zip that only this machine reaches. */
const consul = { url: "", sha256: "", zip: new Uint8Array(), downloads: 0 };
const server = createServer((_request, response) => {
  consul.downloads += 1;
  response.end(consul.zip);
});

const start = new Map<string, string[]>();

beforeAll(async () => {
  await lab.must(
    "docker-201",
    `mkdir -p /srv/www/etcd-v3.3.25 && cd /srv/www
for deb in /srv/packages/etcd-*.deb; do dpkg-deb -x "$deb" /srv/unpacked; done
mv /srv/unpacked/usr/bin/etcd /srv/unpacked/usr/bin/etcdctl etcd-v3.3.25 && tar -czf etcd-v3.3.25.tar.gz etcd-v3.3.25
busybox httpd -p 8092 -h /srv/www`,
  );
  etcd.sha256 = (await lab.must("docker-201", "sha256sum </srv/www/etcd-v3.3.25.tar.gz")).slice(0, 64);
  const debs = join(await imageFolder(lab.spec), "root/srv/packages");
  await execute(["sh", "-c", `dpkg-deb -x ${debs}/consul_*.deb ${lab.folder}`]);
  consul.zip = zipSync({ consul: readFileSync(join(lab.folder, "usr/bin/consul")) }, { level: 1 });
  consul.sha256 = createHash("sha256").update(consul.zip).digest("hex");
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  consul.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/consul_1.8.7.zip`;
  for (const host of lab.names) start.set(host, await snapshot(lab, host));
});
afterAll(() => {
  server.close();
  for (const sum of [consul.sha256, "0".repeat(64)])
    rmSync(join(packageDir, ".cache/archives", sum), { recursive: true, force: true });
});

function inventory(over: Record<string, string> = {}) {
  const vars = {
    etcd_url: etcd.url,
    etcd_sha256: etcd.sha256,
    consul_url: consul.url,
    consul_sha256: consul.sha256,
    consul_fetch: "controller",
  };
  return lab.inventory({ vars: { ...vars, ...over } });
}

async function fine(args: readonly string[] = []): Promise<string[]> {
  const { code, events, stderr } = await lab.events(playbook, args, inventory());
  if (code !== 0) throw new Error(JSON.stringify(events.filter((e) => e.error)) + stderr);
  return stepsOf(events, args.includes("--check")).map((words) => words.replace(/ →.*/, ""));
}

async function unchanged() {
  for (const host of lab.names)
    expect(differences(start.get(host) ?? [], await snapshot(lab, host)), host).toEqual([]);
}

describe.runIf(full).sequential("etcd and consul out of archives", { timeout: 300_000 }, () => {
  test("an address without its checksum is refused before any connection", async () => {
    const given = lab.inventory({ vars: { etcd_url: etcd.url } });
    const { code, stdout, stderr } = await lab.run(playbook, [], given);
    expect(stdout + stderr).toMatch(/etcd_url is given without etcd_sha256/);
    expect(stdout + stderr).not.toMatch(/connect/i);
    expect(code).toBe(6);
  });

  test("a check downloads nothing", async () => {
    expect(await fine(["--check"])).toContain("docker-201 file /usr/local/bin/consul");
    expect(consul.downloads).toBe(0);
    expect(await lab.must("docker-200", "ls /var/lib/causeway 2>/dev/null || true")).toBe("");
  });

  test("another checksum: refused by whoever fetched it, with what was found, and no host is changed", async () => {
    const none = "0".repeat(64);
    const wrong = inventory({ etcd_sha256: none, consul_sha256: none });
    const { code, stdout, stderr } = await lab.run(playbook, [], wrong);
    expect(stdout + stderr).toContain(`found    sha256 ${etcd.sha256}`);
    expect(stdout + stderr).toContain(`expected sha256 ${none}`);
    expect(stdout + stderr).toContain(`found     sha256 ${consul.sha256}`);
    expect(code).toBe(2);
    await unchanged();
  });

  test("installed with units and users of their own, proved; a second run has nothing to do", async () => {
    consul.downloads = 0;
    const steps = await fine();
    for (const what of [
      "file /usr/local/bin/etcd",
      "user etcd",
      "etcd key /causeway/etcd-install/docker-200",
    ])
      expect(steps).toContain(`docker-200 ${what}`);
    expect(consul.downloads).toBe(1);
    const proof = await lab.must(
      "docker-200",
      `stat -c '%a %U:%G' /usr/local/bin/etcd; systemctl show -p User --value etcd consul | grep .
ETCDCTL_API=3 etcdctl get --print-value-only /causeway/etcd-install/docker-200
consul members -status=alive | grep -c alive; ls /var/lib/causeway | grep parked || true`,
    );
    expect(proof).toBe("755 root:root\netcd\nconsul\nwritten and read by causeway\n2\n");
    expect(await fine()).toEqual([]);
  });

  test("a program that was replaced by hand is found, put right, and its daemon restarted", async () => {
    const before = await lab.must(
      "docker-200",
      "sha256sum /usr/local/bin/etcd; systemctl show -p MainPID etcd",
    );
    await lab.must(
      "docker-200",
      // Another one that works, as by somebody who updated it.
      "cp /usr/local/bin/etcd /tmp/etcd; echo >>/tmp/etcd; mv /tmp/etcd /usr/local/bin/etcd",
    );
    expect(await fine()).toEqual([
      "docker-200 file /usr/local/bin/etcd",
      "docker-200 file /usr/local/lib/causeway/etcd.source",
    ]);
    const after = await lab.must(
      "docker-200",
      "sha256sum /usr/local/bin/etcd; systemctl show -p MainPID etcd",
    );
    expect(after.split("\n")[0]).toBe(before.split("\n")[0]);
    expect(after.split("\n")[1]).not.toBe(before.split("\n")[1]);
    expect(await fine()).toEqual([]);
  });

  test("reset takes programs, units, users, data and notes away", async () => {
    // Somebody's own program was in between: only force takes both back.
    const { code, stdout, stderr } = await lab.run("playbooks/reset.ts", ["--force"], inventory());
    expect(stdout + stderr).toMatch(/usr.local.bin.consul/);
    expect(code).toBe(0);
    await unchanged();
  });

  inFull(
    "programs that are there already get a unit and a user, and stay when all is taken back",
    async () => {
      await lab.must(
        "docker-200",
        `cd /usr/local/bin && curl -fsS ${etcd.url} | tar -xzf - --strip-components 1 && chown root:root etcd etcdctl`,
      );
      const there = await snapshot(lab, "docker-200");
      const given = lab.inventory({
        hosts: ["docker-200"],
        vars: { consul_url: consul.url, consul_sha256: consul.sha256, consul_fetch: "controller" },
      });
      const { code, events } = await lab.events(playbook, [], given);
      expect(code).toBe(0);
      expect(stepsOf(events).join("\n")).not.toMatch(/package|bin.etcd/);
      expect(await lab.must("docker-200", "systemctl show -p ExecStart etcd")).toContain(
        "/usr/local/bin/etcd",
      );
      expect((await lab.run("playbooks/reset.ts", [], given)).code).toBe(0);
      expect(differences(there, await snapshot(lab, "docker-200"))).toEqual([]);
    },
  );
});
