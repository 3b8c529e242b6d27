import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { readPcap } from "../../src/net/pcap.ts";
import { packageDir } from "../../src/package-dir.ts";
import { cellsOf, full, inFull, inFullOnOldDocker, type RunEventLike, useLab } from "./support.ts";

const lab = useLab("test-proof", 13, 2);
const [a, b] = ["docker-200", "docker-201"] as const;
const prove = join(packageDir, "test/lab/playbooks/prove.ts");
const flannel_binary = join(packageDir, "src/lab/flanneld-stand-in.sh");
const inventory = () => lab.inventory({ vars: { flannel_binary } });

interface Cell {
  from: string;
  to: string;
  ok: boolean;
  largestPacket?: number;
  nameResolved?: boolean;
  evidence?: { ok: boolean; seen: string };
  cause?: string;
  command?: string;
  commandOn?: string;
}

/** What was broken is mended after each test, whatever came of it. */
let mend: [string, string][] = [];
afterEach(async () => {
  for (const [host, script] of mend.splice(0)) await lab.on(host, script);
});

async function breakWire(host: string, script: string, repair: string): Promise<void> {
  mend = [[host, repair], ...mend];
  await lab.must(host, script);
}

/** The proof alone, and its cells by pair: `docker-200 docker-201`. */
async function proof(wire: string, args: readonly string[] = []) {
  const { code, events, stderr } = await lab.events(prove, ["-e", `wire=${wire}`, ...args], inventory());
  const cells = new Map((cellsOf(events) as Cell[]).map((cell) => [`${cell.from} ${cell.to}`, cell]));
  if (cells.size === 0) throw new Error(JSON.stringify(events.filter((e) => e.error)) + stderr);
  return { code, cells, events, there: cells.get(`${a} ${b}`), back: cells.get(`${b} ${a}`) };
}

async function apply(playbook: string, args: readonly string[] = []): Promise<RunEventLike[]> {
  const { events } = await lab.fine(playbook, args, inventory());
  return events;
}

/** Nothing that the proof started is left: no container, no capture, no file. */
async function expectClean(): Promise<void> {
  for (const host of lab.names) {
    expect(
      await lab.must(host, "docker ps -aq; pgrep -x tcpdump; ls -d /run/causeway-* 2>/dev/null; true"),
    ).toBe("");
  }
}

const address = (host: string) => (host === a ? `${lab.net}.200` : `${lab.net}.201`);

