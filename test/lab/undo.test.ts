import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { labPowerOff, labPowerOn } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { execute, full, inFull, recapOf, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-undo", 6, 2);
const every = join(packageDir, "test/lab/playbooks/every-kind.ts");
const route = "playbooks/static-route.ts";
const daemonJson = "/etc/docker/daemon.json";

const both = () => Promise.all(lab.names.map((h) => snapshot(lab, h)));
let start: string[][];
/** Docker's second start shows a gateway of its default network that its first one did not. */
async function fresh(): Promise<void> {
  await Promise.all(lab.names.map((h) => lab.must(h, "systemctl restart docker")));
  start = await both();
}
beforeAll(fresh);

/** What differs from an earlier snapshot of both hosts. */
async function since(before: string[][]): Promise<string[]> {
  const now = await both();
  return now.flatMap((lines, i) => differences(before[i] ?? [], lines).map((d) => `${lab.names[i]} ${d}`));
}

const rollback = (...args: string[]) =>
  execute([join(packageDir, "run"), "rollback", "-i", lab.inventory(), ...args], { cwd: lab.folder });

async function fine(result: Promise<{ code: number; stdout?: string; stderr: string }>): Promise<void> {
  const { code, stdout, stderr } = await result;
  if (code !== 0) throw new Error(`code ${code}\n${stdout ?? ""}${stderr}`);
}

describe.sequential("apply, reset, and the host is what it was", () => {
  test.each([
    ["static-route", route],
    ["a playbook with every kind of step", every],
  ])("%s", async (_name, playbook) => {
    await fine(lab.run(playbook));
    expect(await since(start)).not.toEqual([]);
    const reset = await lab.events("playbooks/reset.ts");
    expect(reset.code).toBe(0);
    expect(await since(start)).toEqual([]);
    const again = await lab.events("playbooks/reset.ts");
    expect(stepsOf(again.events)).toEqual([]);
  });

  test("a host that was never touched: zero steps, and not even a journal", async () => {
    await lab.reset();
    const { code, events } = await lab.events("playbooks/reset.ts");
    expect(code).toBe(0);
    expect(stepsOf(events)).toEqual([]);
    expect((await lab.on("docker-200", "ls /var/lib/causeway")).code).not.toBe(0);
    await fresh();
  });

  inFull("a daemon.json with the user's own keys and layout is back byte for byte", async () => {
    const own = '{\n\t"debug" : false,\n\t"registry-mirrors":["https://mirror.example"] }';
    await lab.must(
      "docker-200",
      `mkdir -p /etc/docker; printf %s '${own}' >${daemonJson}; chmod 640 ${daemonJson}`,
    );
    await fine(lab.run(route));
    expect(await lab.must("docker-200", `cat ${daemonJson}`)).not.toBe(own);
    await fine(lab.run("playbooks/reset.ts"));
    expect(await lab.must("docker-200", `cat ${daemonJson}; stat -c ' %a' ${daemonJson}`)).toBe(
      `${own} 640\n`,
    );
    await lab.must("docker-200", `rm ${daemonJson}; systemctl restart docker`);
  });
});

describe.sequential("rollback", () => {
  test("of the last, of the last two, of all: each earlier snapshot comes back", async () => {
    const snapshots = [await both()];
    for (const version of ["1", "2", "3"]) {
      await fine(lab.run(every, ["-e", `version=${version}`]));
      snapshots.push(await both());
    }
    await fine(rollback());
    expect(await since(snapshots[2] ?? [])).toEqual([]);
    await fine(lab.run(every, ["-e", "version=3"]));
    const history = await execute([
      join(packageDir, "run"),
      "history",
      "-i",
      lab.inventory(),
      "--output",
      "json",
    ]);
    const runs = JSON.parse(history.stdout) as { id: string; playbook: string; state: string }[];
    const mine = runs.filter((r) => r.playbook === "every-kind" && r.state === "done");
    expect(mine).toHaveLength(3);
    await fine(rollback(mine[1]?.id ?? ""));
    expect(await since(snapshots[1] ?? [])).toEqual([]);
    await fine(rollback());
    expect(await since(snapshots[0] ?? [])).toEqual([]);
  });

  test("what an older version did, with its journal of format 1, is taken back to the last byte", async () => {
    const whole = readFileSync(join(packageDir, "test/lab/fixtures/format-1.sh"), "utf8").replaceAll(
      "@NET@",
      lab.net,
    );
    const [before = "", runs = ""] = whole.split("#--- the runs\n");
    // Of both hosts, so that none remembers a later run than that journal knows.
    await lab.reset();
    await lab.must("docker-200", `${before}\nsystemctl restart docker`);
    const untouched = await both();
    await lab.must(
      "docker-200",
      `cat >/root/old.sh <<'END_OF_OLD'\n${runs}\nEND_OF_OLD\nsh /root/old.sh >/root/old.log 2>&1 && rm /root/old.*`,
    );
    expect(await lab.must("docker-200", "cat /var/lib/causeway/format")).toBe("1\n");
    const done = await both();
    // A run of this version on top of it, and back.
    await fine(lab.run(every));
    expect(await lab.must("docker-200", "cat /var/lib/causeway/format")).toBe("2\n");
    await fine(rollback());
    // The script that applies at boot stays the newer one: the older evaluated the text of rules.
    const left = (await since(done)).filter((line) => !line.endsWith(" /etc/causeway/apply"));
    expect(left).toEqual([]);
    await fine(rollback());
    expect(await lab.must("docker-200", "cat /etc/cw-f; systemctl is-active cw-f1 || true")).toBe(
      "new\nactive\n",
    );
    await fine(lab.run("playbooks/reset.ts"));
    expect(await since(untouched)).toEqual([]);
    await lab.reset();
    await fresh();
  });

  test("an unknown run is an error with the ones there are", async () => {
    const { code, stderr } = await rollback("20200101T000000Z-ffff");
    expect(code).toBe(5);
    expect(stderr).toMatch(/on none of these hosts/);
  });

  test("a peer that leaves: its route goes, and nothing else; with --limit it stays", async () => {
    await fine(lab.run(route));
    const one = lab.inventory({ hosts: ["docker-200"] });
    const table = () =>
      lab.must("docker-200", `ip route show proto 202; iptables-save | grep -c causeway; cat ${daemonJson}`);
    const before = await table();
    await fine(lab.run(route, ["-l", "docker-200", "--no-verify"]));
    expect(await table()).toBe(before);
    const { code, events } = await lab.events(route, ["--no-verify"], one);
    expect(code).toBe(0);
    expect(stepsOf(events).every((s) => s.startsWith("docker-200 ") && s.endsWith("→ null"))).toBe(true);
    expect(recapOf(events)["docker-200"]?.restarts).toBe(0);
    expect(
      (await lab.on("docker-200", "ip route show proto 202; iptables-save | grep causeway")).stdout,
    ).toBe("");
    expect(await lab.must("docker-200", `cat ${daemonJson}`)).toContain("192.168.100.1/24");
    await fine(rollback());
    expect(await table()).toBe(before);
    await fine(lab.run("playbooks/reset.ts"));
    expect(await since(start)).toEqual([]);
  });

  inFull("a lock that somebody holds is named, and --break-lock goes on without it", async () => {
    await fine(lab.run(route, ["--no-verify"]));
    const holder = await lab.must(
      "docker-200",
      `. /var/lib/causeway/lib-*.sh; setsid sleep 600 </dev/null >/dev/null 2>&1 & p=$!; sleep 1
printf '%s %s %s ann@desk since 2026-01-01 in run X\n' $p "$(cw_started $p)" "$(cat /proc/sys/kernel/random/boot_id)" >/var/lib/causeway/lock; echo $p`,
    );
    const { code, stdout } = await rollback();
    expect(stdout).toMatch(
      /docker-200[\s\S]*the lock is held by ann@desk since 2026-01-01 in run X[\s\S]*--break-lock/,
    );
    expect(code).toBe(2);
    // Nobody could ask that host whether it has the run: it is not said to be nowhere.
    const [run = ""] = (await lab.must("docker-200", "cat /var/lib/causeway/head")).split(" ");
    const named = await rollback(run, "-l", "docker-200");
    expect(named.stdout).toContain("the lock is held by ann@desk");
    expect(named.stderr).not.toMatch(/on none of these hosts/);
    expect(named.code).toBe(2);
    const broken = await rollback("--break-lock");
    expect(broken.stdout).toMatch(/warning: .*broke the lock of ann@desk/);
    expect(broken.code).toBe(0);
    await lab.must("docker-200", `kill ${holder.trim()}`);
    expect(await since(start)).toEqual([]);
  });

  inFull("a host that is missing, and one that was reinstalled, are named", async () => {
    await fine(lab.run(route, ["--no-verify"]));
    const run = join(packageDir, "run");
    const one = lab.inventory({ hosts: ["docker-200"] });
    expect((await execute([run, "rollback", "-i", one, "--check"])).stdout).toMatch(
      /took part in these runs, but are not in this one: docker-201/,
    );
    await labPowerOff(lab.spec, ["docker-201"]);
    const { inventory, sshConfig } = lab.plainInventory();
    const plain = ["-i", inventory, "--ssh-config", sshConfig, "--timeout", "3"];
    const away = await execute([run, "rollback", ...plain]);
    expect(away.stdout).toMatch(/docker-201 +unreachable/);
    expect(away.stderr).toMatch(/no answer from docker-201; the last run on the others is \d{8}T/);
    expect(away.code).toBe(4);
    const named = /that run, where it can be undone: (.*)/.exec(away.stderr)?.[1] ?? away.stderr;
    const partly = await execute(["sh", "-c", named]);
    expect(partly.stdout).toMatch(/docker-200 +changed/);
    expect(partly.code).toBe(4);
    await labPowerOn(lab.spec, ["docker-201"]);
    await fine(rollback());
    expect(await since(start)).toEqual([]);

    await fine(lab.run(route, ["--no-verify"]));
    await lab.reset(["docker-201"]);
    const { code, stdout } = await rollback();
    expect(stdout).toMatch(/docker-201 +warning: has no journal: it was reinstalled since/);
    expect(code).toBe(0);
    expect((await since(start)).filter((d) => d.startsWith("docker-200"))).toEqual([]);
    await lab.reset();
    await fresh();
  });

  inFull("a restart that did not come to pass is owed, and the next undo makes up for it", async () => {
    await fine(lab.run(route, ["--no-verify", "-l", "docker-200"]));
    await lab.must("docker-200", "systemctl mask --runtime docker.service");
    const { code, stdout } = await rollback("-l", "docker-200");
    expect(stdout).toMatch(/restart docker failed after the undo/);
    expect(code).toBe(2);
    await lab.must("docker-200", "systemctl unmask --runtime docker.service");
    const { code: then, stdout: told } = await rollback("-l", "docker-200");
    expect(told).toMatch(/restart docker/);
    expect(then).toBe(0);
    expect(await since(start)).toEqual([]);
  });

  inFull(
    "a check after several re-configs tells what a reset then does; somebody's text in between is a conflict",
    async () => {
      const versions = async (...all: string[]) => {
        for (const version of all)
          await fine(lab.run(every, ["-e", `version=${version}`, "-l", "docker-200", "--no-verify"]));
      };
      const reset = (...args: string[]) => lab.run("playbooks/reset.ts", ["-l", "docker-200", ...args]);
      await versions("1", "2", "3");
      const check = await reset("--check", "--diff");
      expect(check.stdout).toMatch(/keys of \/etc\/every\.json: v "3" → —/);
      expect(check.stdout).not.toContain("by somebody");
      expect(check.code).toBe(0);
      await fine(reset());
      expect(await since(start)).toEqual([]);

      await versions("1");
      await lab.must("docker-200", "echo mine >/etc/every/kind.conf");
      await versions("2");
      for (const { code, stdout } of [await reset("--check"), await reset()]) {
        expect(stdout).toMatch(/\/etc\/every\/kind\.conf was changed by somebody since/);
        expect(code).toBe(2);
      }
      expect(await lab.must("docker-200", "cat /etc/every/kind.conf")).toBe("mine\n");
      await fine(reset("--force"));
      expect(await since(start)).toEqual([]);
    },
  );

  inFull("a file edited by hand survives and is reported; a key added by hand survives both", async () => {
    await fine(lab.run(every));
    await lab.must(
      "docker-200",
      `echo mine >/etc/every/kind.conf; sed -i 's/{/{ "hand": 1,/' /etc/every.json`,
    );
    // Told beforehand as well, with what would change in the files that are taken back, and no secret.
    const check = await rollback("--check", "--diff");
    expect(check.code).toBe(2);
    expect(check.stdout).toMatch(/\/etc\/every\/kind\.conf was changed by somebody since/);
    expect(check.stdout).toMatch(/docker-201 +would change .*\/etc\/every\.json[\s\S]*?^ *-.*"v"/m);
    expect(check.stdout).not.toContain("s3cr3t");
    expect(await lab.must("docker-200", "cat /etc/every/kind.conf")).toBe("mine\n");
    const { code, stdout } = await rollback();
    expect(code).toBe(2);
    expect(stdout).toMatch(/\/etc\/every\/kind\.conf was changed by somebody since/);
    expect(stdout).toContain("-mine");
    expect(await lab.must("docker-200", "cat /etc/every/kind.conf")).toBe("mine\n");
    expect(JSON.parse(await lab.must("docker-200", "cat /etc/every.json"))).toEqual({ hand: 1 });
    expect((await lab.on("docker-200", "ls /opt/every-mark /etc/every/token")).code).not.toBe(0);
    expect(await since(start)).toHaveLength(
      (await since(start)).filter((d) => /docker-200 .*\/etc\/every/.test(d)).length,
    );
    await fine(rollback("--force"));
    await lab.must("docker-200", "rm -f /etc/every.json");
    expect(await since(start)).toEqual([]);
  });

  inFull(
    "two tasks that set keys of one file in one play: both go back, with a foreign key or without",
    async () => {
      const two = lab.playbook(
        "two.ts",
        `import { definePlaybook, defineTask, step, Type } from "causeway";
const key = defineTask({ name: "key", summary: "x", params: Type.Object({ name: Type.String() }), key: ({ name }) => name,
  read: (host) => host.file("/etc/two.json"),
  present: (was, { name }) => (was.content.includes(name) ? [] : [step.jsonKeys({ was, keys: { [name]: 1 } })]) });
export default definePlaybook({ name: "two", summary: "x", vars: Type.Object({}),
  plays: [{ title: "p", hosts: "docker", tasks: () => [key({ name: "one" }), key({ name: "other" })] }] });`,
      );
      const own = '{ "own": true }\n';
      await lab.must("docker-200", `printf %s '${own}' >/etc/two.json`);
      await fine(lab.run(two));
      await fine(rollback());
      expect(await lab.must("docker-200", "cat /etc/two.json")).toBe(own);
      await fine(lab.run(two));
      await lab.must("docker-200", `sed -i 's/{/{ "hand": 1,/' /etc/two.json`);
      await fine(rollback());
      expect(JSON.parse(await lab.must("docker-200", "cat /etc/two.json"))).toEqual({ hand: 1, own: true });
      await lab.must("docker-200", "rm /etc/two.json");
      expect(await since(start)).toEqual([]);
    },
  );

  inFull(
    "what the owner of the same thing did is undone in the run that takes over, and --check says so",
    async () => {
      const other = lab.playbook(
        "other.ts",
        `import { definePlaybook, Type } from "causeway";
export default definePlaybook({ name: "other", summary: "x", owns: "container-network", vars: Type.Object({}), plays: [{ title: "p", hosts: "docker", tasks: () => [] }] });`,
      );
      await fine(lab.run(route));
      const check = await lab.events(other, ["--check"]);
      expect(stepsOf(check.events, true).length).toBe(2 * (2 + 5));
      await fine(lab.run(other));
      expect(await since(start)).toEqual([]);
      // Its rollback brings the other one back.
      await fine(rollback());
      expect((await lab.run("playbooks/verify.ts")).code).toBe(0);
      await fine(lab.run("playbooks/reset.ts"));
      expect(await since(start)).toEqual([]);
    },
  );
});

describe.runIf(full).sequential("a secret", () => {
  test("is in no entry, history, output or process list; bytes that undo needs lie in a file for root only", async () => {
    // Every process that there is on the host during the run, as often as it can be looked at.
    const looking = lab.on(
      "docker-200",
      "rm -f /run/cw-enough; while [ ! -e /run/cw-enough ]; do for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; tr '\\0' ' ' <$p/environ; done; done 2>/dev/null",
    );
    const { stdout, stderr } = await lab.run(every, ["-v", "--output", "json", "-D"]);
    await lab.must("docker-200", "touch /run/cw-enough");
    const processes = (await looking).stdout;
    expect(processes).toContain("docker network create");
    expect(processes).not.toContain("s3cr3t-token");
    expect(stdout + stderr).not.toContain("s3cr3t-token");
    const found = await lab.on("docker-200", "grep -rl s3cr3t-token /var/lib/causeway");
    expect(found.stdout).toBe("");
    // A secret file that somebody changed is a conflict without its text.
    await lab.must("docker-200", "printf mine-s3cr3t >/etc/every/token");
    const kept = await rollback();
    expect(kept.code).toBe(2);
    expect(kept.stdout).toMatch(/\/etc\/every\/token was changed by somebody since/);
    expect(kept.stdout + kept.stderr).not.toMatch(/s3cr3t/);
    await fine(rollback("--force"));
    expect(await since(start)).toEqual([]);
    expect(await lab.must("docker-200", "stat -c %a /var/lib/causeway")).toBe("700\n");
  });
});

/** Runs a playbook and kills its runner with -9 when the nth step is started or done. */
async function killedAt(playbook: string, state: "started" | "done", n: number, after?: () => Promise<void>) {
  let seen = 0;
  await lab.follow(playbook, ["--no-verify"], async (event, send) => {
    if (event.type !== "step" || event.state !== state || ++seen !== n) return;
    await after?.();
    send("SIGKILL");
  });
  expect(seen).toBeGreaterThanOrEqual(n);
}

const points = full ? Array.from({ length: 22 }, (_, i) => i + 1) : [1, 9, 20];

describe.runIf(full).sequential("killed in the middle", () => {
  test.each(points)("at step %i: the same run again converges, and reset restores", async (n) => {
    await killedAt(every, n % 2 ? "started" : "done", n);
    await lab.atRest(30_000);
    const again = await lab.run(every, ["--no-verify"]);
    expect(again.stderr).toBe("");
    expect(again.code).toBe(0);
    const third = await lab.events(every, ["--no-verify"]);
    expect(stepsOf(third.events)).toEqual([]);
    await fine(lab.run("playbooks/reset.ts"));
    expect(await since(start)).toEqual([]);
  });

  test.each(full ? points : [3, 15])("at step %i: rollback restores what was before", async (n) => {
    await killedAt(every, n % 2 ? "done" : "started", n);
    await lab.atRest(30_000);
    await fine(rollback());
    expect(await since(start)).toEqual([]);
  });

  test.each(full ? [2, 8, 14, 20] : [10])(
    "the host's machine is killed at step %i and booted again: rollback restores",
    async (n) => {
      await killedAt(every, "started", n, () => labPowerOff(lab.spec, ["docker-200"]));
      await labPowerOn(lab.spec, ["docker-200"]);
      await fine(rollback());
      expect(await since(start)).toEqual([]);
    },
  );
});

inFull(
  "two runners started together: one works, the other names it, and nothing interleaves",
  async () => {
    for (let i = 0; i < (full ? 50 : 6); i += 1) {
      const results = await Promise.all(
        [1, 2].map((v) =>
          lab.run(every, ["-e", `version=${(i * 2 + v) % 200}`, "-l", "docker-200", "--no-verify"]),
        ),
      );
      const told = results.map((r) => r.stdout + r.stderr).join("\n---\n");
      expect(
        results.map((r) => r.code),
        told,
      ).toContain(0);
      for (const { code, stdout } of results) {
        if (code === 0) continue;
        expect(code).toBe(2);
        expect(stdout).toMatch(
          /the lock is held by \S+@\S+ since \S+ in run \d{8}T\S+|another run changed this host[\s\S]*journal at \d{8}T\S+/,
        );
      }
    }
    // From its first word in the journal to its last step no run was in the middle of another.
    const times = await lab.must(
      "docker-200",
      `cd /var/lib/causeway/runs; find . -name '[0-9]*.res' -printf '%h %T@\n' -o -name '[0-9]*.done' -printf '%h %T@\n'`,
    );
    const spans = new Map<string, number[]>();
    for (const line of times.trim().split("\n")) {
      const [id = "", at = ""] = line.split(" ");
      spans.set(id, [...(spans.get(id) ?? []), Number(at)]);
    }
    const inOrder = [...spans.values()]
      .map((t) => [Math.min(...t), Math.max(...t)])
      .sort(([a = 0], [b = 0]) => a - b);
    expect(inOrder.length).toBeGreaterThan(full ? 20 : 3);
    for (const [i, [from = 0]] of inOrder.entries()) expect(from).toBeGreaterThan(inOrder[i - 1]?.[1] ?? 0);
    await fine(lab.run("playbooks/reset.ts"));
    expect(await since(start)).toEqual([]);
  },
  3_600_000,
);

inFull("the journal stays short: old runs are folded, and reset still restores", async () => {
  await lab.must("docker-200", "mkdir -p /var/lib/causeway");
  for (let i = 0; i < 5; i += 1)
    await fine(lab.run(every, ["-e", `version=${(i % 2) + 1}`, "-l", "docker-200", "--no-verify"]));
  const live = () =>
    lab.must(
      "docker-200",
      `cd /var/lib/causeway/runs; for e in */[0-9]*.json; do [ -f "\${e%.json}.undone" ] || echo "$e"; done | wc -l`,
    );
  const before = Number(await live());
  const lib = await lab.must("docker-200", "ls /var/lib/causeway/lib-*.sh");
  await lab.must("docker-200", `. ${lib.trim()}; cw_fold none 2`);
  expect(Number(await live())).toBeLessThan(before);
  const told = await execute([join(packageDir, "run"), "history", "-i", lab.inventory(), "--output", "json"]);
  const runs = (JSON.parse(told.stdout) as { id: string; state: string }[]).slice(-5);
  expect(runs.map((r) => r.state)).toContain("folded");
  const refused = await rollback(runs[2]?.id ?? "");
  expect(refused.code).toBe(5);
  expect(refused.stdout + refused.stderr).toMatch(/folded/);
  await fine(lab.run("playbooks/reset.ts"));
  expect(await since(start)).toEqual([]);
});
