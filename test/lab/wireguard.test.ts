import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { labReboot } from "../../src/lab/index.ts";
import { differences, snapshot } from "./snapshot.ts";
import {
  cellsOf,
  doneBy,
  full,
  idle,
  imageOr,
  inFull,
  type RunEventLike,
  recapOf,
  stepsOf,
  useLab,
} from "./support.ts";

const lab = useLab("test-wireguard", 71, full ? 3 : 2, imageOr("docker28"));
const playbook = "playbooks/wireguard.ts";
const pairs = full ? 6 : 2;
const key = "/etc/wireguard/wg-causeway0.key";

const start = new Map<string, string[]>();
beforeAll(async () => {
  // The first boot of all has units that no later one has.
  if (full) await labReboot(lab.spec, lab.names);
  // Docker's second start shows a gateway of its default network that its first one did not.
  await Promise.all(lab.names.map((host) => lab.must(host, "systemctl restart docker")));
  for (const host of lab.names) start.set(host, await snapshot(lab, host));
});

async function untouched() {
  for (const host of lab.names)
    expect(differences(start.get(host) ?? [], await snapshot(lab, host)), host).toEqual([]);
}

/** A run that ends well, and the pairs that it proved. */
async function fine(path: string, args: readonly string[] = [], inventory = lab.inventory()) {
  const run = await lab.fine(path, args, inventory);
  return { ...run, proved: cellsOf(run.events).filter(({ ok, sourcePreserved }) => ok && sourcePreserved) };
}

/** The causes of the pairs that fail, by `FROM TO`. */
async function causes(): Promise<Record<string, string>> {
  const { code, events } = await lab.events("playbooks/verify.ts");
  expect(code).toBe(3);
  const failed = cellsOf(events).filter(({ ok }) => !ok);
  return Object.fromEntries(failed.map(({ from, to, cause = "" }) => [`${from} ${to}`, cause]));
}

const proves = async () => (await fine("playbooks/verify.ts")).proved.length;
const isMissing = (events: readonly RunEventLike[], ...secrets: string[]) =>
  secrets.every((secret) => secret.length === 44 && !JSON.stringify(events).includes(secret));

