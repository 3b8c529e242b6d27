import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { rawScript, sh } from "../../src/host/sh.ts";
import { journalFolder } from "../../src/journal/folder.ts";
import { Follower } from "../../src/journal/follow.ts";
import { hostLibrary } from "../../src/journal/library.ts";
import {
  type Action,
  confirmScript,
  cutsOff,
  hostScript,
  renewScript,
  revertScript,
  settleScript,
} from "../../src/journal/script.ts";
import { step } from "../../src/kinds/index.ts";
import { restart, type Step } from "../../src/task/step.ts";

let folder: string;
const at = (path: string) => join(folder, path);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "causeway-switch-"));
  mkdirSync(at("bin"));
  mkdirSync(at("units"));
  // systemd, routes and rules are not part of what is tried here: what is asked of them is written down.
  const stubs = {
    systemctl: `echo systemctl "$@" >>${at("asked")}; [ ! -e ${at("broken")} ]`,
    "systemd-run": `echo systemd-run "$@" >>${at("asked")}; [ ! -e ${at("broken")} ]`,
    ip: `case "$*" in *"route show"*) cat ${at("routes")}$1 2>/dev/null ;; *"address show"*) cat ${at("addresses")} ;; *) echo "$@" >>${at("added")} ;; esac`,
    "iptables-save": `cat ${at("filter")} 2>/dev/null`,
    "iptables-restore": `[ "$1" = --help ] || cat >${at("loaded")}`,
    "ip6tables-save": `cat ${at("filter6")} 2>/dev/null`,
    "ip6tables-restore": `cat >${at("loaded6")}`,
  };
  for (const [name, text] of Object.entries(stubs)) {
    writeFileSync(at(`bin/${name}`), `#!/bin/sh\n${text}\n`);
    chmodSync(at(`bin/${name}`), 0o755);
  }
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The same text with the journal and systemd's units in this test's folder. */
const here = (text: string) =>
  text.replaceAll(journalFolder, at("journal")).replaceAll("/etc/systemd/system", at("units"));
const hash = () => createHash("sha256").update(here(hostLibrary().text)).digest("hex").slice(0, 12);
const script = (text: string) => here(text).replaceAll(hostLibrary().hash, hash());
const env = () => ({ PATH: `${at("bin")}:${process.env.PATH}` });
/** From a file: with the whole library it is longer than an argument of a program may be. */
const shell = (text: string) => {
  writeFileSync(at("script"), script(text));
  return spawnSync("sh", [at("script")], { encoding: "utf8", env: env() });
};
const program = () => readFileSync(at("journal/switch/revert"), "utf8").replace(/^PATH=.*$/m, "");
const revert = () => spawnSync("sh", ["-c", program()], { encoding: "utf8", env: env() });
const library = (): string[] => [hostLibrary().hash];

const marking = (name: string) => ({
  what: `mark ${name}`,
  to: "there",
  do: rawScript(`echo ${name} >>${at("marks")}`),
  done: sh`grep -qx ${name} ${at("marks")}`,
});
const mark = (name: string) =>
  step.run({ ...marking(name), undo: rawScript(`sed -i /^${name}$/d ${at("marks")}`) });
const marks = () =>
  existsSync(at("marks")) ? readFileSync(at("marks"), "utf8").split("\n").filter(Boolean) : [];

function actionsOf(names: readonly (string | Step)[], first = 1): Action[] {
  return names.map((one, i) => ({
    does: "step",
    n: String(first + i).padStart(4, "0"),
    identity: { owner: "o", task: "t", key: String(i), scope: "host", play: i },
    step: typeof one === "string" ? mark(one) : one,
  }));
}

