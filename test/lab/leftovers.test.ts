import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { useLab } from "./support.ts";

const lab = useLab("test-leftovers", 17, 2);
const host = "docker-200";
const inventory = () =>
  lab.inventory({ vars: { flannel_binary: join(packageDir, "src/lab/flanneld-stand-in.sh") } });

const unit = "/lib/systemd/system/docker.service";
const flags =
  "-H tcp://127.0.0.1:2375 --bip=172.17.0.1/16 --cluster-store=consul://127.0.0.1:8500 --cluster-advertise=127.0.0.1:2375";

/** What the article has a person type, all of it at once. Docker is not restarted yet. */
const typed = `mkdir -p /run/flannel /etc/docker
echo 'DOCKER_NETWORK_OPTIONS=""' >/run/flannel/docker
sed -i 's|^ExecStart=.*|EnvironmentFile=/run/flannel/docker\\n& ${flags} $DOCKER_NETWORK_OPTIONS|' ${unit}
printf '{\\n  "debug": false,\\n  "mtu": 1400\\n}\\n' >/etc/docker/daemon.json
ip route add 192.168.200.0/24 via ${lab.net}.201
ip route add 192.168.200.128/25 via ${lab.net}.201
iptables -A FORWARD -s ${lab.net}.0/24 -j ACCEPT
iptables -A INPUT -p tcp -m tcp --dport 2379 -m state --state NEW,ESTABLISHED -j ACCEPT
for name in consul etcd flanneld; do cp "$(command -v perl)" /usr/local/bin/$name; done
cd /run/flannel
echo 'sleep 9000' >agent
nohup consul agent >/dev/null 2>&1 &
nohup etcd -MIO::Socket::INET -e '$one = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1:23790"); sleep 9000' >/dev/null 2>&1 &
nohup flanneld -e 'sleep 9000' >/dev/null 2>&1 &
sleep 0.5`;

/** Programs of somebody's that are only called so. */
const namesakes = `mkdir /opt/mine && cd /opt/mine
printf '#!/bin/sh\nsleep 9000; exit\n' >etcd
chmod +x etcd
cp etcd flanneld
cp etcd consul
nohup ./etcd >/dev/null 2>&1 & echo $! >pids
nohup ./flanneld build >/dev/null 2>&1 & echo $! >>pids
nohup ./consul watch >/dev/null 2>&1 & echo $! >>pids
sleep 0.5`;

/** What is no leftover of the article's, but of this test: it goes without having been named. */
const rest =
  "rm -r /run/flannel /etc/docker/daemon.json /usr/local/bin/consul /usr/local/bin/etcd /usr/local/bin/flanneld";

const finds = {
  bip: "--bip=172.17.0.1/16 in /lib/systemd/system/docker.service",
  options: "EnvironmentFile=/run/flannel/docker in /lib/systemd/system/docker.service",
  store: "--cluster-store=consul://127.0.0.1:8500 --cluster-advertise=127.0.0.1:2375 in",
  api: "-H tcp://127.0.0.1:2375 in",
  keys: '"mtu": 1400',
  route: `192.168.200.0/24 via ${lab.net}.201`,
  part: `192.168.200.128/25 via ${lab.net}.201`,
  forward: `-A FORWARD -s ${lab.net}.0/24 -j ACCEPT`,
  input: "-A INPUT -p tcp -m tcp --dport 2379",
  consul: "consul runs, but no unit started it",
  etcd: "etcd runs, but no unit started it",
  flanneld: "flanneld runs, but no unit started it",
} as const;
type Name = keyof typeof finds;

/** What each scheme refuses, and what it only names. macvlan refuses nothing: it is only checked. */
const verdicts: Record<string, { refused: readonly Name[]; told: readonly Name[] }> = {
  "static-route": {
    refused: ["bip", "options", "part"],
    told: ["store", "api", "route", "forward", "input", "consul", "etcd", "flanneld"],
  },
  flannel: {
    refused: ["bip", "options", "keys", "route", "part", "etcd", "flanneld"],
    told: ["store", "api", "forward", "input", "consul"],
  },
  macvlan: {
    refused: [],
    told: ["bip", "options", "store", "api", "forward", "input", "consul", "etcd", "flanneld"],
  },
  overlay: {
    refused: ["store", "consul"],
    told: ["bip", "options", "api", "forward", "input", "etcd", "flanneld"],
  },
};

const snapshots = () => Promise.all(lab.names.map((name) => snapshot(lab, name)));

describe.sequential("what the article has a person type", () => {
  const commands = new Set<string>();
  let start: string[][] = [];
  let before: string[][] = [];
  beforeAll(async () => {
    // Docker's second start shows a gateway of its default network that its first one did not.
    await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
    start = await snapshots();
    await lab.must(host, typed);
    before = await snapshots();
  });

  test.each(Object.entries(verdicts))(
    "%s refuses what would break it, and names the rest",
    async (scheme, { refused, told }) => {
      const only = refused.length === 0 ? ["--check"] : [];
      const { code, stdout, stderr } = await lab.run(`playbooks/${scheme}.ts`, only, inventory());
      expect(code, stderr).toBe(refused.length === 0 ? 0 : 2);
      for (const name of refused) expect(stderr, name).toContain(finds[name]);
      for (const name of told) expect(stdout, name).toContain(finds[name]);
      expect(stderr.match(/^docker-200: /gm) ?? []).toHaveLength(refused.length);
      expect(stdout.match(/warning: .*; to remove it: /g) ?? []).toHaveLength(told.length);
      for (const [, command = ""] of `${stdout}${stderr}`.matchAll(/(?:to remove it: |^ {2}do {8})(.+)/gm))
        commands.add(command);
    },
  );

  test("no host was touched", async () => {
    const after = await snapshots();
    for (const [i, name] of lab.names.entries())
      expect(differences(before[i] ?? [], after[i] ?? []), name).toEqual([]);
  });

  test("what is only called so is left alone", async () => {
    await lab.must("docker-201", namesakes);
    for (const scheme of ["static-route", "flannel", "overlay"]) {
      const { stdout, stderr } = await lab.run(`playbooks/${scheme}.ts`, ["--check"], inventory());
      expect(stdout + stderr).toMatch(/docker-200.*etcd runs, but no unit started it/);
      expect(stdout + stderr).not.toMatch(/docker-201.*runs, but no unit started it/);
    }
    await lab.must("docker-201", "kill $(cat /opt/mine/pids); rm -r /opt/mine");
  });

  test("the commands that were told leave nothing of it", async () => {
    expect(commands).toHaveLength(Object.keys(finds).length);
    for (const command of commands) await lab.must(host, command);
    const { stdout, stderr } = await lab.run("playbooks/static-route.ts", ["--check"], inventory());
    expect(stdout + stderr).not.toMatch(/to remove it|^ {2}do {8}/m);
    await lab.must(host, rest);
    await lab.must(host, "systemctl restart docker");
    const after = await snapshots();
    for (const [i, name] of lab.names.entries())
      expect(differences(start[i] ?? [], after[i] ?? []), name).toEqual([]);
  });
});
