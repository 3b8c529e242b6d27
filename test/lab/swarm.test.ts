import { beforeAll, describe, expect, test } from "vitest";
import { labPowerOff, labPowerOn, labReboot } from "../../src/lab/index.ts";
import { differences, snapshot } from "./snapshot.ts";
import {
  batchesOf,
  cellsOf,
  doneBy,
  full,
  idle,
  imageOr,
  inFull,
  messagesOf,
  type RunEventLike,
  recapOf,
  stepsOf,
  useLab,
} from "./support.ts";

const lab = useLab("test-swarm", 87, full ? 4 : 3, imageOr("docker28"));
const [first, second, third, fourth] = lab.names as [string, string, string, string];
const three = [first, second, third];
const playbook = "playbooks/swarm.ts";

/** Three hosts, of which these are managers. */
const fleet = (managers: readonly string[] = [first], hosts: readonly string[] = three) =>
  lab.inventory({ hosts, groups: { docker: hosts, swarm_manager: managers } });

async function fine(inventory = fleet(), args: readonly string[] = [], what = playbook) {
  const done = await lab.events(what, args, inventory);
  const wrong = done.events.filter((e) => e.error).map((e) => e.error);
  const unproved = cellsOf(done.events).filter(({ ok }) => !ok);
  expect(done.code, JSON.stringify([...wrong, ...unproved]) + done.stderr).toBe(0);
  return done;
}

const reached = (events: readonly RunEventLike[]) =>
  cellsOf(events).filter((cell) => cell.ok && cell.sourcePreserved).length;

/** The hosts and their roles, as a manager has them; those that are down are told. */
async function nodes(on = first): Promise<string[]> {
  const text = await lab.must(
    on,
    "docker node inspect -f '{{.Description.Hostname}} {{.Spec.Role}} {{.Status.State}}' $(docker node ls -q)",
  );
  return text.trim().split("\n").sort();
}

/** Looks for a token in the command line of any process, until the file is gone; its own pattern is none. */
const lookout = `: >/run/lookout; while [ -e /run/lookout ]; do
  grep -as 'SWMTK[N]' /proc/[0-9]*/cmdline >>/run/tokens-seen; sleep 0.02
done`;

