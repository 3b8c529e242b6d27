import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import {
  cellsOf,
  doneBy,
  full,
  idle,
  inFull,
  messagesOf,
  type RunEventLike,
  recapOf,
  stepsOf,
  useLab,
} from "./support.ts";

const lab = useLab("test-flannel-roll", 44, 6);
const playbook = "playbooks/flannel.ts";
const members = lab.names.slice(0, 3);
const standIn = join(packageDir, "src/lab/flanneld-stand-in.sh");

const inventory = (vars: object = {}) =>
  lab.inventory({
    vars: { flannel_binary: standIn, interrupt_containers: true, ...vars },
    groups: { etcd: members },
  });

/** The batches that were begun, and since when the machine was up then, in seconds; `end` is when the run ended. */
interface Batch {
  hosts: readonly string[];
  began: number;
  end: number;
}

function batchesOf(events: readonly RunEventLike[], title: string): Batch[] {
  const run = String(events.find((e) => e.type === "run")?.id);
  const [, day = "", time = "", ms = ""] = /^(\d{8})T(\d{6})(\d{3})Z/.exec(run) ?? [];
  const parted = (text: string, by: string) => text.replace(/(..)(..)$/, `${by}$1${by}$2`);
  const started = Date.parse(`${parted(day, "-")}T${parted(time, ":")}.${ms}Z`);
  const up = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) - Date.now() / 1000;
  const when = (e: RunEventLike | undefined) => (started + Number(e?.at)) / 1000 + up;
  const begun = events.filter((e) => e.type === "batch" && e.state === "started" && e.play === title);
  const last = events.at(-1);
  return begun.map((e, index) => ({
    hosts: e.hosts as unknown as string[],
    began: when(e),
    end: when(begun[index + 1] ?? last),
  }));
}

/**
 * Five times a second one packet to each peer, and when which answer came. The clock is the machine's, which the lab's hosts
 * share. A container that runs it begins again after Docker's restart.
 */
const loop = `trap 'exit 0' TERM
for peer; do
  (while :; do
    read -r now _ </proc/uptime; echo "$now $peer began"
    ping -i 0.2 "$peer" 2>/dev/null | while read -r line; do
      read -r now _ </proc/uptime; echo "$now $peer $line"
    done
    sleep 0.2
  done >>/watch/log) &
done
wait
`;

const address = (host: string) =>
  lab.must(host, "docker inspect -f '{{.NetworkSettings.IPAddress}}' web").then((text) => text.trim());

/** The time between two answers of a pair, and how many packets between them had none. */
interface Wait {
  from: string;
  to: string;
  since: number;
  until: number;
  lost: number;
}

/** Starts on every host a container that watches all others. */
async function watch(): Promise<void> {
  // Where they will be is known once they are there: each is the only container of its host.
  const of = async (host: string) =>
    (await lab.must(host, ". /run/flannel/subnet.env; echo $FLANNEL_SUBNET")).trim().replace(/1\/24$/, "2");
  const addresses = await Promise.all(lab.names.map(of));
  await Promise.all(
    lab.names.map(async (host, index) => {
      const peers = addresses.filter((_, other) => other !== index).join(" ");
      await lab.must(
        host,
        `mkdir -p /watch; cat >/watch/loop.sh <<'LOOP'\n${loop}LOOP\ndocker run -d --name web --restart always -v /watch:/watch busybox sh /watch/loop.sh ${peers}`,
      );
      expect(await address(host)).toBe(addresses[index]);
    }),
  );
}

/** What each pair heard since it was last asked. */
async function heard(): Promise<Wait[]> {
  const hosts = new Map(
    await Promise.all(lab.names.map(async (host) => [await address(host), host] as const)),
  );
  const logs = await Promise.all(
    lab.names.map(async (from) => {
      const text = await lab.must(from, "cp /watch/log /watch/read; : >/watch/log; cat /watch/read");
      return [...hosts].flatMap(([peer, to]) => waitsIn(text, peer).map((wait) => ({ from, to, ...wait })));
    }),
  );
  return logs.flat();
}

