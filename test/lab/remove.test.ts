import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { labConnection, labPowerOff, labPowerOn } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { cellsOf, doneBy, full, idle, recapOf, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-remove", 26, 4);
const [first, second, third, fourth] = lab.names as [string, string, string, string];

type Over = NonNullable<Parameters<typeof lab.inventory>[0]>;

/** The fleet as if its hosts were anybody's: no run boots one that is off. */
function fleet(over: Over): string {
  const file = lab.inventory(over);
  const { all } = JSON.parse(readFileSync(file, "utf8")) as { all: object };
  const { privateKeyFile } = labConnection(lab.spec);
  writeFileSync(
    file,
    JSON.stringify({ all: { ...all, vars: { ansible_ssh_private_key_file: privateKeyFile } } }),
  );
  return file;
}

const remote = () => {
  const { knownHostsFile } = labConnection(lab.spec);
  const config = join(lab.folder, "ssh_config");
  writeFileSync(config, `Host *\n  UserKnownHostsFile ${knownHostsFile}\n  GlobalKnownHostsFile none\n`);
  return ["--ssh-config", config, "--timeout", "5"];
};

/**
 * Boots a host that was off, and does something as soon as it can be logged in to: one whose flanneld finds no etcd any more
 * does not end its boot before.
 */
async function whenBack(host: string, then: () => Promise<unknown>) {
  const booting = labPowerOn(lab.spec, [host]);
  const up = () =>
    lab.on(host, "systemctl is-active ssh").then(
      ({ stdout }) => stdout.trim(),
      () => "down",
    );
  await Promise.race([booting, expect.poll(up, { timeout: 200_000, interval: 500 }).toBe("active")]);
  await then();
  await booting;
}

/** A run, and what went wrong in it. */
async function run(playbook: string, args: readonly string[], inventory: string) {
  const done = await lab.events(playbook, [...args, ...remote()], inventory);
  const wrong = done.events.filter((e) => e.error).map((e) => e.error);
  const unproved = cellsOf(done.events).filter(({ ok }) => !ok);
  return { ...done, wrong, why: JSON.stringify([...wrong, ...unproved]) + done.stderr };
}

async function fine(playbook: string, args: readonly string[], inventory: string) {
  const done = await run(playbook, args, inventory);
  expect(done.code, done.why).toBe(0);
  return done;
}

const remove = (playbook: string, args: readonly string[], inventory: string) =>
  run("remove", [playbook, ...args], inventory);

/** The hosts that are left: nothing to do for them, and every pair of them reached. */
async function expectWhole(playbook: string, over: Over) {
  const names = over.hosts ?? lab.names;
  const done = await run(playbook, [], fleet(over));
  expect(doneBy(done), done.why).toEqual(idle(names));
  const pairs = names.length * (names.length - 1);
  expect(cellsOf(done.events).filter(({ ok }) => ok)).toHaveLength(pairs);
}

const baseline = new Map<string, string[]>();
const expectUntouched = async (host: string) =>
  expect(differences(baseline.get(host) ?? [], await snapshot(lab, host)), host).toEqual([]);

beforeAll(async () => {
  // Docker's second start shows a gateway of its default network that its first one did not.
  await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
  for (const host of lab.names) baseline.set(host, await snapshot(lab, host));
});

/** Pings from a container of one host to one of another, until they are told to end and say what was lost. */
async function pinging(from: string, to: string) {
  for (const host of [from, to])
    await lab.must(host, "docker run -d --name web --restart always busybox sleep 100000");
  const peer = (await lab.must(to, "docker inspect -f '{{.NetworkSettings.IPAddress}}' web")).trim();
  await lab.must(
    from,
    `docker exec -d web sh -c 'ping -i 0.2 ${peer} >/ping.log & echo $! >/ping.pid; wait'`,
  );
  return async () => {
    await lab.must(from, "docker exec web sh -c 'kill -INT $(cat /ping.pid); sleep 1'");
    const said = await lab.must(from, "docker exec web cat /ping.log");
    for (const host of [from, to]) await lab.must(host, "docker rm -f web");
    const [, sent, received] = /(\d+) packets transmitted, (\d+) packets received/.exec(said) ?? [];
    return { sent: Number(sent), received: Number(received) };
  };
}

describe.sequential("static-route", () => {
  const playbook = "playbooks/static-route.ts";
  const vars = { interrupt_containers: false };
  const routes = "ip -4 route show proto 202 | awk '{ print $1 }' | sort";

  test("a host is added, and another taken out: the pair of the others loses nothing, and no trace is left", async () => {
    await fine(playbook, ["--no-verify"], fleet({ hosts: [first, second, third], vars }));
    const lost = await pinging(first, second);
    await fine(playbook, ["--no-verify"], fleet({ vars }));
    expect(await lab.must(first, routes)).toBe("192.168.200.0/24\n192.168.210.0/24\n192.168.220.0/24\n");

    const all = fleet({ vars });
    const check = await remove(playbook, [third, "--check"], all);
    expect(check.code, check.why).toBe(0);
    const done = await remove(playbook, [third], all);
    expect(done.code, done.why).toBe(0);
    const { sent, received } = await lost();
    expect(sent).toBeGreaterThan(10);
    expect(received).toBe(sent);
    await expectUntouched(third);
    expect(await lab.must(first, routes)).toBe("192.168.200.0/24\n192.168.220.0/24\n");
    expect((await lab.must(first, "iptables-save")).includes("192.168.210")).toBe(false);
    // What the check showed of the others is what was done to them.
    const ofPeers = (steps: string[]) => steps.filter((step) => !step.startsWith(third));
    expect(ofPeers(stepsOf(check.events, true))).toEqual(ofPeers(stepsOf(done.events)));
    expect(stepsOf(check.events, true).some((step) => step.startsWith(third))).toBe(true);

    const again = await remove(playbook, [third], all);
    expect(doneBy(again), again.why).toEqual(idle(lab.names));
    await expectWhole(playbook, { hosts: [first, second, fourth], vars });
  });

  test.runIf(full)("refused before the first step, and with the way on", async () => {
    await lab.must(second, "docker run -d --name web busybox sleep 100000");
    const before = await snapshot(lab, second);
    const all = fleet({ hosts: [first, second, fourth], vars });
    const why = async (args: readonly string[], playbookToo = playbook) =>
      (await remove(playbookToo, args, all)).stderr;
    expect(await why([second])).toMatch(/running containers[\s\S]*web[\s\S]*interrupt_containers=true/);
    expect(await why(["docker-20l"])).toMatch(/did you mean docker-20/);
    expect(await why([`${first},${second},${fourth}`])).toMatch(/nobody would be left[\s\S]*reset/);
    expect(await why([second, "--dead"])).toMatch(/it is not dead[\s\S]*without --dead/);
    expect(await why([second], "playbooks/macvlan.ts")).toMatch(/run remove static-route docker-201/);
    expect(await why([second], "playbooks/verify.ts")).toMatch(/builds nothing/);
    expect(differences(before, await snapshot(lab, second))).toEqual([]);
    await lab.must(second, "docker rm -f web");
  });

  test.runIf(full)(
    "a dead host is taken out at its peers, and one that comes back can be reset, or used again",
    async () => {
      const hosts = [first, second, fourth];
      const all = fleet({ hosts, vars });
      await labPowerOff(lab.spec, [fourth]);
      const refused = await remove(playbook, [fourth], all);
      expect(refused.code).toBe(4);
      expect(refused.stderr).toMatch(/--dead/);
      expect(stepsOf(refused.events)).toEqual([]);
      const silent = await remove(playbook, [first], all);
      expect([silent.code, stepsOf(silent.events)]).toEqual([4, []]);
      expect(silent.stderr).toMatch(`run remove … ${first},${fourth} --dead`);

      const done = await remove(playbook, [fourth, "--dead"], all);
      expect(done.code, done.why).toBe(0);
      expect(Object.keys(recapOf(done.events)).sort()).toEqual([first, second]);
      await expectWhole(playbook, { hosts: [first, second], vars });
      expect(await lab.must(first, routes)).toBe("192.168.200.0/24\n");

      await labPowerOn(lab.spec, [fourth]);
      await fine(playbook, [], all);
      await expectWhole(playbook, { hosts, vars });
      await labPowerOff(lab.spec, [fourth]);
      const again = await remove(playbook, [fourth, "--dead"], all);
      expect(again.code, again.why).toBe(0);
      await labPowerOn(lab.spec, [fourth]);
      await fine("playbooks/reset.ts", ["-l", fourth], all);
      await expectUntouched(fourth);
      await expectWhole(playbook, { hosts: [first, second], vars });
      await fine("playbooks/reset.ts", [], all);
      for (const host of hosts) await expectUntouched(host);
    },
  );
});

describe.runIf(full).sequential("flannel, with three members of etcd on four hosts", () => {
  const playbook = "playbooks/flannel.ts";
  const flannel_binary = join(packageDir, "src/lab/flanneld-stand-in.sh");
  const vars = { flannel_binary, flannel_backend: "vxlan" };
  const of = (hosts: readonly string[], etcd: readonly string[]): Over => ({
    hosts,
    vars,
    groups: { docker: hosts, etcd },
  });
  const three = [first, second, third];
  const members = "ETCDCTL_API=3 etcdctl member list | wc -l";
  const leases = "ETCDCTL_API=2 etcdctl ls /atomic.io/network/subnets | wc -l";
  const restarts = (done: { events: Parameters<typeof recapOf>[0] }, host: string) =>
    recapOf(done.events)[host]?.restarts;

  test("one that is no member, then a member that is dead: its lease, its routes and its membership go", async () => {
    const all = of(lab.names, three);
    await fine(playbook, [], fleet(all));
    const done = await remove(playbook, [fourth], fleet(all));
    expect(done.code, done.why).toBe(0);
    await expectUntouched(fourth);
    expect(await lab.must(first, leases)).toBe("3\n");
    await expectWhole(playbook, of(three, three));

    await fine(playbook, [], fleet(all));
    await labPowerOff(lab.spec, [third]);
    // It may have led them: the others choose anew.
    for (const host of [first, second])
      await lab.must(
        host,
        "timeout 60 sh -c 'until ETCDCTL_API=3 etcdctl endpoint health; do sleep 0.5; done'",
      );
    const dead = await remove(playbook, [third, "--dead"], fleet(all));
    expect(dead.code, dead.why).toBe(0);
    expect([restarts(dead, first), restarts(dead, second)]).toEqual([0, 0]);
    expect([await lab.must(first, members), await lab.must(first, leases)]).toEqual(["2\n", "3\n"]);
    const two = [first, second];
    await expectWhole(playbook, of([first, second, fourth], two));
    expect(await lab.must(first, "ip -4 route show dev flannel.1 | wc -l")).toBe("2\n");
    const last = await remove(playbook, [second], fleet(of([first, second, fourth], two)));
    expect([last.code, stepsOf(last.events)]).toEqual([2, []]);
    expect(last.stderr).toMatch(/without docker-201 etcd would have no quorum[\s\S]*at least 2 of these 2/);

    // It comes back, with an etcd that the others have forgotten: as a host that keeps no etcd.
    await whenBack(third, () => fine(playbook, [], fleet(of(lab.names, two))));
    await expectWhole(playbook, of(lab.names, two));
    await labPowerOff(lab.spec, [fourth]);
    const again = await remove(playbook, [fourth, "--dead"], fleet(of(lab.names, two)));
    expect(again.code, again.why).toBe(0);
    await expectWhole(playbook, of(three, two));
    await whenBack(fourth, () => fine("playbooks/reset.ts", ["-l", fourth], fleet(of(lab.names, two))));
    await expectUntouched(fourth);
    await fine("playbooks/reset.ts", [], fleet(of(three, two)));
    for (const host of three) await expectUntouched(host);
  });

  test("a member that lives, the first one, that wrote the network: the others keep it and their quorum", async () => {
    const all = of(lab.names, three);
    await fine(playbook, ["--no-verify"], fleet(all));
    const lost = await pinging(second, fourth);
    const done = await remove(playbook, [first], fleet(all));
    expect(done.code, done.why).toBe(0);
    const { sent, received } = await lost();
    expect(sent).toBeGreaterThan(10);
    expect(received).toBe(sent);
    expect(lab.names.slice(1).map((host) => restarts(done, host))).toEqual([0, 0, 0]);
    await expectUntouched(first);
    expect([await lab.must(second, members), await lab.must(second, leases)]).toEqual(["2\n", "3\n"]);
    const rest = of([second, third, fourth], [second, third]);
    await expectWhole(playbook, rest);
    await fine("playbooks/reset.ts", [], fleet(rest));
    for (const host of lab.names) await expectUntouched(host);
  });
});

describe.runIf(full).sequential("overlay, with three servers of consul on four hosts", () => {
  const playbook = "playbooks/overlay.ts";
  const of = (hosts: readonly string[], consul: readonly string[]): Over => ({
    hosts,
    vars: {},
    groups: { docker: hosts, consul },
  });
  const three = [first, second, third];
  const members = "consul members | awk 'NR > 1 && $3 != \"left\" { print $1 }' | sort";
  const peers = "consul operator raft list-peers | awk 'NR > 1 { print $1 }' | sort";
  const onNetwork = "docker network inspect -f '{{range .Containers}}{{.Name}} {{end}}' overlay_1";
  const start = (host: string, name: string) =>
    lab.must(host, `docker run -d --name ${name} --network overlay_1 busybox sleep 100000`);

  test("a client, the first server, and a host that is dead: the network and its quorum stay with the others", async () => {
    const all = of(lab.names, three);
    await fine(playbook, ["--no-verify"], fleet(all));
    await start(fourth, "gone");
    await start(second, "stays");
    const refused = await remove(playbook, [fourth], fleet(all));
    expect([refused.code, stepsOf(refused.events)]).toEqual([2, []]);
    expect(refused.stderr).toMatch(/found +1 container; not back: gone /);
    const done = await remove(playbook, [fourth, "-e", "interrupt_containers=true"], fleet(all));
    expect(done.code, done.why).toBe(0);
    expect(three.map((host) => recapOf(done.events)[host]?.restarts)).toEqual([0, 0, 0]);
    await lab.must(fourth, "docker rm -f gone");
    await expectUntouched(fourth);
    expect(await lab.must(first, members)).toBe(`${three.join("\n")}\n`);
    expect(await lab.must(first, onNetwork)).toBe("stays \n");
    await expectWhole(playbook, of(three, three));

    await fine(playbook, [], fleet(all));
    await start(fourth, "lost");
    await labPowerOff(lab.spec, [fourth]);
    const dead = await remove(playbook, [fourth, "--dead"], fleet(all));
    expect(dead.code, dead.why).toBe(0);
    // Its address stays taken: the others still send there what is for it.
    const told = dead.events.flatMap((e) => (e.type === "message" ? [String(e.text)] : []));
    expect(told.join("\n")).toMatch(
      /on overlay_1 stay, of hosts that are dead: lost: .*disconnect -f overlay_1 lost/,
    );
    await expectWhole(playbook, of(three, three));

    const server = await remove(playbook, [first], fleet(of(three, three)));
    expect(server.code, server.why).toBe(0);
    await expectUntouched(first);
    const two = [second, third];
    for (const list of [peers, members]) expect(await lab.must(second, list)).toBe(`${two.join("\n")}\n`);
    await expectWhole(playbook, of(two, two));
    const last = await remove(playbook, [third], fleet(of(two, two)));
    expect([last.code, stepsOf(last.events)]).toEqual([2, []]);
    expect(last.stderr).toMatch(/without docker-202 consul would have no quorum/);

    // Nobody lets it into the store any more, and so it cannot know whether its network is still there.
    await whenBack(fourth, () => fine("playbooks/reset.ts", ["-l", fourth, "--force"], fleet(all)));
    await lab.must(fourth, "docker rm -f lost");
    await expectUntouched(fourth);
    await lab.must(second, "docker rm -f stays && docker network disconnect -f overlay_1 lost");
    await fine("playbooks/reset.ts", [], fleet(of(two, two)));
    for (const host of two) await expectUntouched(host);
  });
});