describe.sequential("swarm", () => {
  const start = new Map<string, string[]>();
  beforeAll(async () => {
    for (const host of lab.names) await lab.must(host, "systemctl restart docker");
    for (const host of lab.names) start.set(host, await snapshot(lab, host));
  });

  test("a fresh lab: one swarm, a network on all hosts, names and all pairs; the tokens show nowhere", async () => {
    const check = await fine(fleet(), ["--check"]);
    expect(await snapshot(lab, second)).toEqual(start.get(second));
    expect(check.events.filter((e) => e.later !== undefined).map((e) => `${e.host} ${e.later}`)).toEqual(
      expect.arrayContaining([`${first} the swarm is started first`, `${second} the swarm is started first`]),
    );
    const watching = three.map((host) => lab.on(host, lookout));
    const { code, stdout, stderr } = await lab.run(playbook, ["-vv", "--output", "json"], fleet());
    for (const host of three) await lab.must(host, "rm /run/lookout");
    await Promise.all(watching);
    expect(code, stderr).toBe(0);
    const events = stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as RunEventLike);
    expect(reached(events)).toBe(6);
    expect(await nodes()).toEqual(
      three.map((host) => `${host} ${host === first ? "manager" : "worker"} ready`),
    );
    const token = (await lab.must(first, "docker swarm join-token -q worker")).trim();
    expect(token).toMatch(/^SWMTKN-/);
    expect(stdout + stderr).not.toContain(token);
    for (const host of three) {
      expect(await lab.must(host, "cat /run/tokens-seen; rm /run/tokens-seen"), host).toBe("");
      const kept =
        "grep -rlF 'SWMTKN-' /var/lib/causeway /etc /run /tmp; journalctl -o cat | grep -c 'SWMTK[N]'";
      expect((await lab.on(host, kept)).stdout, host).toBe("0\n");
    }
  });

  test("a second run has nothing to do; nor has one after all hosts rebooted, in another order", async () => {
    const again = await fine();
    expect(doneBy(again)).toEqual(idle(three));
    await labReboot(lab.spec, three);
    const after = await fine(fleet([first], three.toReversed()));
    expect(doneBy(after)).toEqual(idle(three));
    expect(reached(after.events)).toBe(6);
  });

  test("its ports answer the inventory's hosts, and nobody else", async () => {
    const ask = `timeout 3 sh -c ': </dev/tcp/${lab.net}.200/2377'`.replace("sh -c", "bash -c");
    expect((await lab.on(second, ask)).code).toBe(0);
    const stranger = `ip addr add ${lab.net}.77/24 dev host0; ip route add ${lab.net}.200 dev host0 src ${lab.net}.77
trap 'ip route del ${lab.net}.200; ip addr del ${lab.net}.77/24 dev host0' EXIT`;
    expect((await lab.on(second, `${stranger}; ${ask}`)).code).toBe(124);
  });

  inFull("the packets cross the wire in UDP 4789, and verify knows the swarm", async () => {
    const { events } = await fine(fleet(), ["--evidence"]);
    expect(cellsOf(events).map((cell) => (cell as { evidence?: { seen: string } }).evidence?.seen)).toEqual(
      Array(6).fill("UDP 4789 with the inner addresses inside"),
    );
    const verified = await fine(fleet(), [], "playbooks/verify.ts");
    expect(messagesOf(verified.events)).toContain("the hosts run swarm (swarm_1)");
  });

  inFull(
    "the data port filtered, a worker killed, a node that left by hand: each with its cause, or mended",
    async () => {
      const rule = `INPUT -p udp --dport 4789 -s ${lab.net}.201 -j DROP`;
      await lab.must(first, `iptables -I ${rule}`);
      const filtered = await lab.events(playbook, [], fleet());
      await lab.must(first, `iptables -D ${rule}`);
      expect(filtered.code).toBe(3);
      expect(cellsOf(filtered.events).flatMap(({ cause }) => cause ?? [])).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^data port filtered: UDP 4789 from docker-201 to docker-200 /),
        ]),
      );

      await lab.must(third, "kill -9 $(cat /run/docker.pid); sleep 1; systemctl start docker");
      await expect
        .poll(() => nodes(), { timeout: 60_000, interval: 1000 })
        .toContain(`${third} worker ready`);
      expect(doneBy(await fine())).toEqual(idle(three));

      await lab.must(third, "docker swarm leave");
      const away = await lab.events("playbooks/verify.ts", [], fleet());
      expect(away.code).toBe(3);
      expect(cellsOf(away.events).flatMap(({ cause }) => cause ?? [])).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^node down: docker-202 is not in the swarm: inactive/),
        ]),
      );
      const back = await fine();
      expect(stepsOf(back.events)).toEqual([
        expect.stringMatching(/^docker-200 swarm node docker-202 → forgotten/),
        expect.stringMatching(/^docker-202 swarm → worker at /),
      ]);
      expect(reached(back.events)).toBe(6);
    },
    1_500_000,
  );

  inFull(
    "another subnet: made anew, and its containers are back",
    async () => {
      await lab.must(second, "docker run -d --name web --network swarm_1 busybox sleep 9000");
      const { events } = await fine(fleet(), ["-e", "swarm_subnet=10.198.0.0/24"]);
      expect(reached(events)).toBe(6);
      const address = "docker inspect -f '{{.NetworkSettings.Networks.swarm_1.IPAddress}}' web";
      expect(await lab.must(second, address)).toMatch(/^10\.198\.0\./);
      await lab.must(second, "docker rm -f web");
      await fine();
    },
    1_500_000,
  );

  inFull(
    "three managers: promoted, one lost and back, demoted",
    async () => {
      const all = fleet(three);
      const promoted = await fine(all);
      expect(stepsOf(promoted.events)).toEqual([
        "docker-200 swarm node docker-201 → manager",
        "docker-200 swarm node docker-202 → manager",
      ]);
      await labPowerOff(lab.spec, [first]);
      // Its inventory has no lab: no run boots one that is off.
      const { inventory, sshConfig } = lab.plainInventory();
      const away = await lab.events(
        playbook,
        ["--ssh-config", sshConfig, "--timeout", "5", "-l", `!${fourth}`],
        inventory,
      );
      expect(away.code).toBe(4);
      expect(cellsOf(away.events).filter(({ ok }) => ok)).toHaveLength(2);
      await labPowerOn(lab.spec, [first]);
      await expect
        .poll(() => nodes(second), { timeout: 90_000, interval: 1000 })
        .toEqual(three.map((host) => `${host} manager ready`));
      // The inventory of the run without it named the fourth host, whose ports are closed again.
      await fine(all);
      expect(doneBy(await fine(all))).toEqual(idle(three));
      const demoted = await fine(fleet([second]));
      expect(await nodes(second)).toEqual(
        three.map((host) => `${host} ${host === second ? "manager" : "worker"} ready`),
      );
      expect(reached(demoted.events)).toBe(6);
      await fine(fleet([first]));
      await fine(fleet([first]));
    },
    1_500_000,
  );

  inFull(
    "a setting of Docker is rolled under it: the pairs of the other hosts lose nothing",
    async () => {
      const rolled = lab.playbook(
        "setting.ts",
        `import { definePlaybook, defineTask, restart, step, Type } from "causeway";
const setting = defineTask({ name: "setting", summary: "x", params: Type.Object({}), key: () => "x",
  read: (host) => host.file("/etc/docker/daemon.json"),
  present: (was) => was.content.includes('"max-concurrent-downloads"') ? []
    : [step.jsonKeys({ was, keys: { "max-concurrent-downloads": 2 }, causes: [restart("docker")] })] });
export default definePlaybook({ name: "setting", summary: "x", vars: Type.Object({}),
  plays: [{ title: "Set it", hosts: "docker", serial: 1, tasks: () => [setting({})] }] });`,
      );
      const done = await lab.events(rolled, ["-e", "interrupt_containers=true"], fleet());
      expect(done.code, JSON.stringify(done.events.filter((e) => e.error))).toBe(0);
      expect(batchesOf(done.events)).toEqual(three.map((host) => [host]));
      expect(doneBy(await fine())).toEqual(idle(three));
      expect((await lab.run("rollback", ["-e", "interrupt_containers=true"], fleet())).code).toBe(0);
    },
    1_500_000,
  );

  inFull(
    "a host added, removed, and one that is dead: the swarm knows those that are left",
    async () => {
      await fine(fleet([first], lab.names));
      expect(await nodes()).toContain(`${fourth} worker ready`);
      const removed = await fine(fleet([first], lab.names), [playbook, fourth], "remove");
      expect(recapOf(removed.events)[fourth]).toMatchObject({ failed: 0 });
      expect(await nodes()).toHaveLength(3);
      expect(differences(start.get(fourth) ?? [], await snapshot(lab, fourth))).toEqual([]);

      await fine(fleet([first], lab.names));
      await labPowerOff(lab.spec, [fourth]);
      const { inventory, sshConfig } = lab.plainInventory();
      const dead = await lab.events(
        "remove",
        [playbook, fourth, "--dead", "--ssh-config", sshConfig, "--timeout", "5"],
        inventory,
      );
      expect(dead.code, JSON.stringify(dead.events.filter((e) => e.error))).toBe(0);
      expect(await nodes()).toHaveLength(3);
      await labPowerOn(lab.spec, [fourth]);
      // It comes back with what it had, and takes it back itself.
      expect((await lab.run("playbooks/reset.ts", ["-l", fourth], fleet([first], lab.names))).code).toBe(0);
    },
    1_500_000,
  );

  inFull(
    "services of somebody's keep a reset from ending the swarm, and nothing is done to them",
    async () => {
      await lab.must(
        first,
        "docker service create -d --name theirs --replicas 1 --endpoint-mode dnsrr busybox sleep 9000",
      );
      const refused = await lab.events("playbooks/reset.ts", [], fleet());
      expect(refused.code).toBe(2);
      expect(JSON.stringify(refused.events.filter((e) => e.error))).toMatch(/services? run/);
      expect(await lab.must(first, "docker service ls --format '{{.Name}}'")).toBe("theirs\n");
      await lab.must(first, "docker service rm theirs; sleep 12");
      // What the reset did before it was kept from going on is there again.
      await fine();
    },
    1_500_000,
  );

  test("reset: every host is what it was, with a container of somebody's on the network", async () => {
    await lab.must(second, "docker run -d --name web --network swarm_1 busybox sleep 9000");
    await fine(fleet(), [], "playbooks/reset.ts");
    await lab.must(second, "docker rm -f web");
    for (const host of three)
      expect(differences(start.get(host) ?? [], await snapshot(lab, host)), host).toEqual([]);
  }, 1_500_000);

  inFull(
    "a swarm of somebody's is refused, byte for byte, whatever its state; so is live-restore",
    async () => {
      await lab.must(second, `docker swarm init --advertise-addr ${lab.net}.201 >/dev/null`);
      const before = await Promise.all(three.map((host) => snapshot(lab, host)));
      const refused = await lab.events(playbook, [], fleet());
      expect(refused.code).toBe(2);
      expect(JSON.stringify(refused.events)).toContain("a node of a swarm that causeway did not make");
      expect(await Promise.all(three.map((host) => snapshot(lab, host)))).toEqual(before);
      await lab.must(second, "docker swarm leave --force; docker network rm docker_gwbridge");

      await lab.must(
        second,
        `echo '{"live-restore": true}' >/etc/docker/daemon.json; systemctl restart docker`,
      );
      const live = await lab.events(playbook, [], fleet());
      expect(live.code).toBe(2);
      expect(JSON.stringify(live.events)).toContain("live-restore and a swarm exclude each other");
      await lab.must(second, "rm /etc/docker/daemon.json; systemctl restart docker");

      const encrypted = await lab.events(playbook, ["-e", "swarm_encrypted=true"], fleet());
      expect(encrypted.code).toBe(2);
      expect(JSON.stringify(encrypted.events)).toMatch(/cannot encrypt the network/);
      const two = await lab.run(playbook, [], fleet([first, second]));
      expect({ code: two.code, said: two.stderr }).toMatchObject({
        code: 6,
        said: expect.stringMatching(/two managers/),
      });
      const over = await lab.run(
        playbook,
        ["-e", `swarm_pool=${lab.net}.0/20`.replace(/\d+\.0\/20/, "0.0/16")],
        fleet(),
      );
      expect(over.code).toBe(6);
    },
    1_500_000,
  );
});
