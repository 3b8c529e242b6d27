import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { labReboot } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { cellsOf, recapOf, stepsOf, useLab } from "./support.ts";

/** The longer ones belong to `npm run test:full`. */
const inFull = test.runIf(process.env.CAUSEWAY_TEST_FULL !== undefined);

const lab = useLab("test-flannel", 9, 3);
const playbook = "playbooks/flannel.ts";
const daemonJson = "/etc/docker/daemon.json";
/** No flanneld is in reach of the lab: its stand-in. */
const flannel_binary = join(packageDir, "src/lab/flanneld-stand-in.sh");

const inventory = (vars: object = {}) => lab.inventory({ vars: { flannel_binary, ...vars } });

/** A run that ends well; its events. */
async function fine(path: string, args: readonly string[] = [], vars: object = {}) {
  const { code, events, stderr } = await lab.events(path, args, inventory(vars));
  if (code !== 0) throw new Error(JSON.stringify(events.filter((e) => e.error ?? e.matrix)) + stderr);
  return events;
}

const steps = async (vars: object = {}) => stepsOf(await fine(playbook, ["--no-verify"], vars));

/** The pairs that reach each other under their own addresses, without a run. */
async function matrix(): Promise<number> {
  await Promise.all(
    lab.names.map((h) =>
      lab.must(h, "for i in $(seq 60); do systemctl is-active -q docker && exit; sleep 0.5; done; exit 1"),
    ),
  );
  const { events } = await lab.events("playbooks/verify.ts", [], inventory());
  return cellsOf(events).filter((c) => c.ok && c.sourcePreserved).length;
}

const lease = (host: string) =>
  lab.must(host, ". /run/flannel/subnet.env; echo $FLANNEL_SUBNET $FLANNEL_MTU");
const docker0 = async (host: string) =>
  (await lab.must(host, "ip -o -4 addr show docker0 | awk '{ print $4 }'")).trim();

