import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectSsh } from "../../src/host/ssh.ts";
import { HostReader, ReadMemory } from "../../src/host/reader.ts";
import type { Session } from "../../src/host/session.ts";
import { rawScript, Secret, sh } from "../../src/host/sh.ts";
import { labConnection } from "../../src/lab/index.ts";
import { hostLibrary } from "../../src/run/host-library.ts";
import { performScript } from "../../src/run/perform-script.ts";
import { step } from "../../src/task/kinds/index.ts";
import type { Step } from "../../src/task/step.ts";
import { differences, snapshot } from "./snapshot.ts";
import { useLab } from "./support.ts";

const lab = useLab("test-kinds", 2, 1);
const host = "docker-200";
let session: Session;
let runs = 0;

beforeAll(async () => {
  const { privateKeyFile, knownHostsFile } = labConnection(lab.spec);
  const address = lab.spec.hosts[0]?.address ?? "";
  session = await connectSsh(
    { name: host, kind: "ssh", address, user: "root", become: false, privateKeyFile, knownHostsFiles: [knownHostsFile] },
    { hostKeyChecking: "strict", connectTimeoutMs: 10_000, commandTimeoutMs: 120_000, sshConfigFile: "none" },
  );
});
afterAll(() => session.close());

const reader = () => new HostReader(new ReadMemory(session));
const nextRun = () => `20260101T00000${runs}Z-${String(++runs).padStart(4, "0")}`;

/** Performs steps as the engine does; gives the code, what was said, and the journal's paths of the steps. */
async function perform(steps: readonly Step[]) {
  const run = nextRun();
  const head = (await session.run("cat /var/lib/causeway/head 2>/dev/null")).stdout.trim();
  const actions = steps.map((one, i) => ({
    n: String(i + 1).padStart(4, "0"),
    identity: { owner: "test", task: "test", key: String(i), play: 0 },
    step: one,
  }));
  const script = performScript({ run, head, who: "test", runRecord: `{"id":"${run}"}`, actions, consequences: [] });
  const result = await session.run(`${script.text}\ncode=$?\ncw_unlock\nexit $code`);
  await session.run(`. /var/lib/causeway/lib-${hostLibrary().hash}.sh; cw_unlock`);
  return { ...result, entries: actions.map((a) => `${run}/${a.n}`) };
}

function undo(entries: readonly string[]) {
  const calls = [...entries].reverse().map((e) => `cw_undo "$CW/runs/${e}" || exit 1`);
  return session.run(`. /var/lib/causeway/lib-${hostLibrary().hash}.sh\n${calls.join("\n")}`);
}

const on = (script: string) => lab.must(host, script);

