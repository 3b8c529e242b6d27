import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { labReboot } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { cellsOf, doneBy, full, idle, inFull, recapOf, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-flannel", 9, 3);
const playbook = "playbooks/flannel.ts";
const daemonJson = "/etc/docker/daemon.json";
/** A real one, where this names its file; none is in reach of the lab, so else the stand-in. */
const real = process.env.CAUSEWAY_TEST_FLANNELD;
const flannel_binary = real ?? join(packageDir, "src/lab/flanneld-stand-in.sh");

const inventory = (vars: object = {}) => lab.inventory({ vars: { flannel_binary, ...vars } });

/** A run that ends well; its events. */
async function fine(path: string, args: readonly string[] = [], vars: object = {}) {
  const { events } = await lab.fine(path, args, inventory(vars));
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
/** The same fleet, every host of which is a member of etcd. */
const threeMembers = (hosts = lab.names) =>
  lab.inventory({ hosts, vars: { flannel_binary }, groups: { etcd: hosts } });

/** flannel's configuration, through the API that both flanneld and its stand-in may read. */
const configIn = (host: string) =>
  lab.must(
    host,
    "ETCDCTL_API=2 etcdctl get /atomic.io/network/config || ETCDCTL_API=3 etcdctl get --print-value-only /atomic.io/network/config",
  );

/** flanneld, and Docker with it, started anew: only with the key does it get its lease. */
async function getsItsLease(host: string) {
  const before = await lease(host);
  await lab.must(host, "timeout 60 systemctl restart flanneld");
  expect(await lease(host)).toBe(before);
}

/** What the real ones leave, and the lab's stand-in does not: 0.13 opens FORWARD, 0.20 has chains, udp a device. */
const tracesOfOthers = `iptables -P FORWARD ACCEPT
iptables -A FORWARD -s 192.168.0.0/16 -j ACCEPT; iptables -A FORWARD -d 192.168.0.0/16 -j ACCEPT
iptables -N FLANNEL-FWD; iptables -A FLANNEL-FWD -s 192.168.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
iptables -I FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
iptables -t nat -N FLANNEL-POSTRTG; iptables -t nat -A FLANNEL-POSTRTG -s 192.168.0.0/16 -d 192.168.0.0/16 -m comment --comment "flanneld masq" -j RETURN
iptables -t nat -I POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
ip link add flannel0 type dummy; ip link set flannel0 up; ip route add 192.168.0.0/16 dev flannel0
ip route add 192.168.250.0/24 via ${lab.net}.201 dev host0`;

const docker0 = async (host: string) =>
  (await lab.must(host, "ip -o -4 addr show docker0 | awk '{ print $4 }'")).trim();

const subnets = "/atomic.io/network/subnets";
const subnetOf = (address: string) => `${subnets}/${address.replace(".1/24", ".0-24")}`;

/** The keys of all leases, in whichever of etcd's APIs the flanneld keeps them. */
async function leasesInEtcd(): Promise<string[]> {
  const list = `ETCDCTL_API=2 etcdctl ls ${subnets}; ETCDCTL_API=3 etcdctl get --prefix --keys-only ${subnets}`;
  return (await lab.must("docker-200", list)).split("\n").filter(Boolean);
}

describe.sequential("flannel", () => {
  const start = new Map<string, string[]>();
  beforeAll(async () => {
    // Docker's second start shows a gateway of its default network that its first one did not.
    await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
    // Somebody's own settings, and a route of theirs, outside flannel's network: one inside it is refused.
    await lab.must(
      "docker-202",
      `echo 'FLANNEL_OPTIONS="-v=2"' >/etc/default/flanneld; ip route add 172.29.0.0/25 dev host0`,
    );
    for (const host of lab.names) start.set(host, await snapshot(lab, host));
  });

  test("a check changes nothing; a fresh lab gets leases in etcd, and all pairs reach each other", async () => {
    await fine(playbook, ["--check"]);
    expect(await snapshot(lab, "docker-200")).toEqual(start.get("docker-200"));

    const events = await fine(playbook);
    expect(cellsOf(events).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(6);
    for (const host of lab.names) {
      // A real one of 0.20 may have missed another's lease, and is started again then.
      expect(recapOf(events)[host]).toMatchObject({ failed: 0, restarts: real ? expect.any(Number) : 1 });
      expect(await lease(host)).toMatch(/^192\.168\.\d+\.1\/24 1450\n$/);
      expect(`${await docker0(host)} 1450\n`).toBe(await lease(host));
    }
    expect(await leasesInEtcd()).toHaveLength(3);
  });

  test("the packets cross the wire in UDP 8472, with the containers' own addresses inside", async () => {
    const seen = "timeout 60 tcpdump -c 1 -nni host0 udp port 8472 2>/dev/null";
    const [capture] = await Promise.all([lab.must("docker-201", seen), matrix()]);
    const net = lab.net.replaceAll(".", "\\.");
    expect(capture).toMatch(new RegExp(`IP ${net}\\.\\d+\\.\\d+ > ${net}\\.\\d+\\.8472: OTV`));
    expect(capture).toMatch(/^IP 192\.168\.\d+\.\d+ > 192\.168\.\d+\.\d+: ICMP/m);
  });

  test("a second run has nothing to do", async () => {
    const events = await fine(playbook);
    expect(stepsOf(events)).toEqual([]);
    for (const recap of Object.values(recapOf(events)))
      expect(recap).toMatchObject({ changed: 0, restarts: 0 });
  });

  test("nor has one with another first host: etcd stays, the key stays, and flanneld gets its lease", async () => {
    const config = await configIn("docker-200");
    expect(config).toContain("192.168.0.0/16");
    for (const hosts of [["docker-201", "docker-200", "docker-202"], lab.names.toReversed()]) {
      const again = await lab.events(
        playbook,
        ["--no-verify"],
        lab.inventory({ hosts, vars: { flannel_binary } }),
      );
      expect(doneBy(again)).toEqual(idle(hosts));
    }
    expect(await configIn("docker-200")).toBe(config);
    await getsItsLease("docker-201");
  });

  test("etcd answers the inventory's hosts, and nobody else", async () => {
    const ask = `curl -s -m 2 http://${lab.net}.200:2379/version`;
    expect(await lab.must("docker-201", ask)).toContain("etcdserver");
    const stranger = `ip addr add ${lab.net}.77/24 dev host0; trap 'ip addr del ${lab.net}.77/24 dev host0' EXIT`;
    const refused = await lab.on("docker-201", `${stranger}; ${ask} --interface ${lab.net}.77`);
    expect(refused.code).toBe(28);
  });

  test("all hosts reboot at once: the same leases, devices, and the matrix, without a run", async () => {
    const before = await Promise.all(lab.names.map(lease));
    const macs = () =>
      Promise.all(lab.names.map((host) => lab.must(host, "cat /sys/class/net/flannel.1/address")));
    const macsBefore = await macs();
    await labReboot(lab.spec, lab.names);
    expect(await matrix()).toBe(6);
    expect(await Promise.all(lab.names.map(lease))).toEqual(before);
    // Others' flannelds need no word of it, then.
    expect(await macs()).toEqual(macsBefore);
    expect(await steps()).toEqual([]);
  });

  inFull("Docker restarts on one host, and etcd stops and starts: nothing is lost", async () => {
    await lab.must("docker-201", "systemctl restart docker");
    await lab.must("docker-200", "systemctl stop etcd; sleep 3; systemctl start etcd");
    expect(await matrix()).toBe(6);
    expect(await steps()).toEqual([]);
  });

  inFull("a lease that was deleted: docker0 has a lease again, and nothing is left for a run", async () => {
    const old = subnetOf(await docker0("docker-202"));
    await lab.must("docker-200", `ETCDCTL_API=2 etcdctl rm ${old} || ETCDCTL_API=3 etcdctl del ${old}`);
    await expect
      .poll(
        async () => {
          const now = await docker0("docker-202");
          const has = (await lab.on("docker-202", "cat /run/flannel/subnet.env")).stdout;
          return has.includes(`=${now}\n`) && (await leasesInEtcd()).includes(subnetOf(now));
        },
        { timeout: 120_000, interval: 1000 },
      )
      .toBe(true);
    expect(await matrix()).toBe(6);
    expect(await steps()).toEqual([]);
  });

  inFull(
    "a flanneld that missed another's lease is started again, with leave to interrupt containers",
    async () => {
      const peer = `${lab.net}.202`;
      const far = `bridge fdb show dev flannel.1 | awk '/dst ${peer} / { print $1 }'`;
      await lab.must(
        "docker-201",
        `for mac in $(${far}); do bridge fdb del $mac dev flannel.1 dst ${peer}; done; [ -z "$(${far})" ]`,
      );
      await lab.must("docker-201", "docker run -d --name web busybox sleep 1000");
      const refused = await lab.run(playbook, [], inventory());
      expect(refused).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("missed the lease of docker-202"),
      });
      const leave = inventory({ interrupt_containers: true });
      expect((await lab.run(playbook, ["--check"], leave)).stdout).toContain(
        "missed the lease of docker-202",
      );
      expect(await lab.must("docker-201", far)).toBe("");

      const { code, events } = await lab.events(playbook, [], leave);
      expect(code).toBe(0);
      expect(cellsOf(events).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(6);
      expect(recapOf(events)).toMatchObject({
        "docker-200": { restarts: 0 },
        "docker-201": { restarts: 1 },
        "docker-202": { restarts: 0 },
      });
      await lab.must("docker-201", "docker rm -f web");
      expect(await steps()).toEqual([]);
    },
  );

  inFull("vxlan → host-gw → vxlan: the old device and routes are gone, the leases stay", async () => {
    const leases = await Promise.all(lab.names.map(docker0));
    // As 0.7.1 has it.
    await lab.must("docker-201", "ip route replace 192.168.0.0/16 dev flannel.1");
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

  test.runIf(full && real !== undefined)("vxlan → udp → vxlan, which the stand-in has not", async () => {
    const leases = await Promise.all(lab.names.map(docker0));
    const udp = await fine(playbook, ["--evidence"], { flannel_backend: "udp" });
    expect(cellsOf(udp).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(6);
    for (const host of lab.names) {
      await lab.must(host, "ip link show flannel0");
      expect((await lab.on(host, "ip link show flannel.1")).code).not.toBe(0);
    }
    expect(await Promise.all(lab.names.map(docker0))).toEqual(leases);
    expect(await steps({ flannel_backend: "udp" })).toEqual([]);
    await labReboot(lab.spec, lab.names);
    expect(await matrix()).toBe(6);

    const vxlan = await fine(playbook, ["--evidence"]);
    expect(cellsOf(vxlan).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(6);
    for (const host of lab.names) expect((await lab.on(host, "ip link show flannel0")).code).not.toBe(0);
    expect(await steps()).toEqual([]);
  });

  inFull(
    "a re-config that may not be, because of a container or of a host left out, changes nothing",
    async () => {
      await lab.must("docker-201", "docker run -d --name web busybox sleep 1000");
      try {
        expect(await steps()).toEqual([]);
        const hostGw = (args: readonly string[]) =>
          lab.run(playbook, args, inventory({ flannel_backend: "host-gw" }));
        const cut = await hostGw([]);
        expect(cut).toMatchObject({ code: 2, stderr: expect.stringContaining("not back: web (bridge") });
        const half = await hostGw(["-l", "docker-200"]);
        expect(half).toMatchObject({ code: 2, stderr: expect.stringContaining("on all hosts in one run") });
      } finally {
        await lab.must("docker-201", "docker rm -f web");
      }
      expect(await steps()).toEqual([]);
    },
  );

  test("a host whose clock is wrong is named before anything is done", async () => {
    const date = "/usr/local/bin/date";
    await lab.must(
      "docker-202",
      `printf '#!/bin/sh\nexec /bin/date -d "+1 hour" "$@"\n' >${date}; chmod +x ${date}`,
    );
    const { code, stderr } = await lab.run(playbook, ["--no-verify"], inventory());
    await lab.must("docker-202", `rm ${date}`);
    expect(stderr).toContain("the clocks of docker-202 and docker-20");
    expect(code).toBe(2);
  });

  inFull("reset: every host is what it was, whatever a flanneld left", async () => {
    expect(await lab.must("docker-202", "cat /etc/default/flanneld.bak")).toBe('FLANNEL_OPTIONS="-v=2"\n');
    await lab.must("docker-201", tracesOfOthers);
    // Somebody's route is gone since the reboot, and comes back by hand.
    await lab.must("docker-202", "ip route replace 172.29.0.0/25 dev host0");
    await fine("playbooks/reset.ts");
    for (const host of lab.names)
      expect(differences(start.get(host) ?? [], await snapshot(lab, host))).toEqual([]);
  });

  inFull("a bip of the user's in daemon.json is named, and nothing is changed on any host", async () => {
    await lab.must("docker-201", `mkdir -p /etc/docker; echo '{"bip":"10.99.0.1/24"}' >${daemonJson}`);
    const before = await Promise.all(lab.names.map((h) => snapshot(lab, h)));
    const { code, stdout, stderr } = await lab.run(playbook, ["--no-verify"], inventory());
    expect(stdout + stderr).toMatch(
      /docker-201: bip in \S+daemon\.json .*\n +found +"bip": "10\.99\.0\.1\/24"/,
    );
    expect(code).toBe(2);
    for (const [i, host] of lab.names.entries())
      expect(differences(before[i] ?? [], await snapshot(lab, host)), host).toEqual([]);
    await lab.must("docker-201", `rm ${daemonJson}; systemctl restart docker`);
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

  inFull("a host that is added gets its lease; the others only let it in", async () => {
    const two = lab.inventory({ hosts: ["docker-200", "docker-201"], vars: { flannel_binary } });
    expect((await lab.events(playbook, ["--no-verify"], two)).code).toBe(0);
    const events = await fine(playbook);
    expect(cellsOf(events).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(6);
    const others = stepsOf(events).filter((step) => !step.startsWith("docker-202"));
    expect(others).toEqual(["docker-200 chain filter CAUSEWAY-PORT-2379 → 5 rules"]);
    for (const host of ["docker-200", "docker-201"])
      expect(recapOf(events)[host]).toMatchObject({ restarts: 0 });
    expect(await steps()).toEqual([]);
    await fine("playbooks/reset.ts");
  });

  inFull(
    "three members of etcd, one of which is lost: leases are still given, and a run brings it back",
    async () => {
      const members = threeMembers();
      const first = await lab.events(playbook, [], members);
      expect(first.code).toBe(0);
      const config = await configIn("docker-200");
      for (const hosts of [["docker-202", "docker-200", "docker-201"], lab.names.toReversed()])
        expect(doneBy(await lab.events(playbook, ["--no-verify"], threeMembers(hosts)))).toEqual(idle(hosts));
      expect(await configIn("docker-200")).toBe(config);
      await getsItsLease("docker-201");
      const leases = await Promise.all(lab.names.map(lease));
      // The first of flanneld's endpoints, and a flanneld that has to ask for its lease anew.
      await lab.must("docker-200", "systemctl stop etcd");
      await lab.must("docker-202", "systemctl restart flanneld");
      expect(await matrix()).toBe(6);
      expect(await Promise.all(lab.names.map(lease))).toEqual(leases);
      const back = await lab.events(playbook, [], members);
      expect(back.code).toBe(0);
      expect(stepsOf(back.events).every((step) => step.startsWith("docker-200 unit etcd.service"))).toBe(
        true,
      );
      expect(stepsOf((await lab.events(playbook, ["--no-verify"], members)).events)).toEqual([]);
      expect((await lab.events("playbooks/reset.ts", [], members)).code).toBe(0);
    },
  );

  inFull(
    "etcd that would move, or whose host left, is refused; the rest is reset without it",
    async () => {
      const flannel = (over: Parameters<typeof lab.inventory>[0]) =>
        lab.inventory({ vars: { flannel_binary }, ...over });
      await fine(playbook, ["--no-verify"]);
      // etcd writes its own data all the time.
      const snapshots = async () =>
        (await Promise.all(lab.names.map((h) => snapshot(lab, h)))).map((lines) =>
          lines.filter((line) => !line.includes("/var/lib/etcd/causeway/")),
        );
      const before = await snapshots();
      const rest = ["docker-202", "docker-201"];
      for (const over of [{ groups: { etcd: ["docker-201"] } }, { hosts: rest }]) {
        const refused = await lab.run(playbook, [], flannel(over));
        expect(refused).toMatchObject({
          code: 2,
          stderr: expect.stringMatching(/use another etcd than the inventory/),
        });
      }
      expect(await snapshots()).toEqual(before);

      // As the refusal says, with the host of etcd gone: down, and in no inventory.
      await lab.must("docker-200", "systemctl stop etcd");
      const left = flannel({ hosts: rest });
      expect((await lab.run("playbooks/reset.ts", [], left)).code).toBe(0);
      for (const host of rest)
        expect(differences(start.get(host) ?? [], await snapshot(lab, host)), host).toEqual([]);
      const anew = await lab.events(playbook, [], left);
      expect({ code: anew.code, pairs: cellsOf(anew.events).filter((c) => c.ok).length }).toEqual({
        code: 0,
        pairs: 2,
      });
      await lab.must("docker-200", "systemctl start etcd");
      await fine("playbooks/reset.ts");
      for (const host of lab.names)
        expect(differences(start.get(host) ?? [], await snapshot(lab, host)), host).toEqual([]);
    },
    1_200_000,
  );

  inFull("another network: leases, devices, routes and rules of the one before are gone", async () => {
    await fine(playbook, ["--no-verify"], { flannel_backend: "host-gw" });
    const events = await fine(playbook, [], { flannel_network: "172.30.0.0/16" });
    expect(cellsOf(events).filter((c) => c.ok && c.sourcePreserved)).toHaveLength(6);
    for (const host of lab.names) {
      expect(await lease(host)).toMatch(/^172\.30\.\d+\.1\/24 1450\n$/);
      const left = await lab.must(
        host,
        "iptables-save -t nat; ip route show proto boot | grep -v 172.29.0.0/25",
      );
      expect(left).not.toContain("192.168.");
    }
    expect(await steps({ flannel_network: "172.30.0.0/16" })).toEqual([]);
    await fine("playbooks/reset.ts");
    for (const host of lab.names)
      expect(differences(start.get(host) ?? [], await snapshot(lab, host))).toEqual([]);
  });
});