describe.sequential("the proof of static-route", () => {
  test("evidence: bare inner addresses, kept as a file a pair for its owner only", async () => {
    const events = await apply("playbooks/static-route.ts", ["--evidence"]);
    const cells = cellsOf(events) as Cell[];
    expect(cells.map((c) => c.evidence)).toEqual([
      { ok: true, seen: "bare inner addresses" },
      { ok: true, seen: "bare inner addresses" },
    ]);
    expect(cells.map((c) => c.largestPacket)).toEqual([1500, 1500]);
    const folder = join(lab.folder, capturesOf(events));
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(folder).sort()).toEqual([`bridge_${a}_${b}.pcap`, `bridge_${b}_${a}.pcap`]);
    for (const file of readdirSync(folder)) {
      expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
      expect(readPcap(readFileSync(join(folder, file)))?.length).toBeGreaterThan(5);
    }
    await expectClean();
  });

  test("a host without tcpdump: named with its package, and the pings go on", async () => {
    await breakWire(
      b,
      "mv /usr/sbin/tcpdump /usr/sbin/tcpdump.off 2>/dev/null || mv /usr/bin/tcpdump /usr/bin/tcpdump.off",
      "for d in /usr/sbin /usr/bin; do [ -e $d/tcpdump.off ] && mv $d/tcpdump.off $d/tcpdump; done; true",
    );
    const { code, there } = await proof("routed", ["--evidence"]);
    expect(code).toBe(3);
    expect(there).toMatchObject({
      lossPercent: 0,
      sourcePreserved: true,
      cause: `evidence: not captured: tcpdump is not installed on ${b}`,
      command: "apt-get install tcpdump",
      commandOn: b,
    });
    await expectClean();
  });

  test("a deleted route: missing route, in both directions, on the host that lost it", async () => {
    await breakWire(
      a,
      "ip route del 192.168.200.0/24",
      `ip route replace 192.168.200.0/24 via ${address(b)} proto 202`,
    );
    const { code, there, back } = await proof("routed");
    expect(code).toBe(3);
    expect(there?.cause).toMatch(
      /^missing route: docker-200 has no route to 192\.168\.200\.\d+ by docker-201/,
    );
    expect(there?.command).toMatch(/^ip route get 192\.168\.200\.\d+$/);
    expect(back).toMatchObject({ commandOn: a });
    expect(back?.cause).toMatch(/^missing route: docker-200/);
  });

  test("an inserted DROP: the rule, with its counter that moved", async () => {
    const rule = "DOCKER-USER -s 192.168.100.0/24 -d 192.168.200.0/24 -p icmp -j DROP";
    await breakWire(b, `iptables -I ${rule}`, `iptables -D ${rule}`);
    const { there, back } = await proof("routed");
    for (const cell of [there, back]) {
      expect(cell?.cause).toMatch(
        /^FORWARD drop: docker-201 drops it by DOCKER-USER -s 192\.168\.100\.0\/24 -d 192\.168\.200\.0\/24 -p icmp -j DROP \(\+\d+ packets\)$/,
      );
      expect(cell?.command).toBe("iptables -vnL DOCKER-USER");
    }
    expect(there?.commandOn).toBe(b);
    expect(Number(/\+(\d+) packets/.exec(there?.cause ?? "")?.[1])).toBeGreaterThanOrEqual(5);
  });

  test("an MTU of 1400 on the underlay: MTU, with the device and the size that still crosses", async () => {
    await breakWire(a, "ip link set dev host0 mtu 1400", "ip link set dev host0 mtu 1500");
    const { code, there } = await proof("routed");
    expect(code).toBe(3);
    expect(there?.largestPacket).toBe(1400);
    expect(there?.cause).toMatch(
      /^MTU: no packet of more than 1400 bytes .* promises 1500; host0 of docker-200 has an MTU of 1400$/,
    );
  });

  inFull("masquerading switched on: masqueraded source, with the rule", async () => {
    const rule = "POSTROUTING -s 192.168.100.0/24 -o host0 -j MASQUERADE";
    await breakWire(a, `iptables -t nat -I ${rule}`, `iptables -t nat -D ${rule}`);
    const { there, back } = await proof("routed", ["--evidence"]);
    expect(there?.cause).toMatch(/^masqueraded source: .*MASQUERADE/);
    expect(there?.evidence).toEqual({
      ok: false,
      seen: expect.stringContaining(`${address(a)} instead of the inner address`),
    });
    expect(back?.ok).toBe(true);
  });

  inFull("the same where the far side lets it in: the address that it saw", async () => {
    const rule = "POSTROUTING -s 192.168.100.0/24 -o host0 -j MASQUERADE";
    await breakWire(a, `iptables -t nat -I ${rule}`, `iptables -t nat -D ${rule}`);
    await breakWire(b, "iptables -I DOCKER-USER -j ACCEPT", "iptables -D DOCKER-USER -j ACCEPT");
    const { there } = await proof("routed");
    expect(there?.cause).toContain(`saw ${address(a)} instead of 192.168.100.`);
  });

  inFull("pairs that are to be kept apart, and are not", async () => {
    const { code, there } = await proof("routed", ["-e", "apart=true"]);
    expect(code).toBe(3);
    expect(there).toMatchObject({ ok: false, cause: "reached, although it is to be kept apart" });
  });
});