describe.sequential("flannel", () => {
  const start = new Map<string, string[]>();
  beforeAll(async () => {
    // Docker's second start shows a gateway of its default network that its first one did not.
    await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
    for (const host of lab.names) start.set(host, await snapshot(lab, host));
  });

  test("a check changes nothing; a fresh lab gets leases in etcd, and all pairs reach each other", async () => {
    await fine(playbook, ["--check"]);
    expect(await snapshot(lab, "docker-200")).toEqual(start.get("docker-200"));

    const events = await fine(playbook);
    expect(cellsOf(events).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(6);
    for (const host of lab.names) {
      expect(recapOf(events)[host]).toMatchObject({ failed: 0, restarts: 1 });
      expect(await lease(host)).toMatch(/^192\.168\.\d+\.1\/24 1450\n$/);
      expect(`${await docker0(host)} 1450\n`).toBe(await lease(host));
    }
    const leases = await lab.must("docker-200", "etcdctl ls /atomic.io/network/subnets");
    expect(leases.trim().split("\n")).toHaveLength(3);
  });

  test("the packets cross the wire in UDP 8472, with the containers' own addresses inside", async () => {
    const seen = "timeout 20 tcpdump -c 1 -nni host0 udp port 8472 2>/dev/null";
    const [capture] = await Promise.all([lab.must("docker-201", seen), matrix()]);
    expect(capture).toMatch(/IP 10\.214\.9\.\d+\.\d+ > 10\.214\.9\.\d+\.8472: OTV/);
    expect(capture).toMatch(/^IP 192\.168\.\d+\.\d+ > 192\.168\.\d+\.\d+: ICMP/m);
  });

  test("a second run has nothing to do", async () => {
    const events = await fine(playbook);
    expect(stepsOf(events)).toEqual([]);
    for (const recap of Object.values(recapOf(events)))
      expect(recap).toMatchObject({ changed: 0, restarts: 0 });
  });

  test("etcd answers the inventory's hosts, and nobody else", async () => {
    const ask = `curl -s -m 2 http://${lab.net}.200:2379/version`;
    expect(await lab.must("docker-201", ask)).toContain("3.3.25");
    const stranger = `ip addr add ${lab.net}.77/24 dev host0; trap 'ip addr del ${lab.net}.77/24 dev host0' EXIT`;
    const refused = await lab.on("docker-201", `${stranger}; ${ask} --interface ${lab.net}.77`);
    expect(refused.code).toBe(28);
  });

  test("all hosts reboot at once: the same leases, and the matrix, without a run", async () => {
    const before = await Promise.all(lab.names.map(lease));
    await labReboot(lab.spec, lab.names);
    expect(await matrix()).toBe(6);
    expect(await Promise.all(lab.names.map(lease))).toEqual(before);
    expect(await steps()).toEqual([]);
  });

  test("Docker restarts on one host, and etcd stops and starts: nothing is lost", async () => {
    await lab.must("docker-201", "systemctl restart docker");
    await lab.must("docker-200", "systemctl stop etcd; sleep 3; systemctl start etcd");
    expect(await matrix()).toBe(6);
    expect(await steps()).toEqual([]);
  });

  inFull("a lease that was deleted: flanneld takes another, and a run gives it to docker0", async () => {
    const old = (await docker0("docker-202")).replace(".1/24", ".0-24");
    await lab.must("docker-200", `etcdctl rm /atomic.io/network/subnets/${old}`);
    await lab.must(
      "docker-202",
      `for i in $(seq 60); do grep -q ${old.replace(".0-24", ".1/24")} /run/flannel/subnet.env || exit 0; sleep 0.5; done; exit 1`,
    );
    const events = await fine(playbook);
    expect(cellsOf(events).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(6);
    expect(recapOf(events)["docker-202"]).toMatchObject({ failed: 0 });
    expect(`${await docker0("docker-202")} 1450\n`).toBe(await lease("docker-202"));
  });

  inFull("vxlan → host-gw → vxlan: the old device and routes are gone, the leases stay", async () => {
    const leases = await Promise.all(lab.names.map(docker0));
    const hostGw = await fine(playbook, [], { flannel_backend: "host-gw" });
    expect(cellsOf(hostGw).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(6);
    for (const host of lab.names) {
      expect((await lab.on(host, "ip link show flannel.1")).code).not.toBe(0);
      expect(await lab.must(host, "ip -4 route show root 192.168.0.0/16")).not.toContain("flannel");
    }
    expect(await Promise.all(lab.names.map(docker0))).toEqual(leases);
    expect(await steps({ flannel_backend: "host-gw" })).toEqual([]);

    const vxlan = await fine(playbook);
    expect(cellsOf(vxlan).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(6);
    expect(await lab.must("docker-200", "ip -4 route show root 192.168.0.0/16")).not.toMatch(
      /via .* dev host0/,
    );
    expect(await steps()).toEqual([]);
  });

  test("running containers are named before they lose their network", async () => {
    await lab.must("docker-200", "docker run -d --name web busybox sleep 1000");
    expect(await steps()).toEqual([]);
    const { code, events } = await lab.events(
      playbook,
      ["-l", "docker-200"],
      inventory({ flannel_backend: "host-gw" }),
    );
    expect(code).toBe(2);
    expect(events.find((e) => e.type === "failed")?.error).toMatchObject({ found: "on docker0: web" });
    await lab.must("docker-200", "docker rm -f web");
    await fine(playbook);
  });

  test("reset: every host is what it was", async () => {
    await fine("playbooks/reset.ts");
    for (const host of lab.names)
      expect(differences(start.get(host) ?? [], await snapshot(lab, host))).toEqual([]);
  });

  test("a bip of the user's in daemon.json is named, and nothing is changed on any host", async () => {
    await lab.must("docker-201", `mkdir -p /etc/docker; echo '{"bip":"10.99.0.1/24"}' >${daemonJson}`);
    const before = await Promise.all(lab.names.map((h) => snapshot(lab, h)));
    const { code, stdout, stderr } = await lab.run(playbook, ["--no-verify"], inventory());
    expect(stdout + stderr).toMatch(
      /docker-201: bip in \S+daemon\.json .*\n +found +"bip": "10\.99\.0\.1\/24"/,
    );
    expect(code).toBe(2);
    for (const [i, host] of lab.names.entries())
      expect(differences(before[i] ?? [], await snapshot(lab, host)), host).toEqual([]);
    await lab.must("docker-201", "rm -r /etc/docker; systemctl restart docker");
  });

  inFull("from static-route and back: one run each way", async () => {
    await fine("playbooks/static-route.ts");
    const events = await fine(playbook);
    expect(cellsOf(events).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(6);
    expect(await steps()).toEqual([]);
    await fine("playbooks/static-route.ts");
    expect((await lab.on("docker-200", "ip link show flannel.1")).code).not.toBe(0);
    expect(stepsOf(await fine("playbooks/static-route.ts"))).toEqual([]);
  });
});
