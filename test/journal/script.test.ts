import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { rawScript, sh } from "../../src/host/sh.ts";
import type { FileState } from "../../src/host/tools/file.ts";
import type { Entry } from "../../src/journal/entries.ts";
import { journalFolder } from "../../src/journal/folder.ts";
import { Follower } from "../../src/journal/follow.ts";
import { hostLibrary } from "../../src/journal/library.ts";
import { type Action, type Due, hostScript } from "../../src/journal/script.ts";
import { step } from "../../src/kinds/index.ts";
import { restart } from "../../src/task/step.ts";

let folder: string;
let journal: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "causeway-script-"));
  journal = join(folder, "journal");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A step that makes a mark, in a folder of this test's. */
const mark = (name: string, over: { do?: string; undo?: string } = {}) =>
  step.run({
    what: `mark ${name}`,
    to: "there",
    do: rawScript(over.do ?? `echo ${name} >>${folder}/marks`),
    done: sh`grep -qx ${name} ${folder}/marks`,
    undo: rawScript(over.undo ?? `sed -i /^${name}$/d ${folder}/marks`),
  });
const fileAt = (path: string): FileState => {
  const content = readFileSync(path, "utf8");
  const { uid, gid } = statSync(path);
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { path, kind: "file", content, sha256, mode: "644", size: content.length, uid, gid };
};
const actionsOf = (...steps: ReturnType<typeof mark>[]): Action[] =>
  steps.map((one, i) => ({
    does: "step",
    n: `000${i + 1}`,
    identity: { owner: "o", task: "t", key: String(i), scope: "host", play: 0 },
    step: one,
  }));
const entryOf = (n: string): Entry => ({
  ...(JSON.parse(readFileSync(join(journal, `runs/R1/${n}.json`), "utf8")) as Entry),
  begun: true,
  done: true,
  undone: false,
});
const head = () =>
  existsSync(join(journal, "head")) ? readFileSync(join(journal, "head"), "utf8").trim() : "";
const marks = () =>
  existsSync(join(folder, "marks"))
    ? readFileSync(join(folder, "marks"), "utf8").split("\n").filter(Boolean)
    : [];

/** A script as a file: with the whole library it is longer than one word of a command may be (128 KiB). */
function inFile(text: string): string {
  const file = join(folder, "script.sh");
  writeFileSync(file, text);
  return file;
}