function waitsIn(text: string, peer: string): Omit<Wait, "from" | "to">[] {
  const waits: Omit<Wait, "from" | "to">[] = [];
  let last: { at: number; seq: number } | undefined;
  for (const line of text.split("\n")) {
    const [, up = "", to, began, number] = /^([\d.]+) (\S+) (?:(began)|.* seq=(\d+) )/.exec(line) ?? [];
    if (to !== peer) continue;
    const at = Number(up);
    const seq = began ? -1 : Number(number);
    if (last && seq > last.seq) waits.push({ since: last.at, until: at, lost: seq - last.seq - 1 });
    // What began anew is measured from its last answer; an answer that comes late changes nothing.
    if (began || !last || seq > last.seq) last = { at: began && last ? last.at : at, seq };
  }
  return waits;
}

/** What was lost although neither end was being changed. */
const astray = (waits: readonly Wait[], batches: readonly Batch[]) =>
  waits.filter(
    ({ from, to, since, until, lost }) =>
      lost > 0 &&
      !batches.some(
        ({ hosts, began, end }) =>
          (hosts.includes(from) || hosts.includes(to)) && until >= began && since <= end,
      ),
  );

const pairsOf = (waits: readonly Wait[]) => new Set(waits.map(({ from, to }) => `${from} ${to}`)).size;

const lostOf = (waits: readonly Wait[]) => waits.reduce((sum, { lost }) => sum + lost, 0);

/** In numbers, for the page of the scheme. */
function figures(what: string, waits: readonly Wait[]): void {
  const longest = Math.max(...waits.map(({ since, until }) => until - since));
  const all = waits.length + lostOf(waits);
  console.log(`${what}: at most ${longest.toFixed(1)} s without an answer, ${lostOf(waits)} of ${all} lost`);
}

/**
 * A read of each member that only a quorum answers, again and again, and how many of them answered. One that is asked while
 * the leader changes may never answer, and is asked once more.
 */
const askEtcd = `rm -f /run/asked; touch /run/ask; (
ask() { curl -s -m 3 -d '{"key":"Lw=="}' http://${lab.net}.$1:2379/v3beta/kv/range | grep -q raft_term; }
while [ -e /run/ask ]; do
  for n in 200 201 202; do { { ask $n || ask $n; } && echo $n; } & done | wc -l >>/run/asked
  sleep 0.2
done) >/dev/null 2>&1 &`;

/** etcd as an archive, as a host that is no member serves it. */
async function servedEtcd() {
  const sum = await lab.must(
    "docker-203",
    `mkdir -p /srv/www/etcd && cd /srv/www
for deb in /srv/packages/etcd-*.deb; do dpkg-deb -x "$deb" /srv/unpacked; done
mv /srv/unpacked/usr/bin/etcd /srv/unpacked/usr/bin/etcdctl etcd && tar -czf etcd.tar.gz etcd
busybox httpd -p 8092 -h /srv/www; sha256sum <etcd.tar.gz`,
  );
  return { etcd_url: `http://${lab.net}.203:8092/etcd.tar.gz`, etcd_sha256: sum.slice(0, 64) };
}

