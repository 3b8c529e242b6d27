import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect } from "vitest";
import { labConnection, labReboot } from "../../src/lab/index.ts";
import { labPaths } from "../../src/lab/paths.ts";
import { snapshots as allOf, cutOff, cutOffArgs, errorsOf, isOff, rolledBack, since } from "./cut-off.ts";
import { differences, snapshot } from "./snapshot.ts";
import {
  batchesOf,
  doneBy,
  execute,
  full,
  idle,
  inFull,
  messagesOf,
  type RunEventLike,
  stepsOf,
  type TestLab,
  useLab,
} from "./support.ts";

const subnets = ["fd00:30:100::/64", "fd00:30:200::/64"];

/** An IPv6 address of each host's, which it has again after a reboot, and one of this machine's. */
async function withIpv6(lab: TestLab, network: string): Promise<readonly string[]> {
  const addresses = lab.spec.hosts.map(({ address }) => `${network}${address.split(".").at(-1)}`);
  const unit = (address: string) => `[Unit]
Before=network-online.target docker.service
After=lab-network.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip -6 addr replace ${address}/64 dev host0 nodad
[Install]
WantedBy=multi-user.target network-online.target
`;
  await Promise.all(
    lab.names.map((host, i) =>
      lab.must(
        host,
        `cat >/etc/systemd/system/own-ipv6.service <<'END'
${unit(addresses[i] ?? "")}END
systemctl daemon-reload && systemctl enable -q --now own-ipv6.service`,
      ),
    ),
  );
  const { outer } = labPaths(lab.spec.name);
  await execute(["ip", "-6", "addr", "replace", `${network}1/64`, "dev", outer, "nodad"]);
  return addresses;
}

const matricesOf = (events: readonly RunEventLike[]) => events.flatMap(({ matrix }) => matrix ?? []);

/** The pairs of all proofs. */
const cellsIn = (events: readonly RunEventLike[]) => matricesOf(events).flatMap(({ cells }) => cells);

/** How many pairs each of the proofs reached, by its title. */
function reachedBy(events: readonly RunEventLike[]): Record<string, number> {
  return Object.fromEntries(
    matricesOf(events).map(({ title = "", cells }) => [
      title,
      cells.filter(({ ok, sourcePreserved }) => ok && sourcePreserved).length,
    ]),
  );
}

const both = (network: string) => ({
  [`containers on ${network}`]: 2,
  [`containers on ${network}, IPv6`]: 2,
});

