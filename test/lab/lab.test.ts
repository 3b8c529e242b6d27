import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endBuild } from "../../src/lab/image-docker.ts";
import {
  labDown,
  labPowerOff,
  labPowerOn,
  labReboot,
  labReset,
  labStatus,
  labUp,
} from "../../src/lab/index.ts";
import { labPaths } from "../../src/lab/paths.ts";
import { packageDir } from "../../src/package-dir.ts";
import { execute, inFull, TestLab } from "./support.ts";

const one = new TestLab("test-a", 4, 2);
const two = new TestLab("test-b", 5, 2);

beforeAll(async () => {
  await labDown(one.spec);
  await labDown(two.spec);
});
afterAll(async () => {
  await labDown(one.spec);
  await labDown(two.spec);
  for (const lab of [one, two]) rmSync(lab.folder, { recursive: true });
});

/** Everything on this machine that speaks of a lab of these tests; other labs may come and go meanwhile. */
async function traces(): Promise<string> {
  const [a, b] = [labPaths(one.spec.name), labPaths(two.spec.name)];
  const { stdout } = await execute([
    "sh",
    "-c",
    `grep -E '${a.folder}/|${b.folder}/|${a.netns}|${b.netns}' /proc/self/mounts
ip -o link | grep -oE '(${a.outer}|${b.outer})@'
ls /run/netns | grep -E '${a.netns}|${b.netns}'
find /sys/fs/cgroup -maxdepth 4 -path '*causeway-lab/*' | grep -E '/(${one.spec.name}|${two.spec.name})(/|$)'
ls /run/systemd/nspawn/propagate | grep -E '[.](${one.spec.name}|${two.spec.name})$'
ls -d ${a.folder} ${b.folder} 2>/dev/null
for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -E '${a.folder}/|${b.folder}/' | grep -v grep; done
true`,
  ]);
  return stdout;
}

