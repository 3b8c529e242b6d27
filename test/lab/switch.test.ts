import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { labPowerOff, labPowerOn } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import {
  cutOff,
  cutOffArgs,
  errorsOf,
  expectOnTime,
  isOff,
  knocking,
  rolledBack,
  since,
  snapshots,
  started,
  until,
} from "./cut-off.ts";
import { differences, snapshot } from "./snapshot.ts";
import { execute, full, inFull, messagesOf, type RunEventLike, recapOf, useLab } from "./support.ts";

const lab = useLab("test-timer", 51, 3);
const [first = "", second = "", third = ""] = lab.names;
const seconds = 8;
const args = (how: string, wait = seconds, vars = {}) => cutOffArgs(lab, how, wait, vars);
const command = (...words: string[]) => execute([join(packageDir, "run"), ...words], { cwd: lab.folder });
const runOf = (events: readonly RunEventLike[]) =>
  String(events.find(({ type }) => type === "run")?.id ?? "");
const allOff = () => isOff(lab);

/** Kills a run with -9 once that step has begun on these hosts. */
async function killedIn(what: string, hosts: readonly string[] = lab.names, wait = seconds): Promise<void> {
  const begun = new Set<string>();
  await lab.follow(cutOff, args(what, wait), (event, send) => {
    if (started(what)(event)) begun.add(String(event.host));
    if (hosts.every((host) => begun.has(host))) send("SIGKILL");
  });
}

/** Pulls the plug, and waits until the host has booted and holds still. */
async function powerCut(host: string): Promise<void> {
  await labPowerOff(lab.spec, [host]);
  await labPowerOn(lab.spec, [host]);
  await lab.must(host, "until systemctl is-active -q docker; do sleep 0.2; done");
  await until(() => isOff(lab, [host]));
}

/** A firewall that lets SSH in by one rule, and a restart of Docker that takes away this rule and all routes, of both families. */
const flushes = `mkdir -p /etc/systemd/system/docker.service.d
cat >/etc/systemd/system/docker.service.d/flush.conf <<'END'
[Service]
ExecStartPost=/bin/sh -c "ip route flush table main; iptables -F INPUT; ip -6 route flush table main; ip6tables -F INPUT"
END
systemctl daemon-reload
for t in iptables ip6tables; do $t -A INPUT -i lo -j ACCEPT; $t -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT; $t -P INPUT DROP; done
ip route add 198.51.100.0/24 via ${lab.net}.1
ip -6 addr add fd00:51::2/64 dev host0 nodad; ip -6 route add 2001:db8::/32 via fd00:51::1`;
const noFlush = `rm -r /etc/systemd/system/docker.service.d; systemctl daemon-reload
for t in iptables ip6tables; do $t -P INPUT ACCEPT; $t -F INPUT; done
ip route del 198.51.100.0/24; ip -6 addr del fd00:51::2/64 dev host0`;

beforeAll(async () => {
  // Docker's second start shows a gateway of its default network that its first one did not, and containerd's makes a folder.
  await Promise.all(lab.names.map((host) => lab.must(host, "systemctl restart containerd docker")));
});