/** Runs the script of some actions in a real shell, against a journal in this test's folder. */
function carryOut(
  actions: readonly Action[],
  {
    run = "R1",
    libraries = [],
    env = {},
    due = [],
    live = false,
  }: {
    run?: string;
    libraries?: string[];
    env?: Record<string, string>;
    due?: Due[];
    live?: boolean;
  } = {},
) {
  const whole = {
    run,
    host: "h1",
    head: head(),
    who: "ops",
    record: JSON.stringify({ id: run }),
    libraries,
    actions,
    due,
    live,
  };
  const text = hostScript(whole)
    .text.replaceAll(journalFolder, journal)
    .replaceAll(hostLibrary().hash, libraryHere().hash);
  const { status, stdout, stderr } = spawnSync("sh", [inFile(text)], {
    encoding: "utf8",
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
  const [said, caused, heard]: [string[], string[], string[]] = [[], [], []];
  const follower = new Follower(actions, [], 1000, {
    action: (action, state) => said.push(`${state} ${"n" in action ? action.n : action.entry.n}`),
    consequence: (words, state) => caused.push(`${state} ${words}`),
    said: (lines, isFull) => void heard.push(...lines, ...(isFull ? ["no more"] : [])),
  });
  for (const line of stdout.split("\n")) follower.line(line);
  const ended = follower.ended(status ?? 255);
  return {
    text,
    code: status,
    stderr,
    said,
    caused,
    heard,
    stdout,
    follower,
    ended,
    output: follower.output(stderr),
  };
}

/** The library as it is with the journal in this test's folder, and its own checksum. */
function libraryHere(): { text: string; hash: string } {
  const text = hostLibrary().text.replaceAll(journalFolder, journal);
  return { text, hash: createHash("sha256").update(text).digest("hex").slice(0, 12) };
}

function keptLibrary(): string {
  const file = join(journal, `lib-${libraryHere().hash}.sh`);
  expect(readFileSync(file, "utf8")).toBe(libraryHere().text);
  return file;
}

describe("the script that changes a host", () => {
  test("performs its steps in order, each with its marks in the journal", () => {
    const { ended, said } = carryOut(actionsOf(mark("a"), mark("b")));
    expect(ended).toEqual({ how: "all" });
    expect(said).toEqual(["started 0001", "done 0001", "started 0002", "done 0002"]);
    expect(marks()).toEqual(["a", "b"]);
    expect(head()).toBe("R1 0002");
    expect(readFileSync(join(journal, "format"), "utf8")).toBe("2\n");
    expect(readdirSync(join(journal, "runs/R1")).filter((f) => f.endsWith(".done"))).toEqual([
      "0001.done",
      "0002.done",
    ]);
    expect(entryOf("0001")).toMatchObject({ resource: "run mark a", scope: "host", causes: [] });
  });

  test("keeps its library on the host, and is short where it lies there", () => {
    const first = carryOut(actionsOf(mark("a")));
    keptLibrary();
    const size = hostLibrary().text.length;
    expect(first.text.length).toBeGreaterThan(size);
    const again = carryOut(actionsOf(mark("b")), { run: "R2", libraries: [hostLibrary().hash] });
    expect(again.text.length).toBeLessThan(2000);
    expect(again.ended).toEqual({ how: "all" });
  });

  test("does nothing with a library that is damaged or gone, and says so", () => {
    carryOut(actionsOf(mark("a")));
    const file = keptLibrary();
    expect(carryOut(actionsOf(mark("a2")), { run: "R2", libraries: [hostLibrary().hash] }).ended).toEqual({
      how: "all",
    });
    for (const harm of [() => writeFileSync(file, "rm -rf /nowhere\n"), () => rmSync(file)]) {
      harm();
      const { ended } = carryOut(actionsOf(mark("b")), { run: "R3", libraries: [hostLibrary().hash] });
      expect(ended).toEqual({ how: "no library" });
    }
    expect(marks()).toEqual(["a", "a2"]);
    expect(head()).toBe("R2 0001");
  });

  test("stops before its first step where that was asked for before it began", () => {
    carryOut(actionsOf(mark("a")));
    writeFileSync(join(journal, "stop-R2"), "");
    const { code, ended } = carryOut(actionsOf(mark("b"), mark("c")), { run: "R2" });
    expect(code).toBe(77);
    expect(ended).toMatchObject({ how: "stopped", before: { n: "0001" } });
    expect(marks()).toEqual(["a"]);
    expect(readdirSync(join(journal, "runs/R2")).filter((f) => f.endsWith(".undone"))).toEqual([
      "0001.undone",
      "0002.undone",
    ]);
  });

  test("ends with the step that fails, and what comes after it never began", () => {
    const { ended, output } = carryOut(actionsOf(mark("a"), mark("b", { do: "echo no; exit 9" }), mark("c")));
    expect(ended).toMatchObject({ how: "step failed", code: "9", action: { n: "0002" } });
    expect(output).toBe("no");
    expect(marks()).toEqual(["a"]);
    expect(existsSync(join(journal, "runs/R1/0003.undone"))).toBe(true);
  });

  test("takes entries back for good, leaves what says 3, and goes no further than one that fails", () => {
    carryOut(
      actionsOf(
        mark("a"),
        mark("b", { undo: "echo broken; exit 1" }),
        mark("c", { undo: "echo theirs; exit 3" }),
        mark("d"),
      ),
    );
    const back: Action[] = ["0004", "0003", "0002", "0001"].map((n) => ({
      does: "take back",
      entry: entryOf(n),
    }));
    const { ended, follower, said } = carryOut(back, { run: "R2" });
    expect(ended).toEqual({ how: "all" });
    expect(said).toEqual(["started 0004", "done 0004", "started 0003", "started 0002"]);
    expect(follower.kept).toMatchObject([{ action: { entry: { n: "0003" } }, output: "theirs" }]);
    expect(follower.stuck).toMatchObject({ action: { entry: { n: "0002" } }, output: "broken" });
    expect(marks()).toEqual(["a", "b", "c"]);
    expect(head()).toBe("R2 0000");
  });

  test("stops where the journal has moved, and where another run has the lock", () => {
    carryOut(actionsOf(mark("a")));
    const moved = hostScript({
      run: "R2",
      host: "h1",
      head: "R0 0001",
      who: "ops",
      record: "{}",
      libraries: [],
      actions: actionsOf(mark("b")),
      due: [],
    });
    const { status, stdout } = spawnSync("sh", [inFile(moved.text.replaceAll(journalFolder, journal))], {
      encoding: "utf8",
    });
    expect([status, stdout]).toEqual([76, "@cw moved R1 0001\n"]);
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${process.pid}/stat`, "utf8");
    const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    writeFileSync(join(journal, "lock"), `${process.pid} ${started} ${boot} eve@laptop in run X\n`);
    expect(carryOut(actionsOf(mark("b")), { run: "R2" }).ended).toEqual({
      how: "locked",
      holder: "eve@laptop in run X",
    });
    expect(marks()).toEqual(["a"]);
  });

  test.each(["0001.json", "0001.res", "0001.was", "0001.before", "0001.before.mode", "0001.sum"])(
    "takes nothing back where %s is not as it was written, by force neither",
    (file) => {
      const path = join(folder, "f");
      writeFileSync(path, "mine\n");
      carryOut(actionsOf(step.file({ was: fileAt(path), content: "theirs\n" })));
      expect(readFileSync(path, "utf8")).toBe("theirs\n");
      const entry = entryOf("0001");
      for (const harm of [() => writeFileSync(join(journal, `runs/R1/${file}`), ""), () => {}])
        for (const force of [false, true]) {
          harm();
          const back: Action = { does: "take back", entry, force };
          const { code, follower } = carryOut([back], { run: "R2" });
          expect([code, follower.stuck?.output]).toEqual([0, expect.stringContaining(`${file} in `)]);
          expect(readFileSync(path, "utf8")).toBe("theirs\n");
        }
    },
  );

  test("merges nothing into a file from a state that is not as it was written", () => {
    carryOut(actionsOf(mark("a")));
    writeFileSync(join(journal, "runs/R1/0001.was"), "");
    const merge = rawScript(`echo merged >>${folder}/marks`);
    const { follower } = carryOut([{ does: "take back", entry: entryOf("0001"), merge }], { run: "R2" });
    expect(follower.stuck?.output).toContain("0001.was in ");
    expect(marks()).toEqual(["a"]);
  });

  test("knows a folded entry by its new text", () => {
    const path = join(folder, "f");
    writeFileSync(path, "0\n");
    for (const [i, content] of ["1\n", "2\n"].entries())
      carryOut(actionsOf(step.file({ was: fileAt(path), content })), { run: `R${i + 1}` });
    const fold = `. ${keptLibrary()}; cw_fold R3 0; cw_is_whole ${journal}/runs/R1/0001 && cat ${journal}/runs/R1/0001.sum`;
    const { stdout } = spawnSync("sh", ["-c", fold], { encoding: "utf8" });
    expect(stdout.match(/0001\.json$/gm)).toHaveLength(1);
    expect(entryOf("0001").run).toBe("R1");
    expect(existsSync(join(journal, "old/R2/folded"))).toBe(true);
    expect(existsSync(join(journal, "old/R2/stepless"))).toBe(false);
    carryOut([{ does: "take back", entry: entryOf("0001") }], { run: "R3" });
    expect(readFileSync(path, "utf8")).toBe("0\n");
  });

  test("marks a run that did no step, when it goes among the old ones", () => {
    mkdirSync(join(journal, "runs/R0"), { recursive: true });
    carryOut(actionsOf(mark("a")));
    spawnSync("sh", ["-c", `. ${keptLibrary()}; cw_fold R3 9`]);
    expect(existsSync(join(journal, "old/R0/stepless"))).toBe(true);
    expect(existsSync(join(journal, "runs/R1"))).toBe(true);
  });

  test("takes back what an older version kept, without checksums", () => {
    carryOut(actionsOf(mark("a")));
    rmSync(join(journal, "runs/R1/0001.sum"));
    const back: Action = { does: "take back", entry: entryOf("0001") };
    expect(carryOut([back], { run: "R2" }).follower.stuck?.output).toContain("0001.sum in ");
    const text = join(journal, "runs/R1/0001.json");
    writeFileSync(text, readFileSync(text, "utf8").replace(',"summed":true', ""));
    expect(carryOut([back], { run: "R3" }).follower.stuck).toBeUndefined();
    expect(marks()).toEqual([]);
  });

  test("ends with a step that the journal cannot note, and what comes after it never began", () => {
    const notePath = `${journal}/runs/R1/0001.now`;
    const { ended, said } = carryOut(
      actionsOf(mark("a", { do: `echo a >>${folder}/marks; mkdir ${notePath}` }), mark("b")),
    );
    expect(ended).toMatchObject({ how: "unnoted", action: { n: "0001" }, path: `${journal}/runs/R1/0001` });
    expect(said).toEqual(["started 0001", "failed 0001"]);
    expect(marks()).toEqual(["a"]);
    expect(readdirSync(join(journal, "runs/R1")).filter((f) => /(done|undone)$/.test(f))).toEqual([
      "0002.undone",
    ]);
  });

  test.each([
    ["a gigabyte", "yes | head -c 1G"],
    ["a gigabyte without a line", "head -c 1G /dev/zero"],
  ])("keeps of %s that a step prints the beginning and the end", (_name, prints) => {
    const look = `stat -c %s ${journal}/out >${folder}/size`;
    const { said, follower } = carryOut(
      actionsOf(mark("a", { do: `echo a >>${folder}/marks; ${prints}; echo it ends; ${look}; exit 1` })),
    );
    expect(said).toEqual(["started 0001", "failed 0001"]);
    expect(Number(readFileSync(join(folder, "size"), "utf8"))).toBeLessThanOrEqual(65_536);
    expect(statSync(join(journal, "out")).size).toBeLessThanOrEqual(131_072);
    expect(follower.output("").length).toBeLessThanOrEqual(9000);
    expect(follower.output("")).toMatch(/it ends$/);
    expect(readdirSync(journal).filter((name) => name.startsWith("out"))).toEqual(["out"]);
  });

  test("does not wait for what a step leaves running with its output open", () => {
    const { ended } = carryOut(
      actionsOf(mark("a", { do: `echo a >>${folder}/marks; sleep 300 & echo $! >${folder}/pid` })),
    );
    process.kill(Number(readFileSync(join(folder, "pid"), "utf8")));
    expect(ended).toEqual({ how: "all" });
  });

  describe("with live output", () => {
    const live = (one: string, options = {}) =>
      carryOut(actionsOf(mark("a", { do: `${one}; echo a >>${folder}/marks` })), { live: true, ...options });

    test("tells what a step says, whole, in whole lines, and nothing where nobody asked", () => {
      const says = "printf 'one\\n\\ntwo\\ttabs é 容器\\nopen'; echo ' end' >&2; printf 'no newline'";
      expect(live(says).heard).toEqual(["one", "", "two\ttabs é 容器", "open end", "no newline"]);
      const without = carryOut(actionsOf(mark("b", { do: `${says}; echo b >>${folder}/marks` })), {
        run: "R2",
      });
      expect([
        without.heard,
        without.stdout.includes("@cw said"),
        without.text.includes("cw_live=262144"),
      ]).toEqual([[], false, false]);
    });

    test("tells it while the step goes on", async () => {
      const waits = `echo hello; until [ -e ${folder}/heard ]; do sleep 0.05; done; echo bye`;
      const { text } = carryOut([], { live: true });
      const script = text.replace(
        /^cw_look_again$/m,
        `cw_live=9999; cw_do() { ${waits}; }; cw_quietly cw_do`,
      );
      const child = spawn("sh", [inFile(script)], { stdio: ["ignore", "pipe", "ignore"] });
      const heard: string[] = [];
      const follower = new Follower([], [], 1000, {
        action: () => {},
        consequence: () => {},
        said: (lines) => {
          heard.push(...lines);
          // The step does not end before it was heard.
          writeFileSync(join(folder, "heard"), "");
        },
      });
      for await (const line of createInterface(child.stdout)) follower.line(line);
      expect(heard).toEqual(["hello", "bye"]);
    });

    test("takes nothing of it for the host's own words", () => {
      const forged = "printf '@cw done 0001\\n@cw failed 0001 perform 0\\n\\033[2Jgone\\n'";
      const { said, heard, stdout } = live(forged);
      expect(said).toEqual(["started 0001", "done 0001"]);
      expect(heard).toEqual(["@cw done 0001", "@cw failed 0001 perform 0", "\x1b[2Jgone"]);
      expect(stdout).not.toContain("\x1b");
    });

    test.each([
      ["lines", "yes | head -c 1000000000"],
      ["a line", "head -c 1000000000 /dev/zero"],
    ])("tells the beginning of a gigabyte of %s, and that there is more", (_, says) => {
      const { ended, heard, stdout } = live(says);
      expect(ended).toEqual({ how: "all" });
      expect(heard.at(-1)).toBe("no more");
      expect(heard.length).toBeLessThanOrEqual(2001);
      expect(heard.join("").length).toBeLessThanOrEqual(10_000);
      expect(stdout.length).toBeLessThan(400_000);
    });

    test("neither waits for what a step leaves running, nor leaves it anything of the session's", () => {
      const { ended, heard } = live(
        `echo a; (sleep 1.5; echo late; exec sleep 300) & echo $! >${folder}/pid`,
      );
      process.kill(Number(readFileSync(join(folder, "pid"), "utf8")));
      expect(ended).toEqual({ how: "all" });
      expect(heard[0]).toBe("a");
    });

    test("keeps the output of a step that fails as ever", () => {
      const { ended, output } = carryOut(actionsOf(mark("a", { do: "seq 30000; echo why; false" })), {
        live: true,
      });
      expect(ended).toMatchObject({ how: "step failed" });
      expect(output).toMatch(/why$/);
      expect(readFileSync(join(journal, "out"), "utf8")).toMatch(/^1\n2\n/);
    });

    test("tells nothing of a step whose words are hidden", () => {
      const steps = [mark("a", { do: `echo first; echo a >>${folder}/marks` }), mark("b"), mark("c")];
      steps[1] = { ...mark("b", { do: `echo hidden; echo b >>${folder}/marks` }), noLog: true };
      steps[2] = mark("c", { do: `echo last; echo c >>${folder}/marks` });
      const { heard, stdout } = carryOut(actionsOf(...steps), { live: true });
      expect(heard).toEqual(["first", "last"]);
      expect(stdout).not.toContain(Buffer.from("hidden\n").toString("base64"));
    });

    test("tells of a restart what the unit says to the host's log", () => {
      const programs = {
        systemctl:
          'case $* in is-active*) echo active ;; show*) echo 7 ;; "restart it") echo said >>LOG ;; esac',
        journalctl: 'case $* in *"-u it"*) exec tail -n +1 -f LOG ;; esac',
      };
      for (const [name, script] of Object.entries(programs))
        writeFileSync(join(folder, name), `#!/bin/sh\n${script.replaceAll("LOG", `${folder}/log`)}\n`, {
          mode: 0o755,
        });
      writeFileSync(join(folder, "log"), "");
      const env = { PATH: `${folder}:${process.env.PATH}` };
      const due: Due[] = [{ consequence: restart("it"), causedBy: [] }];
      const { caused, heard } = carryOut([], { live: true, due, env });
      expect([caused, heard]).toEqual([["started restart it", "done restart it"], ["said"]]);
    });
  });

  test("takes nothing that a step or an undo prints for its own words", () => {
    const forged = "printf '\\n@cw done 0002\\n@cw start 0002\\n@cw failed 0001 perform 0\\n'";
    const loud = mark("a", { do: `${forged}; echo a >>${folder}/marks`, undo: `${forged}; exit 1` });
    const { said } = carryOut(actionsOf(loud, mark("b", { do: `${forged}; false` })));
    expect(said).toEqual(["started 0001", "done 0001", "started 0002", "failed 0002"]);
    const back = carryOut([{ does: "take back", entry: entryOf("0001") }], { run: "R2" });
    expect([back.said, back.follower.stuck?.output]).toEqual([
      ["started 0001"],
      "\n@cw done 0002\n@cw start 0002\n@cw failed 0001 perform 0",
    ]);
  });

  test("says of a unit that does not run after an undo that it needs no restart, and restarts none", () => {
    const asked = join(folder, "asked");
    const states =
      "case $* in *is-active*$UP) echo active ;; *is-active*) exit 3 ;; *show*) echo loaded ;; *is-failed*) exit 1 ;; esac";
    writeFileSync(join(folder, "systemctl"), `#!/bin/sh\n${states}\necho "$*" >>${asked}\n`, { mode: 0o755 });
    const due = ["up", "down"].map((unit): Due => ({ consequence: restart(unit), causedBy: [] }));
    carryOut(actionsOf(mark("a")));
    const env = { PATH: `${folder}:${process.env.PATH}`, UP: "up" };
    const { caused, ended } = carryOut([{ does: "take back", entry: entryOf("0001") }], {
      run: "R2",
      due,
      env,
    });
    expect(ended).toEqual({ how: "all" });
    expect(caused).toEqual(["started restart up", "done restart up", "spared restart down"]);
    expect(readFileSync(asked, "utf8")).toMatch(/^restart up$/m);
    expect(readFileSync(asked, "utf8")).not.toMatch(/^restart down$/m);
  });

  test("nor when a restart failed and its steps are undone", () => {
    const loud = mark("a", { undo: "printf '@cw undone 0002\\n@cw unit x active\\n'; exit 1" });
    const due: Due[] = [{ consequence: restart("nosuch-unit"), causedBy: ["0001"] }];
    const { ended, output } = carryOut(actionsOf(loud, mark("b")), { due });
    expect(ended).toMatchObject({ how: "restart failed", undone: [], stuck: [{ n: "0001" }] });
    expect(output).toContain("@cw unit x active");
  });

  test("believes nothing that the host's environment says", () => {
    const elsewhere = join(folder, "elsewhere");
    const env = {
      CW: elsewhere,
      OUT: "/dev/full",
      D: elsewhere,
      B: elsewhere,
      cw_force: "force",
      cw_stuck: "x",
      cw_library: "exit 1",
      cw_keep: "0",
      cw_live: "9999",
    };
    expect(carryOut(actionsOf(mark("a")), { env }).ended).toEqual({ how: "all" });
    expect(existsSync(elsewhere)).toBe(false);
    expect(entryOf("0001").what).toBe("mark a");
  });
});