/** Per kind: what the host has before, and the steps that are planned against it. */
const kinds: [string, string, () => Promise<Step[]> | Step[]][] = [
  ["file: a new one in a new folder", "", async () => [step.file({ was: await reader().file("/opt/a/b/c.conf"), content: "x\n" })]],
  [
    "file: another content, with its mode and owner",
    "printf 'old\\n' >/etc/cw-a; chmod 640 /etc/cw-a; chown ops:ops /etc/cw-a",
    async () => [step.file({ was: await reader().file("/etc/cw-a"), content: "it's new\n", mode: "600", owner: "root:root" })],
  ],
  ["file: taken away", "printf 'no newline' >/etc/cw-b", async () => [step.file({ was: await reader().file("/etc/cw-b"), content: null })]],
  [
    "file: through a symbolic link, which stays one",
    "echo old >/etc/cw-target; ln -sf cw-target /etc/cw-link",
    async () => [step.file({ was: await reader().file("/etc/cw-link"), content: "new\n" })],
  ],
  ["file: a secret", "", async () => [step.file({ was: await reader().file("/etc/cw-secret"), content: new Secret("hunter2\n"), mode: "600" })]],
  ["file: a mount of its own", "echo old >/etc/cw-m; mount --bind /etc/cw-m /etc/cw-m", async () => [step.file({ was: await reader().file("/etc/cw-m"), content: "new\n" })]],
  [
    "json: keys beside those of its owner",
    `printf '{\\n\\t"debug": true,\\n\\t"bip": "1.1.1.1/24"\\n}' >/etc/cw-json`,
    async () => [step.jsonKeys({ was: await reader().file("/etc/cw-json"), keys: { bip: "10.1.0.1/24", mtu: 1400 } })],
  ],
  ["json: a new file", "", async () => [step.jsonKeys({ was: await reader().file("/etc/cw-new.json"), keys: { a: 1 } })]],
  ["package", "", () => [step.packages({ names: ["etcd-client"] })]],
  ["package: a daemon, which is not started", "", () => [step.packages({ names: ["etcd-server"] })]],
  ["unit: stopped and disabled", "systemctl enable -q --now cron 2>/dev/null; true", () => [step.unit({ name: "dbus.socket", active: true, was: "active" }), step.unit({ name: "containerd.service", enabled: false, was: "enabled" })]],
  ["route: a new one", "", () => [step.route({ to: "10.99.0.0/24", via: "10.214.2.1" })]],
  ["route: another next hop", "ip route add 10.98.0.0/24 via 10.214.2.1 metric 5", () => [step.route({ to: "10.98.0.0/24", via: "10.214.2.1" })]],
  ["route: taken away", "ip route add 10.97.0.0/24 via 10.214.2.1 proto 9", () => [step.noRoute({ to: "10.97.0.0/24", was: "x" })]],
  [
    "rule: new, with a blank in its comment",
    "",
    () => [step.rule({ table: "filter", chain: "DOCKER-USER", spec: "-s 10.9.0.0/16 -j ACCEPT", comment: "it's ours", place: "first" })],
  ],
  ["rule: taken away", "iptables -A FORWARD -s 10.8.0.0/16 -j ACCEPT", () => [step.noRule({ table: "filter", chain: "FORWARD", spec: "-s 10.8.0.0/16 -j ACCEPT" })]],
  ["sysctl", "echo 2 >/proc/sys/net/ipv4/conf/all/rp_filter", () => [step.sysctl({ key: "net.ipv4.conf.all.rp_filter", value: 0 })]],
  ["link", "", () => [step.link({ name: "cw0", make: sh`ip link add cw0 type bridge && ip addr add 10.96.0.1/24 dev cw0 && ip link set cw0 up`, to: "bridge" })]],
  ["network: new", "", () => [step.dockerNetwork({ name: "cw-net", driver: "bridge", subnet: "10.95.0.0/24", labels: { a: "b c" } })]],
  [
    "network: made anew, its containers with their addresses",
    "docker network create --subnet 10.94.0.0/24 cw-old && docker run -d --name cw-c --network cw-old --ip 10.94.0.77 busybox sleep 1000 && docker create --name cw-s --network cw-old --ip 10.94.0.78 busybox true",
    () => [step.dockerNetwork({ name: "cw-old", driver: "bridge", subnet: "10.94.0.0/24", gateway: "10.94.0.200" })],
  ],
  [
    "network: taken away, its containers with their addresses",
    "docker network create --subnet 10.93.0.0/24 cw-go && docker run -d --name cw-d --network cw-go --ip 10.93.0.9 busybox sleep 1000",
    () => [step.noDockerNetwork({ name: "cw-go", was: "x" })],
  ],
  ["run", "", () => [step.run({ what: "a mark", to: "there", do: sh`touch /opt/mark`, done: sh`[ -e /opt/mark ]`, undo: sh`rm -f /opt/mark` })]],
];

