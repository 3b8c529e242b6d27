import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
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
  revertScript,
  settleScript,
} from "../../src/journal/script.ts";
import { step } from "../../src/kinds/index.ts";

let folder: string;
const at = (path: string) => join(folder, path);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "causeway-switch-"));
  mkdirSync(at("bin"));
  mkdirSync(at("units"));
  // systemd is not part of what is tried here: it writes down what it was asked.
  for (const name of ["systemctl", "systemd-run"]) {
    writeFileSync(
      at(`bin/${name}`),
      `#!/bin/sh\necho ${name} "$@" >>${at("asked")}\n[ ! -e ${at("broken")} ]\n`,
    );
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
const shell = (text: string) => spawnSync("sh", ["-c", script(text)], { encoding: "utf8", env: env() });
const revert = () =>
  spawnSync("sh", ["-c", readFileSync(at("journal/switch/revert"), "utf8").replace(/^PATH=.*$/m, "")], {
    encoding: "utf8",
    env: env(),
  });
const library = (): string[] => [hostLibrary().hash];

const mark = (name: string) =>
  step.run({
    what: `mark ${name}`,
    to: "there",
    do: rawScript(`echo ${name} >>${at("marks")}`),
    done: sh`grep -qx ${name} ${at("marks")}`,
    undo: rawScript(`sed -i /^${name}$/d ${at("marks")}`),
  });
const marks = () =>
  existsSync(at("marks")) ? readFileSync(at("marks"), "utf8").split("\n").filter(Boolean) : [];

function actionsOf(names: readonly string[], first = 1): Action[] {
  return names.map((name, i) => ({
    does: "step",
    n: String(first + i).padStart(4, "0"),
    identity: { owner: "o", task: "t", key: name, scope: "host", play: i },
    step: mark(name),
  }));
}

/** Carries out marks in one script that arms the switch. */
function carryOut(names: readonly string[], { run = "R1", token = "t1", from = "0001", first = 1 } = {}) {
  const actions = actionsOf(names, first);
  const head = existsSync(at("journal/head")) ? readFileSync(at("journal/head"), "utf8").trim() : "";
  const libraries = existsSync(at(`journal/lib-${hash()}.sh`)) ? library() : [];
  const armed = { token, seconds: 60, from };
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
  test("is armed before the first step, with a timer and for the next boot; a confirmation leaves nothing of it", () => {
    expect(carryOut(["a", "b"]).ended).toEqual({ how: "all" });
    expect(readFileSync(at("journal/switch/armed"), "utf8")).toBe("R1 t1 60 0001\n");
    expect(readFileSync(at("asked"), "utf8")).toMatch(
      /systemd-run -q --unit=causeway-switch --on-active=60s --timer-property=AccuracySec=1s/,
    );
    expect(files("units")).toEqual(["causeway-revert.service", "multi-user.target.wants"]);
    expect(confirm().status).toBe(0);
    expect([marks(), files("journal/switch"), files("units")]).toEqual([["a", "b"], [], []]);
  });

  test("takes back what is not confirmed, newest first, and tells a late runner so", () => {
    carryOut(["a", "b"]);
    expect(revert().status).toBe(0);
    expect([marks(), files("journal/switch"), files("units")]).toEqual([[], [], []]);
    expect(readFileSync(at("journal/runs/R1/reverted"), "utf8")).toBe(
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
      /^@cw kept R1\/0002\n@cw \| 0002\.res in \S+ is not as it was written$/m,
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

  test("without a timer nothing is done", () => {
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
    expect(readFileSync(at("journal/switch/armed"), "utf8")).toBe("R1 t1 60 0001\n");
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

  test("a confirmation and the end of the time at one moment: one of them wins, never both, never none", async () => {
    const won = { confirm: 0, revert: 0 };
    for (let n = 0; n < (process.env.CAUSEWAY_TEST_FULL ? 100 : 12); n += 1) {
      const run = `R${100 + n}`;
      rmSync(at("journal/lock"), { force: true });
      expect(carryOut([run], { run }).ended).toEqual({ how: "all" });
      const program = readFileSync(at("journal/switch/revert"), "utf8").replace(/^PATH=.*$/m, "");
      const both = [program, script(confirmScript(run, "t1", library()).text)].map(
        (text, i) =>
          new Promise<number | null>((resolve) =>
            setTimeout(
              () => spawn("sh", ["-c", text], { env: env(), stdio: "ignore" }).once("close", resolve),
              i * (n % 4) * 3,
            ),
          ),
      );
      const [, confirmed] = await Promise.all(both);
      const stands = marks().includes(run);
      expect(stands, `${run}: a confirmation gave ${confirmed}`).toBe(confirmed === 0);
      expect(files("journal/switch")).toEqual([]);
      won[stands ? "confirm" : "revert"] += 1;
    }
    expect(won.confirm + won.revert).toBeGreaterThan(0);
  });
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