describe.sequential("a host takes back by itself what is not confirmed", () => {
  test.each(["no new connection", "no packet", "no route", ...(full ? ["bip", "restart"] : [])])(
    "%s: on three hosts at once, and the report is true",
    async (how) => {
      const flushed = how === "restart";
      if (flushed) await Promise.all(lab.names.map((host) => lab.must(host, flushes)));
      const before = await snapshots(lab);
      const enough = knocking(lab);
      const { code, events } = await lab.events(cutOff, args(how));
      const tries = await enough();
      expect(code).toBe(2);
      expect(errorsOf(events)).toEqual(expect.arrayContaining(rolledBack(lab)));
      expect(await since(lab, before)).toEqual([]);
      expect(await allOff()).toBe(true);
      await expectOnTime(lab, how, seconds, tries);
      const run = runOf(events);
      const { stdout } = await command("history", "-i", lab.inventory());
      expect(stdout.split("\n").filter((line) => line.includes(run))).toEqual([
        expect.stringContaining("rolled back by its own timer"),
      ]);
      if (flushed) await Promise.all(lab.names.map((host) => lab.must(host, noFlush)));
      // The next one is told, and not held up.
      const next = await lab.events("playbooks/reset.ts");
      expect(next.code).toBe(0);
      expect(next.events.filter((e) => /own timer/.test(String(e.text)))).toHaveLength(3);
    },
  );

  test("the runner is killed while all are armed: all are back within the time", async () => {
    const before = await snapshots(lab);
    await killedIn("slow");
    // What somebody else writes into the same file meanwhile stays.
    await lab.must(second, `sed -i 's/{/{"theirs": 1,/' /etc/cut-off.json`);
    expect(await isOff(lab, [first])).toBe(false);
    await until(allOff);
    expect(JSON.parse(await lab.must(second, "cat /etc/cut-off.json"))).toEqual({ theirs: 1 });
    await lab.must(second, "rm /etc/cut-off.json");
    expect(await since(lab, before)).toEqual([]);
  });

  inFull("one that is still armed does not hold up the next run, which takes it back at once", async () => {
    const before = await snapshots(lab);
    await killedIn("slow", lab.names, 300);
    const check = await lab.events("playbooks/reset.ts", ["--check"]);
    expect(
      messagesOf(check.events).filter((text) => /was cut off and not confirmed: the host/.test(text)),
    ).toHaveLength(3);
    expect(await isOff(lab, [first])).toBe(false);
    // Until its step ends, what the killed run started holds the lock.
    await lab.atRest(60_000);
    const next = await lab.events("playbooks/reset.ts");
    expect(next.code).toBe(0);
    expect(
      messagesOf(next.events).filter((text) => /what it did on this host is taken back first/.test(text)),
    ).toHaveLength(3);
    expect(await allOff()).toBe(true);
    expect(await since(lab, before)).toEqual([]);
  });

  inFull(
    "a runner that is frozen until the time is over finds the hosts as they were, and says so",
    async () => {
      const before = await snapshots(lab);
      const { code, events } = await lab.follow(cutOff, args("slow"), async (event, send) => {
        if (!started("slow")(event)) return;
        send("SIGSTOP");
        await until(allOff);
        send("SIGCONT");
      });
      expect(code).toBe(2);
      expect(errorsOf(events)).toEqual(expect.arrayContaining(rolledBack(lab)));
      expect(await since(lab, before)).toEqual([]);
    },
  );

  inFull("a restart of Docker of 90 s does not fire a time of 60 s", async () => {
    const stubborn = `docker run -d --name stubborn --stop-timeout 90 busybox sh -c 'trap "" TERM; while :; do sleep 1; done'`;
    await Promise.all(lab.names.map((host) => lab.must(host, stubborn)));
    // systemd kills a Docker that has not stopped after 90 s, too; its start then waits for the container once more.
    const patient = [...args("restart", 60, { interrupt_containers: true }), "--command-timeout", "300"];
    const { code, events } = await lab.events(cutOff, patient);
    const took = events.flatMap((e) =>
      e.type === "consequence" && e.state === "done" ? [Number(e.ms)] : [],
    );
    const states = events.flatMap((e) => (e.type === "switch" ? [e.state] : []));
    await Promise.all(lab.names.map((host) => lab.must(host, "docker rm -f stubborn")));
    expect({ code, errors: errorsOf(events), states: states.sort() }).toEqual({
      code: 0,
      errors: [],
      states: ["armed", "armed", "armed", "confirmed", "confirmed", "confirmed"],
    });
    console.log(`Docker's restarts took ${took.map((ms) => `${(ms / 1000).toFixed(1)} s`).join(", ")}`);
    expect(took.filter((ms) => ms > 60_000)).toHaveLength(3);
    expect((await lab.run("playbooks/reset.ts")).code).toBe(0);
  });

  inFull("what somebody changed stays, and the run says so; a rollback finishes it", async () => {
    const before = await snapshots(lab);
    const { code, events } = await lab.follow(cutOff, args("no packet"), async (event) => {
      if (event.type === "switch" && event.state === "armed" && event.host === third)
        await lab.must(third, "cp /etc/cut-off.json /root/ours; echo no JSON >/etc/cut-off.json");
    });
    const run = runOf(events);
    const error = events.findLast(({ type, host }) => type === "failed" && host === third)?.error;
    expect([code, error?.message]).toEqual([
      2,
      "rolled back by its own timer, but not all of it: the run was not confirmed in time",
    ]);
    expect(error?.output).toBe(
      "keys of /etc/cut-off.json is left as it is: somebody changed it since causeway did",
    );
    const advice = /^mend what the output names, then finish with: run (.*)$/.exec(
      String(error?.advice),
    )?.[1];
    expect(advice).toMatch(new RegExp(`^rollback ${run} -i `));
    await lab.must(third, "mv /root/ours /etc/cut-off.json");
    const finished = await command(...String(advice).split(" "));
    expect(finished.code).toBe(0);
    expect(finished.stdout).toContain(`but not all of it. Finish with: run ${advice}`);
    expect(await since(lab, before)).toEqual([]);
  });

  inFull("a host that boots before the run is confirmed is as it was", async () => {
    const before = await snapshot(lab, first);
    await killedIn("slow", [first]);
    await powerCut(first);
    expect(differences(before, await snapshot(lab, first))).toEqual([]);
    await until(allOff);
  });

  inFull("a host that loses power while it takes back goes on at its next boot", async () => {
    const before = await snapshots(lab);
    await lab.follow(cutOff, args("slow undo"), (event, send) => {
      if (event.type === "switch" && event.state === "waiting") send("SIGKILL");
    });
    // One step is taken back, and the next one is at it.
    const halfway = "[ -e /var/lib/causeway/switch/reverting ] && ! iptables -S INPUT | grep -q cut-off";
    await until(async () => (await lab.on(first, halfway)).code === 0);
    await powerCut(first);
    await until(allOff);
    expect(await since(lab, before)).toEqual([]);
  });

  inFull(
    "a run that is confirmed leaves no timer and no unit, and a run that changes nothing arms none",
    async () => {
      const slow = await lab.events(cutOff, [...args("slow"), "-l", "docker-200"]);
      // The step takes longer than the host waits: the runner renewed it.
      expect(slow.code).toBe(0);
      expect(slow.events.filter((e) => e.type === "switch").map((e) => e.state)).toEqual([
        "armed",
        "confirmed",
      ]);
      expect(await isOff(lab, [first])).toBe(true);
      const again = await lab.events(cutOff, [...args("slow"), "-l", "docker-200"]);
      expect(again.code).toBe(0);
      expect(again.events.filter((e) => e.type === "switch")).toEqual([]);
      expect(recapOf(again.events)["docker-200"]).toMatchObject({ changed: 0 });
    },
  );
});
