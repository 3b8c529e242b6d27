import { describe, expect, it } from "vitest";
import type { ReporterOptions } from "../../src/report/options.ts";
import { plainReporter } from "../../src/report/plain.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { applied, checked, keysStep } from "./events.ts";
import { FakeTerminal, quiet } from "./terminal.ts";

function shown(events: readonly RunEvent[], over: Partial<ReporterOptions> = {}): string {
  const terminal = new FakeTerminal();
  const reporter = plainReporter({ ...quiet, ...over, stdout: terminal.stream });
  for (const event of events) reporter.event(event);
  return terminal.text;
}

describe("plain output", () => {
  it("says one fact a line, each with its host in front", () => {
    expect(shown(applied)).toBe(`static-route: Routes between hosts
run R1 on 2 hosts
docker-201  warning: the clock is off

PLAY Addresses
docker-200  changed  docker-bip docker0  keys of /etc/docker/daemon.json: — → "bip": "192.168.100.1/24"
docker-200  restart docker (3.2 s), because of keys
docker-200  waiting  docker-bip docker0  docker0 is down
docker-200  waiting  docker-bip docker0  docker0 has no address
docker-201  failed
    site.yaml:3:7 docker-201 [docker-bip docker0]: restart docker failed
      found     docker.service is failed
      expected  a daemon that runs
      do        correct the variables
      command   systemctl restart docker
      output    Pool overlaps
                with other one

RECAP
docker-200 : ok=4 changed=2 failed=0 unreachable=0 restarts=1 owed=—
docker-201 : ok=1 changed=0 failed=1 unreachable=0 restarts=0 owed=restart docker
1 host failed: see the errors above
owed restarts did not run; the next run does them
9.0 s, exit code 2: a host failed
`);
  });

  it("names a task that took only a restart", () => {
    const changed = applied.filter((e) => e.type === "task" && e.state === "changed");
    expect(shown(changed)).toBe("docker-200  changed  docker-bip docker0\n");
  });

  it("shows with -v what a step says, line by line, harmless, and that there is more", () => {
    const lines = ["one", "", "  two\x1b[2J\x07"];
    const output: RunEvent = { at: 1, type: "output", host: "web1", task: "t", what: "w", lines, cut: true };
    expect(shown([output], { verbose: true })).toBe(
      "web1  | one\nweb1  |\nweb1  |   two\\x07\nweb1  … it goes on, and no more of that is shown here\n",
    );
    expect(shown([output])).toBe("");
  });

  it("shows with -v a script of several lines once, and names where", () => {
    const ran = (host: string, command: string): RunEvent => ({
      at: 1,
      type: "command",
      host,
      command,
      code: 0,
      ms: 5,
    });
    const events = ["a; b", "a\nb"].flatMap((command) => ["web1", "web2"].map((host) => ran(host, command)));
    expect(shown([...events, ran("web2", "a\nc")], { verbose: true }).split("\n")).toEqual([
      ...["web1", "web2"].map((host) => `${host}  $ a; b   # code 0, 5 ms`),
      ...["web1  $ # code 0, 5 ms", "a", "b"],
      "web2  $ # code 0, 5 ms: the script that ran on web1 above",
      ...["web2  $ # code 0, 5 ms", "a", "c", ""],
    ]);
  });

  it("claims no restart of a unit that an undo left stopped", () => {
    const about = { at: 1, host: "docker-200", why: [], state: "spared" } as const;
    expect(shown([{ ...about, type: "consequence", what: "restart consul" }])).toBe(
      "docker-200  consul needs no restart: after the undo it is gone, or does not run\n",
    );
  });

  it("shows each planned step, what has to wait, and the restarts", () => {
    expect(
      shown(checked),
    ).toBe(`docker-200  would change  docker-bip docker0  keys of /etc/docker/daemon.json: — → "bip": "192.168.100.1/24"
docker-200  would change  docker-bip docker0  old store: there → —  (cannot be undone: it is gone)
docker-200  would change  docker-bip docker0  later: the rest needs docker0
docker-200  would restart docker, because of keys, store
`);
  });

  it("shows diffs when asked, of plans and of changes", () => {
    const diff = `    --- /etc/docker/daemon.json\tnow
    +++ /etc/docker/daemon.json\tthen
    @@ -1,2 +1,3 @@
     {
    +  "bip": "192.168.100.1/24"
     }
`;
    expect(shown(applied, { diff: true })).toContain(diff);
    expect(shown(checked, { diff: true })).toContain(diff);
    expect(shown(applied)).not.toContain("+++");
    expect(shown(checked, { diff: true, color: true })).toContain('\x1b[32m+  "bip"');
  });

  it("with -v also shows what was fine, and the commands", () => {
    const verbose = shown(applied, { verbose: true });
    expect(verbose).toContain("docker-200  ok       ip-forward\n");
    expect(verbose).toContain("docker-200  connected in 88 ms\n");
    expect(verbose).toContain("docker-200  $ cat /etc/docker/daemon.json   # code 0, 12 ms\n");
    expect(verbose).toContain("docker-200  4 round trips, 31 commands\n");
    expect(shown(applied)).not.toMatch(/ip-forward|\$ cat/);
  });

  it("leaves a script of several lines as one could paste it, and shortens a long one", () => {
    const command = (text: string): RunEvent => ({
      at: 0,
      type: "command",
      host: "a",
      command: text,
      code: 1,
      ms: 5,
    });
    expect(shown([command("cat <<'X'\nhello\nX\n")], { verbose: true })).toBe(
      "a  $ # code 1, 5 ms\ncat <<'X'\nhello\nX\n",
    );
    const long = shown([command("x".repeat(1000))], { verbose: true });
    expect(long).toContain(`${"x".repeat(400)}… (600 characters more)`);
  });

  it("says what a proof is about to do, and how long that takes at most", () => {
    const probe = { at: 0, type: "probe", name: "ping-check", state: "started" } as const;
    expect(shown([probe, { ...probe, doing: "proving all 6 ordered pairs: at most 34 s" }])).toBe(
      "\nVERIFY ping-check\n  proving all 6 ordered pairs: at most 34 s\n",
    );
  });

  it("lets no host move the cursor", () => {
    const step = { ...keysStep, to: "\x1b[2Jgone\x07\nnext" };
    const text = shown([{ at: 0, type: "step", host: "a", task: "t", step, state: "done" }]);
    expect(text).toBe("a  changed  t  keys of /etc/docker/daemon.json: — → gone\\x07 next\n");
  });
});