describe.runIf(full).sequential("the proof of flannel", () => {
  test("evidence: UDP 8472 with the inner addresses inside; packets of 1450 bytes", async () => {
    const cells = cellsOf(await apply("playbooks/flannel.ts", ["--evidence"])) as Cell[];
    expect(cells.map((c) => [c.evidence, c.largestPacket])).toEqual(
      Array(2).fill([{ ok: true, seen: "UDP 8472 with the inner addresses inside" }, 1450]),
    );
  });

  test("UDP 8472 blocked one way: a one-way tunnel, with its direction", async () => {
    const rule = `INPUT -s ${address(a)}/32 -p udp -m udp --dport 8472 -j DROP`;
    await breakWire(b, `iptables -I ${rule}`, `iptables -D ${rule}`);
    const { there, back } = await proof("flannel-vxlan");
    const way = `one-way tunnel: UDP 8472 from ${a} to ${b} does not get through`;
    expect(there?.cause).toContain(`${way}: the request leaves and does not arrive; ${b} drops it by INPUT`);
    expect(back?.cause).toContain(`${way}: the answer leaves and does not arrive; ${b} drops it by INPUT`);
    expect(there?.commandOn).toBe(b);
  });

  inFull("a far end that another's flanneld has not heard of", async () => {
    const mac = (await lab.must(b, "cat /sys/class/net/flannel.1/address")).trim();
    const other = "0e:f1:00:00:00:01";
    // The kernel forgets the neighbours of a device with another address; a flanneld that starts knows them.
    const repair = `ip link set flannel.1 address ${mac}; systemctl restart flanneld docker`;
    await breakWire(b, `ip link set flannel.1 address ${other}`, repair);
    const { there } = await proof("flannel-vxlan");
    expect(there?.cause).toMatch(
      `${a} knows ${mac} for ${b}, whose flannel.1 has ${other}; restart flanneld on ${a}`,
    );
  });

  inFull("an MTU of 1400 on the tunnel's device", async () => {
    await breakWire(a, "ip link set dev flannel.1 mtu 1400", "ip link set dev flannel.1 mtu 1450");
    const { there } = await proof("flannel-vxlan");
    expect(there?.cause).toMatch(/^MTU: .*flannel\.1 of docker-200 has an MTU of 1400$/);
  });

  inFull("an MTU of 1400 below the tunnel, which cuts its packets in pieces", async () => {
    await breakWire(a, "ip link set dev host0 mtu 1400", "ip link set dev host0 mtu 1500");
    const { there } = await proof("flannel-vxlan");
    expect(there?.cause).toMatch(/^MTU: .*host0 of docker-200 has an MTU of 1400$/);
  });

  test("no lease: flanneld that cannot have one, and Docker that waits for it", async () => {
    await breakWire(
      b,
      "systemctl stop docker.socket docker flanneld; rm -f /run/flannel/subnet.env",
      "systemctl start docker.socket docker",
    );
    const { there, back } = await proof("flannel-vxlan");
    for (const cell of [there, back])
      expect(cell?.cause).toMatch(/^no lease: docker-201 has no \/run\/flannel\/subnet\.env/);
  });

  inFull("evidence of host-gw: bare inner addresses", async () => {
    const events = await apply("playbooks/flannel.ts", ["--evidence", "-e", "flannel_backend=host-gw"]);
    expect((cellsOf(events) as Cell[]).map((c) => c.evidence?.seen)).toEqual(
      Array(2).fill("bare inner addresses"),
    );
  });
});

describe.sequential("the proof of macvlan and overlay", () => {
  inFull("macvlan's evidence: the children's own MACs, and nothing on docker0", async () => {
    const cells = (cellsOf(await apply("playbooks/macvlan.ts", ["--evidence"])) as Cell[]).filter(
      (c) => c.from !== c.to,
    );
    expect(cells.map((c) => c.evidence)).toEqual(
      Array(2).fill({ ok: true, seen: "the children's own MACs" }),
    );
    expect(cells.map((c) => c.largestPacket)).toEqual([1500, 1500]);
  });

  inFullOnOldDocker("overlay's evidence, its names, and UDP 4789 blocked one way", async () => {
    const cells = cellsOf(await apply("playbooks/overlay.ts", ["--evidence"])) as Cell[];
    expect(cells.map((c) => [c.evidence, c.largestPacket, c.nameResolved])).toEqual(
      Array(2).fill([{ ok: true, seen: "UDP 4789 with the inner addresses inside" }, 1450, true]),
    );
    const rule = `INPUT -s ${address(a)}/32 -p udp -m udp --dport 4789 -j DROP`;
    await breakWire(b, `iptables -I ${rule}`, `iptables -D ${rule}`);
    const { there } = await proof("overlay", ["-e", "network=overlay_1"]);
    expect(there?.cause).toContain(`one-way tunnel: UDP 4789 from ${a} to ${b} does not get through`);
  });

  inFullOnOldDocker("store unreachable", async () => {
    await breakWire(b, "systemctl stop consul", "systemctl start consul");
    const { there } = await proof("overlay", ["-e", "network=overlay_1"]);
    expect(there?.cause).toMatch(/^store unreachable: docker-201 asked consul:/);
  });
});

function capturesOf(events: readonly RunEventLike[]): string {
  const matrix = events.findLast((e) => e.matrix)?.matrix as { captures?: string } | undefined;
  return matrix?.captures ?? "";
}
