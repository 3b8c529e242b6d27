import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import {
  batchesOf,
  cellsOf,
  doneBy,
  execute,
  idle,
  inFull,
  type RunEventLike,
  recapOf,
  stepsOf,
  useLab,
} from "./support.ts";

const lab = useLab("test-rolling", 22, 3);
const playbook = "playbooks/static-route.ts";
const routes = "ip -4 route show proto 202";
const [first = "", second = "", third = ""] = lab.names;

/** The fleet with other subnets: `{ "docker-200": 101 }` is 192.168.101.1/24. */
const moved = (to: Record<string, number>) =>
  lab.inventory({
    vars: { interrupt_containers: true },
    of: Object.fromEntries(
      Object.entries(to).map(([host, third]) => [host, { bip: `192.168.${third}.1/24` }]),
    ),
  });

/** The pairs that failed in any proof of a run, and why. */
const failedOf = (events: readonly RunEventLike[]) =>
  events.flatMap(({ stage, matrix }) =>
    (matrix?.cells ?? []).filter(({ ok }) => !ok).map((c) => `${stage}: ${c.from} → ${c.to}: ${c.cause}`),
  );

/** What the host's routes were, each time they changed, until it is told to stop. */
const watchRoutes = `rm -f /run/watch.log; touch /run/watch; (while [ -e /run/watch ]; do
  now=$(${routes} | awk '{ print $1 }' | sort | tr '\\n' ' '); [ "$now" = "$was" ] || { echo "$now" >>/run/watch.log; was=$now; }; sleep 0.1
done) >/dev/null 2>&1 &`;