describe.runIf(full).sequential("flannel, rolled over six hosts with three members of etcd", () => {
  beforeAll(async () => {
    const { code, events, stderr } = await lab.events(
      playbook,
      ["--serial", "1", "--no-verify"],
      inventory(),
    );
    // A first run is no roll: nothing stands that could be lost, and the members wait for each other.
    expect(code, stderr).toBe(0);
    expect(events.filter((e) => e.type === "batch")).toEqual([]);
    expect(messagesOf(events)).toContain(
      "“Start etcd, open to these hosts only” is done on all hosts at once: its members wait for each other",
    );
    await watch();
  });

  inFull("another flanneld: host by host, and no pair of other hosts loses a packet", async () => {
    const binary = join(lab.folder, "flanneld");
    writeFileSync(binary, readFileSync(standIn, "utf8").replace("v0.13.0", "v0.13.1"), { mode: 0o755 });
    const newer = inventory({ flannel_binary: binary });
    await heard();
    const { code, events, stderr } = await lab.events(playbook, ["--serial", "1"], newer);
    expect(code, stderr).toBe(0);
    const batches = batchesOf(events, "Give every host a lease, and docker0 its address");
    expect(batches.map(({ hosts }) => hosts)).toEqual(lab.names.map((host) => [host]));
    for (const host of lab.names) expect(recapOf(events)[host]).toMatchObject({ restarts: 1 });
    const waits = await heard();
    expect(pairsOf(waits)).toBe(30);
    expect(astray(waits, batches)).toEqual([]);
    figures("flanneld rolled", waits);
    expect(doneBy(await lab.events(playbook, ["--serial", "1"], newer))).toEqual(idle(lab.names));
    expect((await lab.events(playbook, ["--serial", "1"], inventory())).code).toBe(0);
  });

  inFull(
    "etcd's members get other programs one after the other, with the quorum proved in between and never lost",
    async () => {
      const archived = inventory(await servedEtcd());
      const pids = () =>
        Promise.all(members.map((host) => lab.must(host, "systemctl show -p MainPID --value etcd")));
      const before = await pids();
      await lab.must("docker-203", askEtcd);
      await heard();
      const { code, events, stderr } = await lab.events(playbook, [], archived);
      await lab.must("docker-203", "rm /run/ask; sleep 7");
      expect(code, stderr).toBe(0);
      const title = "Start etcd, open to these hosts only";
      expect(batchesOf(events, title).map(({ hosts }) => hosts)).toEqual(members.map((host) => [host]));
      const proofs = events.filter((e) => e.type === "probe" && e.name === "store-health" && e.matrix);
      expect(proofs.map(({ stage, state }) => [stage, state])).toEqual([
        ["before the first batch", "passed"],
        ...members.map(() => ["gate", "passed"]),
      ]);
      for (const { matrix } of proofs) expect(matrix?.cells).toHaveLength(9);
      const after = await pids();
      for (const [index, pid] of after.entries()) expect(pid).not.toBe(before[index]);
      const asked = (await lab.must("docker-203", "cat /run/asked")).trim().split("\n").map(Number);
      expect(asked.length).toBeGreaterThan(10);
      console.log(`etcd rolled: ${asked.length} times asked, at least ${Math.min(...asked)} of 3 answered`);
      expect(Math.min(...asked)).toBeGreaterThanOrEqual(1);
      // flanneld needs no etcd for what it knows.
      const waits = await heard();
      expect(pairsOf(waits)).toBe(30);
      expect(waits.filter(({ lost }) => lost > 0)).toEqual([]);
      for (const host of members)
        expect(await lab.must(host, "readlink /proc/$(pidof etcd)/exe")).toBe("/usr/local/bin/etcd\n");
      expect(stepsOf((await lab.events(playbook, [], archived)).events)).toEqual([]);
    },
  );

  inFull(
    "with one of three members away no other one is restarted, and the same command goes on",
    async () => {
      for (const host of members) await lab.must(host, "echo '# changed' >>/etc/default/etcd");
      await lab.must("docker-202", "systemctl stop etcd");
      const refused = await lab.run(playbook, ["--no-verify"], inventory());
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain("would end the quorum of its cluster");
      expect(refused.stderr).toContain("not well: docker-202");
      // As the refusal says.
      await lab.must("docker-202", "systemctl start etcd");
      const again = await lab.events(playbook, ["--no-verify"], inventory());
      expect(again.code).toBe(0);
      expect(stepsOf((await lab.events(playbook, ["--no-verify"], inventory())).events)).toEqual([]);
    },
  );

  inFull("another backend: refused with --serial, else at once on all hosts, and it says so", async () => {
    const hostGw = inventory({ flannel_backend: "host-gw" });
    const refused = await lab.run(playbook, ["--serial", "1"], hostGw);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(
      /docker0 its address” cannot be done in batches\n +found +--serial 1, and flannel_backend vxlan → host-gw\n/,
    );
    const said =
      "“Give every host a lease, and docker0 its address” is done on all hosts at once: flannel_backend vxlan → host-gw";
    const check = await lab.events(playbook, ["--check"], hostGw);
    expect(messagesOf(check.events)).toContain(said);
    await heard();
    const { code, events } = await lab.events(playbook, [], hostGw);
    expect(code).toBe(0);
    expect(messagesOf(events)).toContain(said);
    expect(events.filter((e) => e.type === "batch")).toEqual([]);
    expect(cellsOf(events).filter(({ ok }) => ok)).toHaveLength(30);
    const waits = await heard();
    expect(pairsOf(waits)).toBe(30);
    figures("backend changed", waits);
    expect(doneBy(await lab.events(playbook, ["--serial", "1"], hostGw))).toEqual(idle(lab.names));
  });
});