describe.sequential("a lab", () => {
  test("down leaves no mount, interface, namespace, cgroup, folder or process behind", async () => {
    const before = await traces();
    await labUp(one.spec);
    const kinds = [
      /labs\/test-a.* overlay /,
      /o@/,
      /^causeway-/m,
      /cgroup\/.*test-a/,
      /keeper\.sh/,
      /^docker-200\.test-a/m,
      /nspawn/,
      /labs\/test-a.*$/m,
    ];
    const during = await traces();
    for (const kind of kinds) expect(during).toMatch(kind);
    await labDown(one.spec);
    expect(await traces()).toBe(before);
    await labDown(one.spec);
  });

  test("nor after a kill -9 in the middle of the boot; and up works from there, too", async () => {
    const before = await traces();
    for (const after of [0, 50, 400, 900]) {
      const script = join(one.folder, "up.mts");
      writeFileSync(
        script,
        `import { labUp } from "${packageDir}/src/lab/index.ts"; await labUp(${JSON.stringify(one.spec)});`,
      );
      const child = spawn(process.execPath, ["--import", "tsx", script], {
        cwd: packageDir,
        stdio: "ignore",
      });
      const keeper = join(labPaths(one.spec.name).hosts, "docker-200/keeper");
      for (let i = 0; i < 400 && !existsSync(keeper); i += 1) await sleep(10);
      await sleep(after);
      child.kill("SIGKILL");
      await labDown(one.spec);
      expect(await traces()).toBe(before);
    }
    await labUp(one.spec);
    expect((await labStatus(one.spec)).up).toBe(true);
  });

  test("reset gives a pristine disk to the hosts that are named; keys and machine-id stay", async () => {
    await Promise.all(one.names.map((h) => one.must(h, "touch /root/mark")));
    const identity = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub";
    const before = await one.must("docker-200", identity);
    await labReset(one.spec, ["docker-200"]);
    expect((await one.on("docker-200", "ls /root/mark")).code).not.toBe(0);
    expect((await one.on("docker-201", "ls /root/mark")).code).toBe(0);
    expect(await one.must("docker-200", identity)).toBe(before);
  });

  test("a reboot from inside keeps disk and machine-id, and is a new boot", async () => {
    const boot = await one.must("docker-201", "cat /proc/1/stat");
    await labReboot(one.spec, ["docker-201"]);
    expect(await one.must("docker-201", "ls /root/mark; cat /etc/machine-id")).toContain("/root/mark");
    expect(await one.must("docker-201", "cat /proc/1/stat")).not.toBe(boot);
  });

  test("off and on again, a host has the disk it had", async () => {
    await one.must("docker-201", "echo kept >/root/disk && sync");
    await labPowerOff(one.spec, ["docker-201"]);
    expect((await labStatus(one.spec)).hosts.map((h) => h.state)).toEqual(["up", "down"]);
    await labPowerOn(one.spec, ["docker-201"]);
    expect(await one.must("docker-201", "cat /root/disk")).toBe("kept\n");
  });

  test("Docker runs unconfigured, with busybox; apt has etcd and consul; there is no Python and no way out", async () => {
    // key.json is made by dockerd's first start.
    expect(
      await one.must(
        "docker-200",
        "docker images --format '{{.Repository}}'; ls /etc/docker 2>/dev/null | grep -v key.json; true",
      ),
    ).toBe("busybox\n");
    expect(await one.must("docker-200", "docker run --rm busybox echo ran")).toBe("ran\n");
    expect(await one.must("docker-200", "apt-cache policy etcd-server consul | grep Candidate")).toMatch(
      /3\.3\.25[\s\S]*1\.8\.7/,
    );
    expect((await one.on("docker-200", "command -v python3 python")).code).not.toBe(0);
    expect((await one.on("docker-200", "ping -c 1 -W 1 8.8.8.8")).code).not.toBe(0);
  });

  test("stopping Docker on one host does not touch the others", async () => {
    await one.must("docker-200", "systemctl stop docker.socket docker");
    expect(await one.must("docker-201", "systemctl is-active docker")).toBe("active\n");
    await one.must("docker-200", "systemctl start docker.socket docker");
  });

  test("run lab ssh gives a command's output and exit code", async () => {
    const inventory = one.inventory();
    const ssh = (...words: string[]) =>
      execute([join(packageDir, "run"), "lab", "ssh", "docker-201", "-i", inventory, "--", ...words]);
    expect(await ssh("sh", "-c", "hostname; exit 7")).toMatchObject({ code: 7, stdout: "docker-201\n" });
    expect(await ssh("hostname; exit 7")).toMatchObject({ code: 7, stdout: "docker-201\n" });
    expect(await ssh("echo", "a  b; c")).toMatchObject({ code: 0, stdout: "a  b; c\n" });
    const status = await execute([join(packageDir, "run"), "lab", "status", "-i", inventory]);
    expect(status).toMatchObject({ code: 0 });
    expect(status.stdout).toMatch(/docker-200 +10\.214\.4\.200 +up/);
  });

  // The files of a normal run are two such labs, too: two at a time.
  inFull("two labs with the same names and container subnets do not see each other", async () => {
    await labUp(two.spec);
    const [a, b] = await Promise.all([one, two].map((lab) => lab.run("playbooks/static-route.ts")));
    expect([a?.code, b?.code]).toEqual([0, 0]);
    await labDown(two.spec);
    expect((await one.run("playbooks/verify.ts")).code).toBe(0);
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(`labs/${two.spec.name}/`);
  });
});

test("what a killed build of an image left is ended, and its folder can go", async () => {
  const image = mkdtempSync(join(tmpdir(), "causeway-image-"));
  const root = join(image, "import/root");
  mkdirSync(root, { recursive: true });
  const netns = `causeway-image-${image.slice(tmpdir().length + 1)}`;
  const left = await execute(["sh", "-c", `mount -t tmpfs none ${root} && ip netns add ${netns}`]);
  expect(left).toMatchObject({ code: 0 });
  await endBuild(image);
  rmSync(image, { recursive: true });
  expect(existsSync(`/run/netns/${netns}`)).toBe(false);
  // Where nothing was built there is nothing to end.
  await endBuild(image);
});

test("a lab on a network that this machine already has is refused", async () => {
  const clash = new TestLab("test-b", 4, 1);
  await expect(labUp(clash.spec)).rejects.toMatchObject({
    code: "lab",
    message: expect.stringContaining("already in use"),
  });
  await labDown(clash.spec);
  rmSync(clash.folder, { recursive: true });
});