describe.sequential("a roll", () => {
  test("of one host's bip: the two others lose nothing, have both routes meanwhile, and then the new one alone", async () => {
    const inventory = lab.inventory({ vars: { interrupt_containers: true } });
    expect((await lab.run(playbook, ["--no-verify"], inventory)).code).toBe(0);
    for (const host of lab.names)
      await lab.must(host, "docker run -d --name web --restart always busybox sleep 100000");
    const address = "docker inspect -f '{{.NetworkSettings.IPAddress}}' web";
    const peer = (await lab.must(third, address)).trim();
    await lab.must(second, watchRoutes);
    // Five a second, until it is told to end and says what it lost.
    await lab.must(
      second,
      `docker exec -d web sh -c 'ping -i 0.2 ${peer} >/ping.log & echo $! >/ping.pid; wait'`,
    );

    const { code, events } = await lab.events(playbook, ["--serial", "1"], moved({ [first]: 101 }));
    await lab.must(second, "rm /run/watch; docker exec web sh -c 'kill -INT $(cat /ping.pid); sleep 1'");
    const said = await lab.must(second, "docker exec web cat /ping.log");
    expect(code).toBe(0);
    expect(batchesOf(events, "started")).toEqual([[first]]);
    const [, sent, received] = /(\d+) packets transmitted, (\d+) packets received/.exec(said) ?? [];
    expect(Number(sent)).toBeGreaterThan(10);
    expect(received).toBe(sent);

    const [old, both, alone] = ["100", "100 101", "101"].map((nets) =>
      [...nets.split(" "), "210"].map((net) => `192.168.${net}.0/24`).join(" "),
    );
    const seen = (await lab.must(second, "cat /run/watch.log")).trim().split(/ *\n/);
    expect(seen).toEqual([old, both, alone]);
    // It ran before, and Docker's restart brought it back, with an address of the new subnet.
    expect((await lab.must(first, address)).trim()).toMatch(/^192\.168\.101\./);
    expect(cellsOf(events).filter(({ ok }) => ok)).toHaveLength(6);
    expect(doneBy(await lab.events(playbook, ["--serial", "1"], moved({ [first]: 101 })))).toEqual(
      idle(lab.names),
    );
  });

  inFull("a check shows the batches, and changes nothing", async () => {
    const before = await snapshot(lab, second);
    const inventory = moved({ [first]: 101, [second]: 201, [third]: 211 });
    const { code, events } = await lab.events(playbook, ["--check", "--serial", "1"], inventory);
    expect(code).toBe(0);
    expect(batchesOf(events, "planned")).toEqual([[second], [third]]);
    expect(differences(before, await snapshot(lab, second))).toEqual([]);
  });

  inFull(
    "a batch that fails is the last one: it is restored, later hosts are untouched, the same command goes on there",
    async () => {
      // dockerd refuses a bip whose subnet another network has.
      await lab.must(second, "docker network create --subnet 192.168.201.0/24 other");
      const inventory = moved({ [first]: 102, [second]: 201, [third]: 211 });
      const args = ["--serial", "1", "--on-failure", "rollback"];
      // What only adds is done everywhere before the first batch; here it is done beforehand, to compare with it.
      const before = await lab.events(playbook, ["--serial", "1"], inventory);
      expect(failedOf(before.events)).toEqual([]);
      expect(before.code).toBe(2);
      expect(batchesOf(before.events, "started")).toEqual([[first], [second]]);
      const stood = await Promise.all([second, third].map((host) => snapshot(lab, host)));
      const { code, events } = await lab.events(playbook, args, inventory);
      expect(code).toBe(2);
      expect(batchesOf(events, "started")).toEqual([[second]]);
      expect(events.find((e) => e.type === "recap")).toMatchObject({ undone: [second], notBegun: [third] });
      for (const [index, host] of [second, third].entries())
        expect(differences(stood[index] ?? [], await snapshot(lab, host)), host).toEqual([]);
      // Both are still reached where they are, and the one that is changed where it is now.
      expect(await lab.must(third, routes)).toMatch(/192\.168\.102\.0.*192\.168\.200\.0/s);
      const matrix = await lab.events("playbooks/verify.ts", [], inventory);
      expect(cellsOf(matrix.events).filter(({ ok }) => ok)).toHaveLength(6);

      await lab.must(second, "docker network rm other");
      const mended = await lab.events(playbook, args, inventory);
      expect(mended.code).toBe(0);
      expect(batchesOf(mended.events, "started")).toEqual([[second], [third]]);
      expect(recapOf(mended.events)[first]).toMatchObject({ restarts: 0 });
      expect(stepsOf((await lab.events(playbook, args, inventory)).events)).toEqual([]);
      for (const host of lab.names)
        expect(await lab.must(host, "docker inspect -f '{{.State.Running}}' web"), host).toBe("true\n");
    },
  );

  inFull(
    "the command that is printed takes back just that batch, as --on-failure rollback does",
    async () => {
      const inventory = moved({ [first]: 102, [second]: 205, [third]: 211 });
      await lab.must(third, "iptables -I FORWARD -d 192.168.205.0/24 -j DROP");
      const snapshots = () => Promise.all(lab.names.map((host) => snapshot(lab, host)));
      const undone = await lab.events(playbook, ["--serial", "1", "--on-failure", "rollback"], inventory);
      expect(undone.code).toBe(3);
      const expected = await snapshots();

      const left = await lab.events(playbook, ["--serial", "1"], inventory);
      expect(left.code).toBe(3);
      expect(await lab.must(second, "cat /etc/docker/daemon.json")).toContain("192.168.205.1/24");
      const said = left.events.flatMap((e) => (e.type === "message" ? [String(e.text)] : []));
      const [, command = ""] =
        /to undo it: run (rollback .*)$/.exec(said.find((text) => text.includes("to undo it")) ?? "") ?? [];
      expect(command).toMatch(new RegExp(`^rollback .* --play 2 -l ${second}$`));
      const pasted = await execute([join(packageDir, "run"), ...command.split(" ")], { cwd: lab.folder });
      expect(pasted.code).toBe(0);
      for (const [index, now] of (await snapshots()).entries())
        expect(differences(expected[index] ?? [], now), lab.names[index]).toEqual([]);
      // What was added first stays, where others may need it by now.
      expect(await lab.must(first, routes)).toMatch(/192\.168\.20[01]\.0.*192\.168\.205\.0/s);

      await lab.must(third, "iptables -D FORWARD -d 192.168.205.0/24 -j DROP");
      expect((await lab.events(playbook, ["--serial", "1"], inventory)).code).toBe(0);
    },
  );

  inFull("two hosts that swap subnets are refused with --serial, and done at once without it", async () => {
    const inventory = moved({ [first]: 205, [second]: 102, [third]: 211 });
    const before = await Promise.all(lab.names.map((host) => snapshot(lab, host)));
    const words = `${first} gets 192.168.205.0/24, and ${second} still has 192.168.205.0/24`;
    const check = await lab.run(playbook, ["--check"], inventory);
    expect(check.stdout).toContain(`is done on all hosts at once: ${words}`);
    const refused = await lab.run(playbook, ["--serial", "1"], inventory);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`--serial 1, and ${words}`);
    const limited = await lab.run(playbook, ["-l", first], inventory);
    expect(limited.stderr).toContain("has to be done on all hosts in one run");
    for (const [index, host] of lab.names.entries())
      expect(differences(before[index] ?? [], await snapshot(lab, host)), host).toEqual([]);
    const { code, events } = await lab.events(playbook, [], inventory);
    expect(code).toBe(0);
    expect(cellsOf(events).filter(({ ok }) => ok)).toHaveLength(6);
    expect(doneBy(await lab.events(playbook, [], inventory))).toEqual(idle(lab.names));
  });
});