function throughIpv6(lab: TestLab) {
  const [, second, third] = lab.net.split(".");
  const network = `fd00:${second}:${third}::`;
  let addresses: readonly string[] = [];
  beforeAll(async () => {
    addresses = await withIpv6(lab, network);
  });
  const of = () =>
    Object.fromEntries(
      lab.names.map((host, i) => [host, { fixed_cidr_v6: subnets[i], host_ipv6: addresses[i] }]),
    );
  const inventory = () => lab.inventory({ of: of() });
  const fine = (playbook: string, args: readonly string[] = [], from = inventory()) =>
    lab.fine(playbook, args, from);
  const snapshots = () => Promise.all(lab.names.map((host) => snapshot(lab, host)));
  const playbook = "playbooks/static-route.ts";

  inFull(
    "static-route: both families with evidence, after a reboot, and a reset that leaves no trace",
    async () => {
      await Promise.all(lab.names.map((host) => lab.must(host, "systemctl restart docker")));
      const before = await snapshots();
      const { events } = await fine(playbook, ["--evidence"]);
      expect(reachedBy(events)).toEqual(both("bridge"));
      expect(cellsIn(events).map(({ evidence }) => evidence)).toEqual(
        Array(4).fill({ ok: true, seen: "bare inner addresses" }),
      );

      await labReboot(lab.spec, lab.names);
      expect(reachedBy((await fine("playbooks/verify.ts")).events)).toEqual(both("bridge"));
      expect(doneBy(await fine(playbook, ["--no-verify"]))).toEqual(idle(lab.names));

      await fine("playbooks/reset.ts");
      for (const [i, now] of (await snapshots()).entries())
        expect(differences(before[i] ?? [], now), lab.names[i]).toEqual([]);
    },
  );

  inFull("hosts that are reached over IPv6 alone; what breaks IPv6 is named, and IPv4 goes on", async () => {
    const { privateKeyFile, knownHostsFile } = labConnection(lab.spec);
    const known = lab.spec.hosts.reduce(
      (text, { address }, i) => text.replaceAll(address, addresses[i] ?? ""),
      readFileSync(knownHostsFile, "utf8"),
    );
    writeFileSync(join(lab.folder, "known_hosts"), known);
    const config = join(lab.folder, "ssh_config_6");
    writeFileSync(config, `Host *\n  UserKnownHostsFile ${join(lab.folder, "known_hosts")}\n`);
    const over6 = ["--ssh-config", config];
    const hosts = Object.fromEntries(
      lab.spec.hosts.map(({ name, address }, i) => [
        name,
        {
          ansible_host: addresses[i],
          host_ipv4: address,
          bip: `192.168.${i + 1}00.1/24`,
          fixed_cidr_v6: subnets[i],
        },
      ]),
    );
    const vars = { ansible_user: "root", ansible_ssh_private_key_file: privateKeyFile };
    const plain = join(lab.folder, "over-ipv6.yaml");
    writeFileSync(plain, JSON.stringify({ all: { children: { docker: { hosts, vars } } } }));
    expect(reachedBy((await fine(playbook, over6, plain)).events)).toEqual(both("bridge"));

    const faults: [string, string, RegExp][] = [
      [
        "docker-200",
        "ip -6 route del fd00:30:200::/64",
        /^missing route: docker-200 has no route to fd00:30:200::\S+ by docker-201/,
      ],
      [
        "docker-201",
        "ip6tables -I FORWARD -s fd00:30:100::/64 -j DROP; ip6tables -I DOCKER-USER -s fd00:30:100::/64 -j DROP; true",
        /^FORWARD drop: docker-201 drops it by (FORWARD|DOCKER-USER) -s fd00:30:100::\/64 -j DROP/,
      ],
      [
        "docker-201",
        "sysctl -qw net.ipv6.conf.all.forwarding=0",
        /^forwarding off: docker-201 does not forward \(net.ipv6.conf.all.forwarding = 0\)/,
      ],
    ];
    for (const [host, command, cause] of faults) {
      await lab.must(host, command);
      const broken = await lab.events("playbooks/verify.ts", over6, plain);
      expect([command, broken.code, reachedBy(broken.events)["containers on bridge"]]).toEqual([
        command,
        3,
        2,
      ]);
      const failed = cellsIn(broken.events).filter(({ ok }) => !ok);
      expect(failed.map((cell) => cell.cause)).toEqual(failed.map(() => expect.stringMatching(cause)));
      await lab.must(
        host,
        "for c in FORWARD DOCKER-USER; do ip6tables -D $c -s fd00:30:100::/64 -j DROP; done 2>/dev/null; true",
      );
      expect(reachedBy((await fine(playbook, over6, plain)).events)).toEqual(both("bridge"));
    }
    await fine("playbooks/reset.ts", over6, plain);

    const beforeCut = await allOf(lab);
    const how = "no packet of IPv6";
    const { code, events } = await lab.events(cutOff, [...cutOffArgs(lab, how, 8), ...over6], plain);
    expect(code).toBe(2);
    expect(errorsOf(events)).toEqual(expect.arrayContaining(rolledBack(lab)));
    expect(await since(lab, beforeCut)).toEqual([]);
    expect(await isOff(lab)).toBe(true);
  });

  inFull(
    "macvlan: both families with evidence, with shims after a reboot, and a reset that leaves no trace",
    async () => {
      await Promise.all(lab.names.map((host) => lab.must(host, "systemctl restart docker")));
      const before = await snapshots();
      // The subnet of the hosts' own segment: their addresses in it are nobody's.
      const from = lab.inventory({ of: of(), vars: { macvlan_subnet6: `${network}/64` } });
      const macvlan = "playbooks/macvlan.ts";
      const { events } = await fine(macvlan, ["--evidence"], from);
      expect(reachedBy(events)).toEqual(both("macvlan_1"));
      const between = cellsIn(events).filter((cell) => cell.from !== cell.to);
      expect(between.map(({ evidence }) => evidence)).toEqual(
        Array(4).fill({ ok: true, seen: "the children's own MACs" }),
      );
      expect(doneBy(await fine(macvlan, ["--no-verify"], from))).toEqual(idle(lab.names));

      const starts = ["leaving", "chosen --network-alias www", `asked --ip6 ${network}55`].map(
        (words) => `docker run -d --network macvlan_1 --name ${words} busybox sleep 9000`,
      );
      await lab.must("docker-200", `${starts.join(" && ")} && docker rm -f leaving`);
      const addresses = () =>
        lab.must(
          "docker-200",
          "for c in chosen asked; do docker inspect -f '{{with .NetworkSettings.Networks.macvlan_1}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}' $c; done",
        );
      const had = await addresses();
      expect(had).toContain(`${network}55`);
      const shims = ["-e", JSON.stringify({ macvlan_shim: true, macvlan_aux: { nas: `${network}9` } })];
      expect(stepsOf((await fine(macvlan, shims, from)).events)).toEqual(
        lab.names.flatMap((host) => [
          expect.stringMatching(
            `^${host} link macvlan-shim → macvlan on host0, .*, ${network}[7f]f, the way to `,
          ),
          expect.stringMatching(`^${host} network macvlan_1 → macvlan .* without .*nas=${network}9 `),
        ]),
      );
      expect(await addresses()).toBe(had);
      await lab.must("docker-200", "docker rm -f chosen asked");

      await labReboot(lab.spec, lab.names);
      const verified = await fine("playbooks/verify.ts", [], from);
      expect(messagesOf(verified.events)).toContain("the hosts run macvlan (macvlan_1, IPv4 and IPv6)");
      expect(reachedBy(verified.events)).toEqual(both("macvlan_1"));
      // Each host and its own container, in both families.
      expect(cellsIn(verified.events).filter((cell) => cell.from === cell.to && cell.ok)).toHaveLength(4);
      expect(doneBy(await fine(macvlan, [...shims, "--no-verify"], from))).toEqual(idle(lab.names));

      await lab.must("docker-201", `ip -6 addr add ${network}5/64 dev host0 nodad`);
      const refused = await lab.run(macvlan, [], from);
      expect([refused.code, refused.stderr]).toEqual([
        2,
        expect.stringContaining("a container of docker-200 could get the address of docker-201 itself"),
      ]);
      await lab.must("docker-201", `ip -6 addr del ${network}5/64 dev host0`);

      await fine("playbooks/reset.ts");
      for (const [i, now] of (await snapshots()).entries())
        expect(differences(before[i] ?? [], now), lab.names[i]).toEqual([]);
    },
  );

  inFull("wireguard: both families in one encrypted link, and a reset that leaves no trace", async () => {
    await Promise.all(lab.names.map((host) => lab.must(host, "systemctl restart docker")));
    const before = await snapshots();
    const { events } = await fine("playbooks/wireguard.ts", ["--evidence"]);
    expect(reachedBy(events)).toEqual(both("bridge"));
    expect(cellsIn(events).map(({ evidence }) => evidence)).toEqual(
      Array(4).fill({ ok: true, seen: expect.stringMatching(/^UDP 51820 encrypted at both ends/) }),
    );
    expect(doneBy(await fine("playbooks/wireguard.ts", ["--no-verify"]))).toEqual(idle(lab.names));
    await fine("playbooks/reset.ts");
    for (const [i, now] of (await snapshots()).entries())
      expect(differences(before[i] ?? [], now), lab.names[i]).toEqual([]);
  });
}

