import { describe, expect, it } from "vitest";
import { plainReporter } from "../../src/report/plain.ts";
import { prettyReporter } from "../../src/report/pretty.ts";
import type { RunEvent } from "../../src/run/events.ts";
import type { ShownStep } from "../../src/task/shown-step.ts";
import { began, changed, ended, failed, planned, playOn, restarted, unreachable, webs } from "./fleet.ts";
import { FakeTerminal, quiet } from "./terminal.ts";

const reporters = { plain: plainReporter, pretty: prettyReporter };

/** What stays on the terminal of these events, without the head of the run. */
async function shown(
  how: keyof typeof reporters,
  events: readonly RunEvent[],
  over = {},
): Promise<readonly string[]> {
  const terminal = new FakeTerminal(200, 50);
  const reporter = reporters[how]({ ...quiet, ...over, stdout: terminal.stream });
  for (const event of events) reporter.event(event);
  await reporter.close();
  return terminal.lines.slice(2);
}

const routes = (hosts: readonly string[], to = `${hosts.length - 1} routes`) =>
  hosts.flatMap((host) => changed(host, "routes", to));

describe.each(["plain", "pretty"] as const)("many hosts, %s", (how) => {
  it("is a line a host and step up to four hosts, as they come", async () => {
    const hosts = webs(3);
    const lines = await shown(how, [began(hosts), playOn(hosts), ...routes(hosts)]);
    expect(lines).toEqual([
      "",
      "PLAY Route to every peer",
      "web1  changed  static-route peers  routes: — → 2 routes",
      "web2  changed  static-route peers  routes: — → 2 routes",
      "web3  changed  static-route peers  routes: — → 2 routes",
    ]);
  });

  it.each([5, 30, 200])("is one line a step on %i hosts, and those that differ", async (n) => {
    const hosts = webs(n);
    const [first = "", ...others] = hosts;
    const events = [
      began(hosts),
      playOn(hosts),
      ...changed(first, "routes", "1 route"),
      ...routes(others),
      ...others.map((host, i) => restarted(host, 1000 + i)),
      ...[first].map((host) => restarted(host, 4240)),
    ];
    expect(await shown(how, events)).toEqual([
      "",
      "PLAY Route to every peer",
      `changed on ${n - 1} of ${n} hosts  static-route peers  routes: — → ${n - 2} routes`,
      `${first}  changed  static-route peers  routes: — → 1 route`,
      `restart docker on all ${n} hosts (1.0 to 4.2 s), because of keys of /etc/docker/daemon.json`,
    ]);
  });

  it("says every line with -v", async () => {
    const hosts = webs(200);
    const events = [began(hosts), playOn(hosts), ...routes(hosts), ended(hosts)];
    const lines = await shown(how, events, { verbose: true });
    expect(lines.filter((line) => line.includes("  changed  "))).toHaveLength(200);
    expect(lines.filter((line) => / : ok=1/.test(line))).toHaveLength(200);
  });

  it("tells a value that differs from host to host as *, and how many there are", async () => {
    const hosts = webs(200);
    const bip = (host: string, i: number) =>
      changed(host, "keys of /etc/docker/daemon.json", `bip "10.1.${i}.1/24"`, { ms: 1500 });
    const peer = (host: string, i: number) =>
      [1, 2].flatMap((j) =>
        changed(host, `route 10.1.${(i + j) % 200}.0/24`, `via 10.0.0.${(i + j) % 200}`, {
          key: `10.1.${(i + j) % 200}.0/24`,
        }),
      );
    const hello = (host: string) => changed(host, "file /etc/motd", `"I am ${host}"`, { key: "" });
    expect(
      await shown(how, [
        began(hosts),
        playOn(hosts),
        ...hosts.flatMap(bip),
        ...hosts.flatMap(peer),
        ...hosts.flatMap(hello),
      ]),
    ).toEqual([
      "",
      "PLAY Route to every peer",
      'changed on all 200 hosts (200 different values; 1.5 s)  static-route peers  keys of /etc/docker/daemon.json: — → bip "*"',
      "changed on all 200 hosts (400 times; 200 different values)  static-route *  route *: — → via *",
      'changed on all 200 hosts (200 different values)  static-route  file /etc/motd: — → "I am *"',
    ]);
  });

  it("keeps apart what few hosts have otherwise, and counts what is too varied", async () => {
    const hosts = webs(30);
    const via = hosts.flatMap((host, i) =>
      changed(host, "route default", i < 28 ? "via 10.0.0.1" : "via 10.0.0.9"),
    );
    const sum = hosts.flatMap((host, i) => changed(host, "file /etc/key", `sha256 ${i}`, { key: "k" }));
    expect((await shown(how, [began(hosts), playOn(hosts), ...via, ...sum])).slice(2)).toEqual([
      "changed on 28 of 30 hosts  static-route peers  route default: — → via 10.0.0.1",
      "changed on 2 of 30 hosts (web29, web30)  static-route peers  route default: — → via 10.0.0.9",
      ...hosts.slice(0, 7).map((h, i) => `${h}  changed  static-route k  file /etc/key: — → sha256 ${i}`),
      "changed on 23 of 30 hosts (23 different values)  static-route k  file /etc/key",
    ]);
  });

  it("folds what a check plans, and its restarts", async () => {
    const hosts = webs(5);
    const events = hosts.flatMap((host) => [
      planned(host, "routes", "4 routes"),
      restarted(host, 0, "planned"),
    ]);
    expect((await shown(how, [began(hosts, true), playOn(hosts), ...events])).slice(2)).toEqual([
      "would change on all 5 hosts  static-route peers  routes: — → 4 routes",
      "would restart docker on all 5 hosts, because of keys of /etc/docker/daemon.json",
    ]);
  });

  it("never leaves out that a step cannot be undone", async () => {
    const hosts = webs(30);
    const task = { play: "", task: "store", key: "", state: "planned" } as const;
    const events = hosts.map((host, i): RunEvent => {
      const step = {
        kind: "run",
        what: "old store",
        from: `${i} keys`,
        to: null,
        irreversible: "it is gone",
      };
      return { at: 1, type: "task", host, ...task, steps: [step] };
    });
    const lines = await shown(how, [began(hosts, true), ...events]);
    expect(lines).toHaveLength(8);
    expect(lines.filter((line) => line.endsWith("  (cannot be undone: it is gone)"))).toHaveLength(8);
  });

  it("shows the diff of one host, and says where the others are", async () => {
    const hosts = webs(5);
    const steps = (host: string): ShownStep[] => {
      const diff = { path: "/etc/motd", before: "", after: `${host}\n` };
      return [{ kind: "file", what: "file /etc/motd", from: null, to: "1 line", diff }];
    };
    const motd = { play: "", task: "motd", key: "", state: "planned" } as const;
    const events = hosts.map(
      (host): RunEvent => ({ at: 1, type: "task", host, ...motd, steps: steps(host) }),
    );
    const lines = await shown(how, [began(hosts, true), ...events], { diff: true });
    expect(lines.slice(0, 2)).toEqual([
      "would change on all 5 hosts  motd  file /etc/motd: — → 1 line",
      "    on web1 (-v shows the diff of every host):",
    ]);
    expect(lines.filter((line) => line.startsWith("    +web"))).toEqual(["    +web1"]);
  });

  it("says the first of equal errors in full and at once, and names the others", async () => {
    const hosts = webs(200);
    const lost = hosts.slice(1, 199);
    const block = [
      "web002  failed",
      "    web002 [docker-bip docker0]: restart docker failed",
      "      output    Pool overlaps with other one",
    ];
    const events = [began(hosts), playOn(hosts), ...lost.map((host) => failed(host))];
    expect((await shown(how, events)).slice(2)).toEqual([
      ...block,
      "failed on 197 more hosts, as on web002: web[003:199]",
    ]);
    const terminal = new FakeTerminal(200, 50);
    const reporter = plainReporter({ ...quiet, stdout: terminal.stream });
    for (const event of events.slice(0, 4)) reporter.event(event);
    expect(terminal.lines.slice(4)).toEqual(block);
    await reporter.close();
  });

  it("says errors that differ each in full, and where only addresses or a log's numbers do", async () => {
    const hosts = webs(12);
    const events = [
      began(hosts),
      unreachable("web01", "10.0.0.1"),
      unreachable("web02", "10.0.0.2"),
      playOn(hosts),
      failed("web03", "12:00:01 dockerd[7]: no space left"),
      failed("web05", "12:00:09 dockerd[9]: no space left"),
      failed("web04", "Pool overlaps"),
    ];
    expect(await shown(how, events)).toEqual([
      "web01  unreachable",
      "    web01: the host cannot be reached: no answer",
      "      found     10.0.0.1:22: timed out",
      "      do        try by hand: ssh root@10.0.0.1",
      "unreachable on 1 more host, as on web01, but for addresses or numbers: web02",
      "",
      "PLAY Route to every peer",
      "web03  failed",
      "    web03 [docker-bip docker0]: restart docker failed",
      "      output    12:00:01 dockerd[7]: no space left",
      "web04  failed",
      "    web04 [docker-bip docker0]: restart docker failed",
      "      output    Pool overlaps",
      "failed on 1 more host, as on web03, but for addresses or numbers: web05",
    ]);
  });

  it("counts in the recap, and lists the hosts that differ", async () => {
    const hosts = webs(200);
    const recap = ended(
      hosts,
      (host) =>
        ({ web007: { failed: 1, owed: ["restart docker"] }, web009: { unreachable: true, ok: 0 } })[host] ?? {
          changed: host === "web011" ? 2 : 3,
          restarts: 1,
        },
      { exitCode: 4 },
    );
    const lines = await shown(how, [began(hosts), recap], { whole: () => "causeway-runs/R1/transcript.txt" });
    expect(lines.slice(1)).toEqual([
      "RECAP",
      "200 hosts: 198 changed, 1 failed, 1 unreachable; 198 restarts",
      "197 hosts : ok=1 changed=3 failed=0 unreachable=0 restarts=1 owed=—",
      "web007    : ok=1 changed=0 failed=1 unreachable=0 restarts=0 owed=restart docker",
      "web009    : ok=0 changed=0 failed=0 unreachable=1 restarts=0 owed=—",
      "web011    : ok=1 changed=2 failed=0 unreachable=0 restarts=1 owed=—",
      "1 host failed, 1 host unreachable: see the errors above",
      "owed restarts did not run; the next run does them",
      "every line is in causeway-runs/R1/transcript.txt",
      "9.0 s, exit code 4: a host was unreachable",
    ]);
  });

  it("tells of a wait every five seconds, with the number of hosts", async () => {
    const hosts = webs(5);
    const waits = [0, 4000, 5000, 9999, 10_000, 12_000].flatMap((at) =>
      hosts.map((host): RunEvent => {
        const about = { host, play: "", task: "etcd", key: "" };
        return { at, type: "task", ...about, state: "waiting", reason: "no leader yet" };
      }),
    );
    expect(await shown(how, [began(hosts), ...waits])).toEqual([
      "waiting on 5 of 5 hosts  etcd  no leader yet",
      "waiting on 5 of 5 hosts  etcd  no leader yet",
    ]);
  });

  it("tells equal words about many hosts once", async () => {
    const hosts = webs(5);
    const text = "run R0 left half-done: routes";
    const words = hosts
      .slice(1, 3)
      .map((host): RunEvent => ({ at: 1, type: "message", level: "warning", text, host }));
    expect(await shown(how, [began(hosts), ...words])).toEqual([
      "on 2 of 5 hosts (web2, web3)  warning: run R0 left half-done: routes",
    ]);
  });

  it("loses nothing when the process ends in the middle of a play", async () => {
    const hosts = webs(5);
    const terminal = new FakeTerminal(200, 50);
    const reporter = reporters[how]({ ...quiet, stdout: terminal.stream });
    for (const event of [began(hosts), playOn(hosts), ...routes(hosts)]) reporter.event(event);
    const onExit = process.listeners("exit").at(-1) as () => void;
    onExit();
    expect(terminal.lines.at(-1)).toBe("changed on all 5 hosts  static-route peers  routes: — → 4 routes");
    await reporter.close();
  });

  it("takes 200,000 events of a thousand hosts in, and says a few lines", async () => {
    const hosts = webs(1000);
    const events = Array.from({ length: 50 }, (_, task) =>
      hosts.flatMap((host, i) =>
        changed(host, "routes", task % 2 === 0 ? "999 routes" : `via 10.${task}.${i % 250}.1`, {
          key: `k${task}`,
        }),
      ),
    ).flat();
    expect(events).toHaveLength(200_000);
    const lines = await shown(how, [began(hosts), playOn(hosts), ...events, ended(hosts)]);
    expect(lines.filter((line) => line.startsWith("changed on all 1000 hosts"))).toHaveLength(50);
    expect(lines).toHaveLength(2 + 50 + 5);
  });
});