/** Carries out marks in one script that arms the switch. */
function carryOut(
  names: readonly (string | Step)[],
  { run = "R1", token = "t1", seconds = 60, from = "0001", first = 1 } = {},
) {
  const actions = actionsOf(names, first);
  const head = existsSync(at("journal/head")) ? readFileSync(at("journal/head"), "utf8").trim() : "";
  const libraries = existsSync(at(`journal/lib-${hash()}.sh`)) ? library() : [];
  const armed = { token, seconds, from };
  const record = JSON.stringify({ id: run });
  const { text } = hostScript({
    run,
    host: "h1",
    head,
    who: "ops",
    record,
    libraries,
    actions,
    due: [],
    armed,
  });
  const { stdout, stderr, status } = shell(text);
  const follower = new Follower(actions, [], 1000, { action: () => {}, consequence: () => {} });
  for (const line of stdout.split("\n")) follower.line(line);
  return { ended: follower.ended(status ?? 255), stderr };
}

const confirm = (run = "R1", token = "t1") => shell(confirmScript(run, token, library()).text);
const files = (path: string) => (existsSync(at(path)) ? readdirSync(at(path)).sort() : []);

describe("the switch on a host", () => {
  test("is armed before the first step, for now and for the next boot; a confirmation leaves nothing of it", () => {
    expect(carryOut(["a", "b"]).ended).toEqual({ how: "all" });
    expect(readFileSync(at("journal/switch/armed"), "utf8")).toBe("R1 t1 0001\n");
    expect(readFileSync(at("asked"), "utf8")).toMatch(
      /^systemd-run -p Restart=on-failure .* -p StartLimitIntervalSec=0 .* -q --unit=causeway-switch \/bin\/sh \S+ wait$/m,
    );
    expect(files("units")).toEqual(["causeway-revert.service", "multi-user.target.wants"]);
    expect(confirm().status).toBe(0);
    expect([marks(), files("journal/switch"), files("units")]).toEqual([["a", "b"], [], []]);
  });

  test("takes back what is not confirmed, newest first, and tells a late runner so", () => {
    carryOut(["a", "b"]);
    expect(revert().status).toBe(0);
    expect([marks(), files("journal/switch"), files("units")]).toEqual([[], [], []]);
    expect(readFileSync(at("journal/runs/R1/reverted"), "utf8").replace(/^@cw (due|over) .*\n/gm, "")).toBe(
      "@cw start R1/0002\n@cw done R1/0002\n@cw start R1/0001\n@cw done R1/0001\n",
    );
    const late = confirm();
    expect(late.status).toBe(79);
    expect(late.stdout).toMatch(/^@cw unconfirmed reverted reverted$/m);
    // A runner that is still there finds that somebody else wrote.
    expect(readFileSync(at("journal/head"), "utf8")).toBe("R1 reverted\n");
  });

  test("takes back nothing of what is damaged, and the rest, and says that it is not all", () => {
    carryOut(["a", "b", "c"]);
    writeFileSync(at("journal/runs/R1/0002.res"), "run 'echo forged'\n");
    expect(revert().status).toBe(0);
    expect(marks()).toEqual(["b"]);
    expect(readFileSync(at("journal/runs/R1/end"), "utf8")).toBe("partly reverted\n");
    expect(readFileSync(at("journal/runs/R1/reverted"), "utf8")).toMatch(
      /^@cw kept R1\/0002\n@cw \| mark b is left as it is: 0002\.res in \S+ is not as it was written$/m,
    );
  });

  test("without its library it does nothing, until a run puts that there again", () => {
    carryOut(["a"]);
    for (const text of ["", "echo forged\n"]) {
      writeFileSync(at(`journal/lib-${hash()}.sh`), text);
      expect(revert().status).toBe(78);
      expect(marks()).toEqual(["a"]);
    }
    expect(shell(settleScript().text.replace(revertScript, ":")).status).toBe(0);
    expect(revert().status).toBe(0);
    expect(marks()).toEqual([]);
  });

  test("leaves what was confirmed before in the same run", () => {
    carryOut(["a"]);
    expect(confirm().status).toBe(0);
    carryOut(["b"], { from: "0002", first: 2 });
    revert();
    expect(marks()).toEqual(["a"]);
  });

  test("where the host cannot wait, nothing is done", () => {
    writeFileSync(at("broken"), "");
    const { ended } = carryOut(["a"]);
    expect(ended).toEqual({ how: "not armed", why: "systemd-run --unit=causeway-switch" });
    expect([marks(), files("journal/switch"), files("units")]).toEqual([[], [], []]);
  });

  test("another run's is not overwritten, another token does not confirm", () => {
    carryOut(["a"]);
    rmSync(at("journal/lock"), { force: true });
    expect(carryOut(["b"], { run: "R2", token: "t2" }).ended).toMatchObject({ how: "not armed" });
    expect(confirm("R1", "t2").status).toBe(79);
    expect(readFileSync(at("journal/switch/armed"), "utf8")).toBe("R1 t1 0001\n");
    expect(marks()).toEqual(["a"]);
  });

  test("an undo that was cut off goes on at the next boot", () => {
    carryOut(["a", "b"]);
    renameSync(at("journal/switch/armed"), at("journal/switch/reverting"));
    expect(confirm().stdout).toMatch(/^@cw unconfirmed reverting$/m);
    revert();
    expect([marks(), files("journal/switch")]).toEqual([[], []]);
    expect(readFileSync(at("journal/runs/R1/end"), "utf8")).toBe("reverted\n");
  });

  test("waits until the time is over, and longer where it is renewed; another's token renews nothing", async () => {
    carryOut(["a"], { seconds: 3 });
    const renew = (token: string) => shell(renewScript("R1", token, 3)).status;
    const waiting = spawn("sh", ["-c", program(), "sh", "wait"], { env: env(), stdio: "ignore" });
    const ended = once(waiting, "close");
    expect(renew("t2")).not.toBe(0);
    for (let n = 0; n < 4; n += 1) {
      expect(renew("t1")).toBe(0);
      expect(marks()).toEqual(["a"]);
      await sleep(900);
    }
    await ended;
    expect(marks()).toEqual([]);
    expect(renew("t1")).not.toBe(0);
    const [, due, begun] =
      /^@cw due (\d+) begun (\d+)$/m.exec(readFileSync(at("journal/runs/R1/reverted"), "utf8")) ?? [];
    expect(Number(begun)).toBeGreaterThanOrEqual(Number(due));
  });

  test("waits as long as the present play says, also where an earlier one armed it", () => {
    const left = () => {
      const due = Number(readFileSync(at("journal/switch/due"), "utf8"));
      return Math.round((due / 100 - Number(readFileSync("/proc/uptime", "utf8").split(" ")[0])) / 100);
    };
    carryOut(["a"], { seconds: 100 });
    expect(left()).toBe(1);
    expect(carryOut(["b"], { seconds: 900, first: 2 }).ended).toEqual({ how: "all" });
    expect(left()).toBe(9);
    expect(shell(renewScript("R1", "t1", 300)).status).toBe(0);
    expect(left()).toBe(3);
    expect(readFileSync(at("journal/switch/armed"), "utf8")).toBe("R1 t1 0001\n");
  });

  test("stands, on the disk, when the first step begins", () => {
    const looks = {
      ...mark("a"),
      perform: rawScript(`[ -s ${at("journal/switch/armed")} ] && echo a >>${at("marks")}`),
    };
    expect(carryOut([looks]).ended).toEqual({ how: "all" });
    expect(journalFolder).toBe("/var/lib/causeway");
  });

  test("puts back routes and emptied chains that no step took away, and nothing beside what is there", () => {
    const table = (...lines: string[]) =>
      `*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n*filter\n${lines.join("\n")}\nCOMMIT\n`;
    const docker = [":FORWARD DROP [9:9]", ":DOCKER-USER - [0:0]", "-A DOCKER-USER -j RETURN"];
    writeFileSync(
      at("routes-4"),
      "default via 10.0.0.1 dev eth0 \n10.0.0.0/24 dev eth0 proto kernel linkdown\n10.9.0.0/16 via 10.0.0.3 dev eth0 proto bird\n192.168.0.0/24 dev docker0\n",
    );
    writeFileSync(
      at("filter"),
      table(
        ":INPUT DROP [1:2]",
        ":OUTPUT ACCEPT [0:0]",
        ":ssh - [0:0]",
        ":bans - [0:0]",
        ...docker,
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -j ssh",
        "-A ssh -p tcp -j ACCEPT",
        "-A bans -s 10.6.6.6/32 -j DROP",
        "-A bans -j RETURN",
      ),
    );
    writeFileSync(
      at("routes-6"),
      `fd00:10::/64 dev eth0 proto kernel metric 256 pref medium
fd00:30:200::/64 via fd00:10::201 dev eth0 proto 202 metric 1024 pref medium
fd00:30:100::/64 dev docker0 proto kernel metric 256 linkdown pref medium
fd00:40::/64 proto ra metric 100 expires 1700sec pref medium
fd00:50::/64 dev eth0 proto kernel metric 256 expires 86000sec pref medium
fe80::/64 dev eth0 proto kernel metric 256 pref medium
unreachable fd00:60::/48 dev lo metric 1024 error -113 pref medium
multicast ff00::/8 dev eth0 proto kernel metric 256 pref medium
default via fe80::1 dev eth0 proto ra metric 100 expires 1700sec pref medium
default via fd00:10::1 dev eth0 metric 1024 pref medium
`,
    );
    writeFileSync(
      at("filter6"),
      table(":INPUT DROP [1:2]", ...docker, "-A INPUT -p ipv6-icmp -j ACCEPT", "-A INPUT -p tcp -j ACCEPT"),
    );
    carryOut(["a"]);
    writeFileSync(at("routes-4"), "192.168.0.0/24 dev docker0\n10.8.0.0/16 dev eth0\n");
    writeFileSync(at("routes-6"), "fd00:30:100::/64 dev docker0 proto kernel metric 256 pref medium\n");
    writeFileSync(at("filter6"), table(":INPUT ACCEPT [0:0]"));
    writeFileSync(
      at("filter"),
      table(
        ":INPUT ACCEPT [5:5]",
        ":OUTPUT ACCEPT [0:0]",
        ":bans - [0:0]",
        ":FORWARD ACCEPT [0:0]",
        "-A INPUT -s 10.7.0.0/16 -j DROP",
        "-A bans -j RETURN",
      ),
    );
    expect(revert().status).toBe(0);
    expect(readFileSync(at("added"), "utf8")).toBe(
      `-4 route add 10.0.0.0/24 dev eth0 proto kernel
-6 route add fd00:10::/64 dev eth0 proto kernel metric 256 pref medium
-6 route add unreachable fd00:60::/48 dev lo metric 1024 pref medium
-4 route add default via 10.0.0.1 dev eth0
-6 route add fd00:30:200::/64 via fd00:10::201 dev eth0 proto 202 metric 1024 pref medium
-6 route add default via fd00:10::1 dev eth0 metric 1024 pref medium
`,
    );
    const back = [
      ":INPUT DROP [0:0]",
      ":ssh - [0:0]",
      "-I INPUT 1 -i lo -j ACCEPT",
      "-I INPUT 2 -j ssh",
      "-I ssh 1 -p tcp -j ACCEPT",
    ];
    expect(readFileSync(at("loaded"), "utf8").trim().split("\n")).toEqual(["*filter", ...back, "COMMIT"]);
    const back6 = [":INPUT DROP [0:0]", "-I INPUT 1 -p ipv6-icmp -j ACCEPT", "-I INPUT 2 -p tcp -j ACCEPT"];
    expect(readFileSync(at("loaded6"), "utf8").trim().split("\n")).toEqual(["*filter", ...back6, "COMMIT"]);
    const told = readFileSync(at("journal/runs/R1/reverted"), "utf8").match(/^@cw \| put back.*$/gm);
    expect(told).toHaveLength(14);
    expect(told).toContain("@cw | put back: ip6tables -I INPUT 2 -p tcp -j ACCEPT");
  });

  test("who is cut off gets in before the restarts, which may take long", () => {
    writeFileSync(at("routes-4"), "10.0.0.0/24 dev eth0 proto kernel\n");
    carryOut([step.run({ ...marking("bip"), undo: sh`true`, causes: [restart("docker")] })]);
    writeFileSync(at("routes-4"), "10.0.0.0/24 dev docker0 proto kernel scope link src 10.0.0.1\n");
    writeFileSync(at("addresses"), "3: docker0    inet 10.0.0.1/24 brd 10.0.0.255 scope global docker0\n");
    revert();
    expect(readFileSync(at("added"), "utf8").split("\n").slice(0, 2)).toEqual([
      "-4 route add 10.0.0.0/24 dev eth0 proto kernel",
      "-4 address del 10.0.0.1/24 dev docker0",
    ]);
    const told = /^@cw (open|begin restart|\| (put|taken)).*/gm;
    expect(readFileSync(at("journal/runs/R1/reverted"), "utf8").match(told)?.slice(0, 4)).toEqual([
      "@cw | put back: ip -4 route add 10.0.0.0/24 dev eth0 proto kernel",
      "@cw | taken away: the address 10.0.0.1/24 of docker0",
      expect.stringMatching(/^@cw open \d+$/),
      "@cw begin restart docker",
    ]);
  });

  test("an undo that brings nothing back is not told as done", () => {
    carryOut(["a", step.run({ ...marking("b"), undo: sh`echo tried` })]);
    revert();
    expect(marks()).toEqual(["b"]);
    expect(readFileSync(at("journal/runs/R1/end"), "utf8")).toBe("partly reverted\n");
    expect(readFileSync(at("journal/runs/R1/reverted"), "utf8")).toMatch(/^@cw unlike R1\/0002$/m);
  });

  test("several that take back at one moment, as the next run when the time is over: one does, the others wait for its end", async () => {
    const numbers = [1, 2, 3, 4, 5, 6];
    const slow = step.run({
      ...marking("b"),
      undo: rawScript(`sleep 1; sed -i /^b$/d ${at("marks")}; echo undone >>${at("times")}`),
    });
    carryOut(["a", slow]);
    // The shell that carried it out is gone, and its lock still there: all of them find that.
    const takers = numbers.map(() => spawn("sh", ["-c", program()], { env: env(), stdio: "ignore" }));
    const ends = await Promise.all(takers.map(async (one) => (await once(one, "exit")) as [number, string]));
    expect(ends).toEqual(numbers.map(() => [0, null]));
    expect([marks(), files("journal/switch"), files("units")]).toEqual([[], [], []]);
    expect(readFileSync(at("times"), "utf8")).toBe("undone\n");
    expect(readFileSync(at("journal/runs/R1/end"), "utf8")).toBe("reverted\n");
  });

  test("an undo whose terminal closes, or that is killed, loses nothing: the next one goes on", async () => {
    for (const signal of ["SIGHUP", "SIGTERM", "SIGKILL"] as const) {
      const run = `R-${signal}`;
      const slow = step.run({
        ...marking("slow"),
        undo: rawScript(`echo >${at("undoing")}; sleep 1; sed -i /^slow$/d ${at("marks")}`),
      });
      rmSync(at("journal/lock"), { force: true });
      expect(carryOut(["a", slow, "b"], { run }).ended).toEqual({ how: "all" });
      const undo = spawn("sh", ["-c", program()], { env: env(), stdio: "ignore" });
      const ended = once(undo, "close");
      await expect.poll(() => existsSync(at("undoing")), { timeout: 20_000 }).toBe(true);
      undo.kill(signal);
      await ended;
      expect(files("journal/switch")).toContain("reverting");
      expect(marks()).toEqual(["a", "slow"]);
      expect(revert().status).toBe(0);
      rmSync(at("undoing"));
      expect([marks(), files("journal/switch")]).toEqual([[], []]);
      expect(readFileSync(at(`journal/runs/${run}/end`), "utf8")).toBe("reverted\n");
    }
  });

  test("who takes back has the lock until nothing of the switch is left: who waits for it ends no later run", () => {
    carryOut(["a"]);
    const noted = `if [ -e ${at("journal/lock")} ]; then echo locked; else echo free; fi >>${at("when")}`;
    writeFileSync(at("bin/systemctl"), `#!/bin/sh\n${noted}\n`);
    expect(revert().status).toBe(0);
    expect(readFileSync(at("when"), "utf8")).toMatch(/^(locked\n)+$/);
    expect([existsSync(at("journal/lock")), files("journal/switch")]).toEqual([false, []]);
  });

  const tries = process.env.CAUSEWAY_TEST_FULL ? 100 : 12;
  test(
    "a confirmation and the end of the time at one moment: one of them wins, never both, never none",
    async () => {
      const won = { confirm: 0, revert: 0 };
      for (let n = 0; n < tries; n += 1) {
        const run = `R${100 + n}`;
        rmSync(at("journal/lock"), { force: true });
        expect(carryOut([run], { run }).ended).toEqual({ how: "all" });
        const both = [program(), script(confirmScript(run, "t1", library()).text)].map(async (text, i) => {
          // Now one of them is a little later, now the other.
          if (n % 2 === i) await sleep((n % 4) * 3);
          const file = at(`script-${i}`);
          writeFileSync(file, text);
          const [code] = await once(spawn("sh", [file], { env: env(), stdio: "ignore" }), "close");
          return code as number | null;
        });
        const [, confirmed] = await Promise.all(both);
        const stands = marks().includes(run);
        expect(stands, `${run}: a confirmation gave ${confirmed}`).toBe(confirmed === 0);
        expect(files("journal/switch")).toEqual([]);
        won[stands ? "confirm" : "revert"] += 1;
      }
      expect(won.confirm).toBeGreaterThan(0);
      expect(won.revert).toBeGreaterThan(0);
      console.log(`confirmed ${won.confirm} times, taken back ${won.revert} times`);
    },
    tries * 6000,
  );
});