describe.sequential("performed and undone, a host is what it was", () => {
  test.each(kinds)("%s", async (_name, before, plan) => {
    if (before) await on(before);
    const start = await snapshot(lab, host);
    const steps = await plan();
    const { code, stdout, stderr, entries } = await perform(steps);
    expect({ code, stdout: stdout.replaceAll(/@cw (start|done) \d+\n/g, ""), stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
    if (!_name.startsWith("unit")) expect(differences(start, await snapshot(lab, host))).not.toEqual([]);
    expect(await undo(entries)).toMatchObject({ code: 0 });
    expect(differences(start, await snapshot(lab, host))).toEqual([]);
    // Twice is fine.
    expect(await undo(entries)).toMatchObject({ code: 0 });
    expect(differences(start, await snapshot(lab, host))).toEqual([]);
  });

  test.each(kinds.filter(([name]) => /new|^package$|^unit|^link|^run|^sysctl/.test(name)))(
    "undone when it was only intended: %s",
    async (_name, _before, plan) => {
      const start = await snapshot(lab, host);
      const steps = (await plan()).map((one) => ({ ...one, perform: rawScript("exit 9") }));
      const { code, entries } = await perform(steps);
      expect(code).toBe(71);
      expect(await undo(entries)).toMatchObject({ code: 0 });
      expect(differences(start, await snapshot(lab, host))).toEqual([]);
    },
  );
});

describe.sequential("a file is written whole or not at all", () => {
  test("not over a file that changed since it was read", async () => {
    await on("echo planned-against >/etc/cw-swap");
    const was = await reader().file("/etc/cw-swap");
    await on("echo somebody-else >/etc/cw-swap");
    const { code, stdout } = await perform([step.file({ was, content: "ours\n" })]);
    expect(code).toBe(71);
    expect(stdout).toContain("changed between the plan and now");
    expect(await on("cat /etc/cw-swap")).toBe("somebody-else\n");
  });

  test("not on a full disk: the old content stays, the error is clear, nothing is left beside it", async () => {
    await on("mkdir -p /mnt/full && mount -t tmpfs -o size=64k tmpfs /mnt/full && echo old >/mnt/full/f");
    const was = await reader().file("/mnt/full/f");
    const { code, stdout, entries } = await perform([step.file({ was, content: "x".repeat(200_000) })]);
    expect(code).toBe(71);
    expect(stdout).toMatch(/No space left on device/i);
    expect(await on("cat /mnt/full/f; ls -A /mnt/full")).toBe("old\nf\n");
    expect(await undo(entries)).toMatchObject({ code: 0 });
    expect(await on("cat /mnt/full/f")).toBe("old\n");
    await on("umount /mnt/full");
  });

  test("its temporary file is nobody else's to read", async () => {
    const was = await reader().file("/etc/cw-mode");
    const watched = { ...step.file({ was, content: "x\n", mode: "644" }) };
    const script = `umask 000; strace() { :; }; ${watched.perform.text}; stat -c %a /etc/cw-mode`;
    const { code } = await perform([{ ...watched, perform: rawScript(script) }]);
    expect(code).toBe(0);
    expect(await on("stat -c %a /etc/cw-mode; rm /etc/cw-mode")).toBe("644\n");
  });

  test("a secret is in no entry of the journal but the bytes that undo needs", async () => {
    await on("printf 'old-hunter' >/etc/cw-s2; chmod 600 /etc/cw-s2");
    const was = await reader().file("/etc/cw-s2");
    const { entries } = await perform([step.file({ was, content: new Secret("new-hunter") })]);
    expect(await on("grep -rl new-hunter /var/lib/causeway || true")).toBe("");
    expect(await on(`grep -rl old-hunter /var/lib/causeway; stat -c %a /var/lib/causeway/runs/${entries[0]}.before`)).toBe(
      `/var/lib/causeway/runs/${entries[0]}.before\n600\n`,
    );
  });
});

describe.sequential("the snapshot notices", () => {
  test.each([
    ["one byte", "printf x >/etc/cw-byte", "printf y >/etc/cw-byte"],
    ["a mode", "chmod 644 /etc/cw-byte", "chmod 600 /etc/cw-byte"],
    ["an owner", "true", "chown ops /etc/cw-byte"],
    ["a rule", "true", "iptables -t nat -A POSTROUTING -s 10.1.1.1 -j ACCEPT"],
    ["a route", "true", "ip route add 10.88.0.0/24 via 10.214.2.1"],
    ["an address", "true", "ip addr add 10.87.0.1/24 dev docker0"],
    ["a link", "true", "ip link add cw9 type bridge"],
    ["a unit", "true", "systemctl stop ssh.service"],
    ["a disabled unit", "true", "systemctl disable -q ssh.service"],
    ["a package", "true", "dpkg --purge busybox-static"],
    ["a sysctl", "true", "echo 0 >/proc/sys/net/ipv4/ip_forward"],
    ["a network", "true", "docker network create seen"],
    ["a container", "true", "docker create --name seen busybox true"],
  ])("%s", async (_name, before, change) => {
    await on(before);
    const start = await snapshot(lab, host);
    expect(differences(start, await snapshot(lab, host))).toEqual([]);
    await on(change);
    expect(differences(start, await snapshot(lab, host))).not.toEqual([]);
  });
});