describe.runIf(full).sequential("Docker 26", () => {
  throughIpv6(useLab("test-ipv6-26", 63, 2, "trixie"));
});

describe.runIf(full).sequential("Docker 28", () => {
  throughIpv6(useLab("test-ipv6-28", 64, 2, "docker28"));
});

interface WatchedLike {
  title: string;
  pairs: { from: string; to: string; reached: boolean; lost: number; gaps: unknown[] }[];
}

/** Of the pairs that a host is no part of, by the watch's title: how many there are, and the packets that they lost. */
function beside(host: string, events: readonly RunEventLike[]): Record<string, string> {
  const all = events.filter(({ type }) => type === "watched") as unknown as WatchedLike[];
  return Object.fromEntries(
    all.map(({ title, pairs }) => {
      const others = pairs.filter(({ from, to, reached }) => reached && from !== host && to !== host);
      const lost = others.reduce((sum, pair) => sum + pair.lost, 0);
      return [title, `${others.length} pairs lost ${lost}`];
    }),
  );
}

/** A fleet that changes: one host after the other, back again, and without a host. WireGuard's packets go over IPv6. */
describe.runIf(full).sequential("three hosts", () => {
  const lab = useLab("test-ipv6-three", 65, 3, "trixie");
  const [first = "", second = "", third = ""] = lab.names;
  const nets = ["fd00:30:100::/64", "fd00:30:200::/64", "fd00:30:210::/64"];
  const ours = "ip -6 route show proto 202; ip6tables-save | grep CAUSEWAY; true";
  let addresses: readonly string[] = [];
  const before: string[][] = [];
  beforeAll(async () => {
    addresses = await withIpv6(lab, "fd00:10:65::");
    await Promise.all(lab.names.map((host) => lab.must(host, "systemctl restart docker")));
    before.push(...(await allOf(lab)));
  });
  /** The inventory; `moved` is what the second host has otherwise. */
  const inventory = (hosts: readonly string[] = lab.names, moved: object = {}) => {
    const own = (i: number) => ({
      fixed_cidr_v6: nets[i],
      host_ipv6: addresses[i],
      wg_endpoint: addresses[i],
      ...(i === 1 ? moved : {}),
    });
    const of = Object.fromEntries(lab.names.map((host, i) => [host, own(i)]));
    return lab.inventory({ hosts, of, vars: { container_network_v6: "fd00:30::/32" } });
  };
  const all = (pairs: number) => ({
    "containers on bridge": pairs,
    "containers on bridge, IPv6": pairs,
  });

  inFull.each(["static-route", "wireguard"])(
    "%s: one host's other subnets by --serial 1, a rollback, and a host taken out",
    async (name) => {
      const playbook = `playbooks/${name}.ts`;
      expect(reachedBy((await lab.fine(playbook, [], inventory())).events)).toEqual(all(6));

      const moved = inventory(lab.names, { bip: "192.168.201.1/24", fixed_cidr_v6: "fd00:30:201::/64" });
      expect(
        await lab.must(first, "ip6tables -S CAUSEWAY-FORWARD | grep -c 'fd00:30::/32.* -j ACCEPT'"),
      ).toBe("2\n");
      const { events } = await lab.fine(playbook, ["--serial", "1", "--watch"], moved);
      expect(batchesOf(events)).toEqual([[second]]);
      expect(reachedBy(events)).toEqual(all(6));
      expect(beside(second, events)).toEqual({
        "containers on bridge": "2 pairs lost 0",
        "containers on bridge, IPv6": "2 pairs lost 0",
      });
      expect(await lab.must(first, ours)).not.toContain("fd00:30:200:");
      expect(doneBy(await lab.fine(playbook, ["--no-verify"], moved))).toEqual(idle(lab.names));

      expect((await lab.run("rollback", [], moved)).code).toBe(0);
      const back = await lab.fine(playbook, [], inventory());
      expect(doneBy(back)).toEqual(idle(lab.names));
      expect(reachedBy(back.events)).toEqual(all(6));
      expect(await lab.must(first, ours)).not.toContain("fd00:30:201:");

      expect((await lab.run("remove", [name, third], inventory())).code).toBe(0);
      for (const host of [first, second]) expect(await lab.must(host, ours)).not.toContain("fd00:30:210:");
      expect(differences(before[2] ?? [], await snapshot(lab, third))).toEqual([]);
      const two = inventory([first, second]);
      const rest = await lab.fine(playbook, [], two);
      expect(doneBy(rest)).toEqual(idle([first, second]));
      expect(reachedBy(rest.events)).toEqual(all(2));

      await lab.fine("playbooks/reset.ts", [], inventory());
      expect(
        (await allOf(lab)).flatMap((now, i) => differences(before[i] ?? [], now).map((d) => `${i} ${d}`)),
      ).toEqual([]);
    },
  );

  inFull("wireguard over IPv6: encrypted there, and what drops it is named by its own tables", async () => {
    const playbook = "playbooks/wireguard.ts";
    const { events } = await lab.fine(playbook, ["--evidence"], inventory());
    expect(reachedBy(events)).toEqual(all(6));
    expect(cellsIn(events).map(({ evidence }) => evidence)).toEqual(
      Array(12).fill({ ok: true, seen: expect.stringMatching(/^UDP 51820 encrypted at both ends/) }),
    );
    expect(await lab.must(first, "wg show wg-causeway0 endpoints | cut -f 2 | sort")).toBe(
      `${addresses
        .slice(1)
        .map((address) => `[${address}]:51820`)
        .join("\n")}\n`,
    );
    const rule = `-p udp -m udp --dport 51820 -j DROP`;
    await lab.must(second, `iptables -I INPUT ${rule}`);
    expect(reachedBy((await lab.fine("playbooks/verify.ts", [], inventory())).events)).toEqual(all(6));
    await lab.must(second, `iptables -D INPUT ${rule}; ip6tables -I INPUT -s ${addresses[0]} ${rule}`);
    const broken = await lab.events("playbooks/verify.ts", [], inventory());
    expect(broken.code).toBe(3);
    const failed = cellsIn(broken.events).filter(({ ok }) => !ok);
    expect(failed.map(({ from, to }) => [from, to].sort().join())).toEqual(
      Array(4).fill(`${first},${second}`),
    );
    for (const { cause, command } of failed as { cause?: string; command?: string }[])
      expect([cause, command]).toEqual([
        expect.stringMatching(
          /^one-way tunnel: UDP 51820 from docker-200 to docker-201 .*docker-201 drops it by INPUT -s fd00:10:65::200\/128 /,
        ),
        "ip6tables -vnL INPUT",
      ]);
    await lab.must(second, `ip6tables -D INPUT -s ${addresses[0]} ${rule}`);
    await lab.fine("playbooks/reset.ts", [], inventory());
  });
});