test("a script that only writes files, or that takes back for good, arms nothing", () => {
  const [action] = actionsOf(["a"]);
  expect(cutsOff({ actions: action ? [action] : [], due: [] })).toBe(true);
  const was = { path: "/etc/x", kind: "absent", content: "", size: 0, sha256: "absent" } as never;
  const file = { ...action, step: step.file({ was, content: "x" }) } as Action;
  expect(cutsOff({ actions: [file], due: [] })).toBe(false);
  const restart = { consequence: { do: "restart", unit: "docker" } as const, causedBy: [] };
  expect(cutsOff({ actions: [file], due: [restart] })).toBe(true);
  expect(cutsOff({ actions: [file], due: [{ consequence: { do: "daemon-reload" }, causedBy: [] }] })).toBe(
    false,
  );
});

test.each([
  [
    "a key in between",
    '{"a": 1, "bip": "b",\n  "z": [1, {"q": 2}]}',
    '{"a": 1}',
    { bip: "b" },
    '{"a": 1, "z": [1, {"q": 2}]}',
  ],
  ["the only key", '{"bip": "b"}', "{}", { bip: "b" }, "{}"],
  ["the last key", '{"a": 1, "bip": "b" }', "", { bip: "b" }, '{"a": 1 }'],
  ["one that had another value", '{"bip": "b"}', '{ "bip":"old"}', { bip: "b" }, '{"bip": "old"}'],
  ["one that was taken away", '{"a": 1}', '{"mtu" : 1500}', { mtu: null }, '{"a": 1, "mtu": 1500}'],
  ["braces and quotes in strings", '{"bip": "b", "a": "x\\"},{"}', "", { bip: "b" }, '{"a": "x\\"},{"}'],
  ["one that somebody changed since", '{"hosts": ["x", "z"]}', "", { hosts: ["x", "y"] }, undefined],
  ["a file that is no JSON any more", "bip: b", "", { bip: "b" }, undefined],
])("keys of a JSON file go back without a runner: %s", (_name, now, before, keys, expected) => {
  writeFileSync(at("now"), `${now}\n`);
  writeFileSync(at("before"), `${before}\n`);
  writeFileSync(at("entry"), `${JSON.stringify({ what: 'a "keys": {', play: 1, keys })}\n`);
  const { stdout, status } = shell(
    `${hostLibrary().text}\ncw_keys_merged ${at("now")} ${at("before")} ${at("entry")}`,
  );
  expect(status).toBe(expected === undefined ? 3 : 0);
  if (expected !== undefined) expect(stdout).toBe(`${expected}\n`);
});
