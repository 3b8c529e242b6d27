import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fleetOf, retryOf, rolled, type Timed, third } from "./rolls.ts";
import { differences, snapshot } from "./snapshot.ts";
import { batchesOf, cellsOf, doneBy, full, idle, messagesOf, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-rolling-six", 41, 6);
const playbook = "playbooks/static-route.ts";
const each = (names = lab.names) => names.map((name) => [name]);

/**
 * A container on each host calls all others, at their old and at their new address, and writes down from when to when each
 * call took, and whether it was answered. A call of its own each time, because a ping that goes on holds back what it has to
 * say. The clock is the machine's: the lab's hosts have the same. It comes back with Docker's restart, and goes on.
 */
const calling = (addresses: readonly string[]) => `mkdir -p /run/six && rm -rf /run/six/*
cat >/run/six/go <<'END'
for to in ${addresses.join(" ")}; do
  (while :; do
    read -r from rest </proc/uptime; ping -c 1 -W 3 $to >/dev/null 2>&1; code=$?; read -r until rest </proc/uptime
    echo "$to $from $until $code" >>/six/log.$to; sleep 0.5
  done) &
done
wait
END
docker rm -f web >/dev/null 2>&1; docker run -d --name web --restart always -v /run/six:/six busybox sh /six/go`;

interface Call {
  to: string;
  from: number;
  until: number;
  answered: boolean;
}

async function callsOf(host: string): Promise<Call[]> {
  const lines = (await lab.must(host, "cat /run/six/log.*")).trim().split("\n");
  return lines.map((line) => {
    const [to = "", from, until, code] = line.split(" ");
    return { to, from: Number(from), until: Number(until), answered: code === "0" };
  });
}

/** What pairs lost while neither of their hosts had its turn, and how many calls were answered then. */
async function lossOutsideOfTurns(events: readonly Timed[], from: number, to: number) {
  const turns = events.filter((e) => e.type === "batch" && e.state === "started");
  const ends = [...turns.slice(1), ...events.slice(-1)].map(({ seen }) => seen);
  const lost: string[] = [];
  let answered = 0;
  for (const host of lab.names) {
    const calls = await callsOf(host);
    for (const [i, peer] of lab.names.entries()) {
      if (peer === host) continue;
      let moved = false;
      for (const [index, turn] of turns.entries()) {
        const hosts = turn.hosts as unknown as string[];
        moved ||= hosts.includes(peer);
        if (hosts.includes(host) || hosts.includes(peer)) continue;
        const address = `192.168.${third(moved ? to : from, i)}.2`;
        const within = calls.filter(
          (call) => call.to === address && call.from >= turn.seen && call.until <= (ends[index] ?? 0),
        );
        const unanswered = within.filter((call) => !call.answered).length;
        answered += within.length - unanswered;
        if (unanswered > 0 || within.length === 0)
          lost.push(`${host} → ${peer} in batch ${index + 1}: ${unanswered} of ${within.length}`);
      }
    }
  }
  return { lost, answered };
}

/** Puts callers on all hosts, rolls from one generation of subnets to the next, and counts. */
async function counted(from: number, to: number, serial: string) {
  const generations = [from, to];
  for (const host of lab.names) {
    const peers = lab.names.flatMap((name, i) => (name === host ? [] : [i]));
    await lab.must(host, calling(peers.flatMap((i) => generations.map((g) => `192.168.${third(g, i)}.2`))));
  }
  const result = await rolled(lab, fleetOf(lab, to), ["--serial", serial]);
  return { ...result, ...(await lossOutsideOfTurns(result.events, from, to)) };
}

const snapshots = (hosts: readonly string[]) => Promise.all(hosts.map((host) => snapshot(lab, host)));

describe.runIf(full).sequential("six hosts", () => {
  test("are given new subnets one by one: no pair of two hosts loses a packet outside of its turn", async () => {
    expect((await lab.run(playbook, [], fleetOf(lab, 0))).code).toBe(0);
    const { code, events, lost, answered } = await counted(0, 1, "1");
    expect(lost).toEqual([]);
    expect(code).toBe(0);
    expect(batchesOf(events)).toEqual(each());
    // Four of six turns are others', for each of 30 pairs.
    expect(answered).toBeGreaterThan(30 * 4);
    expect(doneBy(await lab.events(playbook, ["--serial", "1"], fleetOf(lab, 1)))).toEqual(idle(lab.names));
  });

  test("and one, then half of them, then the rest", async () => {
    const { code, events, lost, answered } = await counted(1, 2, "1,50%");
    const [first = "", second = "", ...others] = lab.names;
    expect(lost).toEqual([]);
    expect(code).toBe(0);
    expect(batchesOf(events)).toEqual([[first], [second, ...others.slice(0, 2)], others.slice(2)]);
    expect(
      events.filter((e) => e.type === "probe" && e.stage === "gate" && e.state === "passed"),
    ).toHaveLength(3);
    expect(answered).toBeGreaterThan(30);
  });

  const inventory = () => fleetOf(lab, 3);
  const args = ["--serial", "1", "--on-failure", "rollback"];
  const stood: string[][] = [];

  test("a daemon.json that dockerd refuses in the third batch: the roll stops, later hosts are untouched", async () => {
    const [, , broken = "", ...later] = lab.names;
    await lab.must(broken, `docker network create --subnet 192.168.${third(3, 2)}.0/24 other`);
    const before = await snapshots(later);
    const { code, events } = await rolled(lab, inventory(), args);
    expect(code).toBe(2);
    expect(batchesOf(events)).toEqual(each(lab.names.slice(0, 3)));
    expect(retryOf(lab)).toEqual([broken, ...later]);
    expect(messagesOf(events)).toContain("the batch was undone, and the gate holds again");
    // Their peers' new routes and rules were added beforehand, beside the old ones; Docker was left alone.
    for (const [i, host] of later.entries()) {
      const changes = differences(before[i] ?? [], await snapshot(lab, host));
      expect(
        changes.filter((line) => !/^[+-] (route|rule|path|sum) .*(202|CAUSEWAY|causeway)/.test(line)),
      ).toEqual([]);
    }
    await lab.must(broken, "docker network rm other");
    stood.push(...(await snapshots([broken, ...later])));
  });

  test("a rule that drops what comes: exit 3 with the cause; the batch is restored, and its gate holds again", async () => {
    const hosts = lab.names.slice(2);
    const [broken = ""] = hosts;
    const rule = `mangle -I FORWARD -d 192.168.${third(3, 2)}.0/24 -j DROP`;
    await lab.must(broken, `iptables -t ${rule}`);
    const { code, events } = await rolled(lab, inventory(), args);
    expect(code).toBe(3);
    expect(batchesOf(events)).toEqual([[broken]]);
    const failed = events.flatMap((e) => (e.matrix?.cells ?? []).filter(({ ok }) => !ok));
    expect(failed.map(({ from, to }) => `${from} → ${to}`)).toContain(`${lab.names[0]} → ${broken}`);
    expect(failed.filter(({ cause }) => cause === undefined)).toEqual([]);
    expect(messagesOf(events)).toContain("the batch was undone, and the gate holds again");
    await lab.must(broken, `iptables -t ${rule.replace("-I", "-D")}`);
    for (const [i, host] of hosts.entries())
      expect(differences(stood[i] ?? [], await snapshot(lab, host)), host).toEqual([]);
  });

  test("after mending, the same command begins with the third batch", async () => {
    const { code, events } = await rolled(lab, inventory(), args);
    expect(code).toBe(0);
    expect(batchesOf(events)).toEqual(each(lab.names.slice(2)));
    expect(cellsOf(events).filter(({ ok }) => ok)).toHaveLength(30);
    expect(stepsOf((await lab.events(playbook, args, inventory())).events)).toEqual([]);
    // Nothing is left to do, and nothing says so.
    expect(readdirSync(lab.folder)).not.toContain("static-route.retry");
    expect(readdirSync(join(lab.folder, "causeway-runs")).length).toBeGreaterThan(0);
  });

  test("with --on-failure stop the batch is left, and the command that is printed undoes it", async () => {
    const [first = ""] = lab.names;
    // Docker's restart would write down the gateway of one that has none.
    const subnet = `192.168.${third(4, 0)}`;
    await lab.must(first, `docker network create --subnet ${subnet}.0/24 --gateway ${subnet}.1 other`);
    const before = await snapshot(lab, first);
    const to = fleetOf(lab, 4);
    const { code, events } = await rolled(lab, to, ["--serial", "1"]);
    expect(code).toBe(2);
    const told = messagesOf(events).find((text) => text.startsWith("the batch is left")) ?? "";
    const [, command = ""] = /to undo it: run (.*)$/.exec(told) ?? [];
    expect(command).toContain(`-i ${to} -l ${first}`);
    const [what = "", ...rest] = command.split(" ");
    const undone = await lab.run(
      what,
      rest.filter((word) => word !== "-i" && word !== to),
      to,
    );
    expect(undone.code, undone.stdout + undone.stderr).toBe(0);
    expect(differences(before, await snapshot(lab, first))).toEqual([]);
    expect(readFileSync(join(lab.folder, "static-route.retry"), "utf8")).toContain(first);
  });
});