describe.sequential("wireguard", () => {
  inFull(
    "refuses what is somebody's, and a host that could not encrypt, before anything is changed",
    async () => {
      const refused = async (words: RegExp, ...args: string[]) => {
        const { code, stderr, stdout } = await lab.run(playbook, args);
        expect(stdout + stderr).toMatch(words);
        expect(code).toBe(2);
        expect(
          await lab.must("docker-200", "ls /etc/wireguard /var/lib/causeway 2>/dev/null || true"),
        ).not.toMatch(/wg-causeway|runs/);
      };
      await lab.must("docker-201", "ip link add wg-causeway0 type bridge");
      await refused(/docker-201.*causeway did not make wg-causeway0/);
      await lab.must("docker-201", "ip link del wg-causeway0");
      await lab.must("docker-201", "systemd-run -q --unit taken --socket-property=ListenDatagram=51820 true");
      await refused(/docker-201.*another program has the UDP port 51820/);
      await lab.must("docker-201", "systemctl stop taken.socket");
      await refused(/docker-200.*the kernel of this host has no WireGuard/, "-e", "wg_implementation=kernel");
      await lab.must("docker-201", ": >/run/no-device; mount --bind /run/no-device /dev/net/tun");
      await refused(/docker-201.*has no \/dev\/net\/tun/);
      await lab.must("docker-201", "umount /dev/net/tun; rm /run/no-device");
      await untouched();
    },
  );

  test("all pairs, encrypted on the wire; nothing to do in the second run; each private key is in its file alone", async () => {
    const check = await lab.events(playbook, ["--check"]);
    expect(check.events.filter((e) => e.later !== undefined).map((e) => e.later)).toContain(
      full ? "the keys of docker-201, docker-202 are made first" : "the keys of docker-201 are made first",
    );
    const { events, proved } = await fine(playbook, ["--evidence", "--diff", "-v"]);
    expect(proved).toHaveLength(pairs);
    for (const { evidence, largestPacket } of proved as { evidence?: object; largestPacket?: number }[])
      expect({ evidence, largestPacket }).toEqual({
        evidence: { ok: true, seen: "UDP 51820 encrypted at both ends, the inner addresses bare nowhere" },
        largestPacket: 1420,
      });
    const again = await lab.events(playbook, ["--no-verify", "-v"]);
    expect(doneBy(again)).toEqual(idle(lab.names));
    for (const host of lab.names) {
      const secret = (await lab.must(host, `cat ${key}`)).trim();
      expect(isMissing([...events, ...again.events], secret)).toBe(true);
      expect(
        await lab.must(host, `stat -c '%a %U' ${key}; grep -rlF '${secret}' /etc /var/lib /run /root /tmp`),
      ).toBe(`600 root\n${key}\n`);
      expect(await lab.must(host, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).not.toContain(secret);
    }
  });

  inFull("comes back after all hosts reboot at once, without a run", async () => {
    await labReboot(lab.spec, lab.names);
    expect(await proves()).toBe(pairs);
    expect(doneBy(await lab.events(playbook, ["--no-verify"]))).toEqual(idle(lab.names));
  });

  inFull("a wireguard-go that is killed comes back with its routes", async () => {
    const routes = "ip route show proto 202";
    const before = await lab.must("docker-200", routes);
    await lab.must("docker-200", "kill -9 $(pidof wireguard-go)");
    await expect.poll(() => lab.must("docker-200", routes), { timeout: 20_000 }).toBe(before);
    expect(await proves()).toBe(pairs);
    expect(doneBy(await lab.events(playbook, ["--no-verify"]))).toEqual(idle(lab.names));
  });

  inFull(
    "UDP that is blocked one way is named, with the rule; as a tunnel, and as no handshake",
    async () => {
      const rule = `INPUT -p udp --dport 51820 -s ${lab.net}.200 -j DROP`;
      await lab.must("docker-201", `iptables -I ${rule}`);
      expect((await causes())["docker-200 docker-201"]).toMatch(
        /^one-way tunnel: UDP 51820 from docker-200 to docker-201 .*docker-201 drops it by INPUT/,
      );
      // Both forget the keys on which they agreed.
      for (const host of ["docker-200", "docker-201"]) await lab.must(host, "systemctl restart wg-causeway0");
      const found = await causes();
      expect(Object.keys(found).sort()).toEqual(["docker-200 docker-201", "docker-201 docker-200"]);
      expect(found["docker-200 docker-201"]).toMatch(
        /^no handshake: docker-200 and docker-201 have never met: UDP 51820 does not get through/,
      );
      await lab.must("docker-201", `iptables -D ${rule}`);
      const unmet = "wg show wg-causeway0 latest-handshakes | cut -f 2 | grep -cx 0 || true";
      await expect.poll(() => lab.must("docker-200", unmet), { timeout: 60_000 }).toBe("0\n");
      expect(await proves()).toBe(pairs);
    },
  );

  inFull(
    "a device that is gone, and subnets that a peer has lost, are causes; a run repairs them alone",
    async () => {
      await lab.must("docker-201", "systemctl stop wg-causeway0");
      expect((await causes())["docker-200 docker-201"]).toBe(
        "device gone: docker-201 has no wg-causeway0, and its unit is inactive",
      );
      const up = await fine(playbook);
      expect(stepsOf(up.events)).toEqual(["docker-201 unit wg-causeway0.service → enabled, active"]);
      expect(up.proved).toHaveLength(pairs);

      const peer = (await lab.must("docker-201", `wg pubkey <${key}`)).trim();
      await lab.must("docker-200", `wg set wg-causeway0 peer '${peer}' allowed-ips 10.9.9.0/24`);
      expect((await causes())["docker-200 docker-201"]).toMatch(
        /^AllowedIPs: docker-200 has no way to 192\.168\.200\.\d+ by docker-201: it is no peer's/,
      );
      const told = await fine(playbook);
      expect(stepsOf(told.events)).toEqual([]);
      expect(recapOf(told.events)["docker-200"]).toMatchObject({ changed: 1, restarts: 0 });
      expect(told.proved).toHaveLength(pairs);
    },
  );

  inFull("a host that moved to another address is found there, without a restart", async () => {
    const [old, moved] = [`${lab.net}.201`, `${lab.net}.231`];
    const move = (to: string) =>
      lab.must(
        "docker-201",
        `ip addr flush dev host0; ip addr add ${to}/24 dev host0; ip route replace default via ${lab.net}.1`,
      );
    const { inventory, sshConfig } = lab.plainInventory();
    const there = lab.playbook("moved.yaml", readFileSync(inventory, "utf8").replaceAll(old, moved));
    await move(moved);
    const anyKey = ["--ssh-config", sshConfig, "--host-key-checking", "off"];
    const found = await fine(playbook, anyKey, there);
    expect(stepsOf(found.events).map((step) => step.split(" → ")[0])).toEqual([
      "docker-200 file /etc/wireguard/wg-causeway0.conf",
      "docker-202 file /etc/wireguard/wg-causeway0.conf",
    ]);
    expect(Object.values(recapOf(found.events)).map(({ restarts }) => restarts)).toEqual([0, 0, 0]);
    expect(found.proved).toHaveLength(pairs);
    await move(old);
    expect((await fine(playbook)).proved).toHaveLength(pairs);
  });

  inFull("new keys on all hosts under running pings; a rollback brings the old ones back", async () => {
    const partly = await lab.run(playbook, ["-e", "wg_generation=1", "-l", "docker-200"]);
    expect(partly.stderr).toMatch(/new keys are made on all hosts in one run, or on none/);
    expect(partly.code).toBe(2);

    const old = await lab.must("docker-200", `cat ${key}`);
    const { events } = await fine(playbook, ["-e", "wg_generation=1", "--watch"]);
    const watched = events.find((e) => e.type === "watched")?.pairs as { sent: number; lost: number }[];
    const sum = (what: "sent" | "lost") => watched.reduce((all, pair) => all + pair[what], 0);
    console.info(`keys replaced: ${sum("lost")} of ${sum("sent")} packets lost on ${watched.length} pairs`);
    expect(watched).toHaveLength(pairs);
    // A machine that is busy may lose some; a gap at the switch would be every pair's.
    expect(watched.filter(({ lost }) => lost > 0).length).toBeLessThan(pairs);
    expect(await lab.must("docker-200", "ls /etc/wireguard; wg show interfaces")).toBe(
      "wg-causeway1.conf\nwg-causeway1.key\nwg-causeway1.up\nwg-causeway1\n",
    );
    expect(doneBy(await lab.events(playbook, ["--no-verify", "-e", "wg_generation=1"]))).toEqual(
      idle(lab.names),
    );

    const back = await lab.run("rollback");
    expect(back.code).toBe(0);
    expect(await lab.must("docker-200", `cat ${key}; wg show interfaces`)).toBe(`${old}wg-causeway0\n`);
    expect(doneBy(await lab.events(playbook, ["--no-verify"]))).toEqual(idle(lab.names));
    expect(await proves()).toBe(pairs);
    await fine(playbook, ["-e", "wg_generation=1"]);
  });

  inFull("a roll of another subnet, and a host taken out", async () => {
    const vars = { wg_generation: 1 };
    const of = { "docker-201": { bip: "192.168.201.1/24" } };
    const rolled = await fine(playbook, ["--serial", "1"], lab.inventory({ vars, of }));
    expect(rolled.proved).toHaveLength(pairs);
    expect(await lab.must("docker-200", "wg show wg-causeway1 allowed-ips")).not.toContain(
      "192.168.200.0/24",
    );

    const inventory = lab.inventory({ vars, of });
    expect((await lab.run("remove", ["wireguard", "docker-202"], inventory)).code).toBe(0);
    expect(await lab.must("docker-200", "grep -c Peer /etc/wireguard/wg-causeway1.conf")).toBe("1\n");
    expect(differences(start.get("docker-202") ?? [], await snapshot(lab, "docker-202"))).toEqual([]);
    const hosts = lab.names.slice(0, 2);
    expect((await fine(playbook, [], lab.inventory({ vars, of, hosts }))).proved).toHaveLength(2);
  });

  inFull("a reset leaves the hosts as they were", async () => {
    expect((await lab.run("playbooks/reset.ts")).code).toBe(0);
    await untouched();
  });
});
