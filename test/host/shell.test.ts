import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { connectLocal } from "../../src/host/local.ts";
import type { Session } from "../../src/host/session.ts";
import { Shell } from "../../src/host/shell.ts";

const target = { name: "here", kind: "local", address: "here", become: false } as const;
const options = { hostKeyChecking: "strict", connectTimeoutMs: 5000, commandTimeoutMs: 10_000 } as const;

let session: Session;
beforeAll(async () => {
  session = await connectLocal(target, options);
});
afterAll(() => session.close());

describe("one long-lived shell", () => {
  test.each([
    ["no newline at the end", "printf abc", "abc", 0],
    ["nothing", "true", "", 0],
    ["only 0", "printf 0", "0", 0],
    ["what looks like a frame", `printf '\\nabc.1 0\\n'`, "\nabc.1 0\n", 0],
    ["a NUL byte", String.raw`printf 'a\0b'`, "a\0b", 0],
    ["UTF-8", "printf 'schön 容器'", "schön 容器", 0],
    ["an exit code", "echo x; exit 7", "x\n", 7],
    ["exec", "exec echo gone", "gone\n", 0],
    ["no standard input", "cat", "", 0],
    ["quotes", `echo "it's"`, "it's\n", 0],
  ])("%s", async (_name, script, stdout, code) => {
    expect(await session.run(script)).toEqual({ stdout, stderr: "", code });
  });

  test("a syntax error is the command's own", async () => {
    const [bad, good] = await Promise.all([session.run("if then"), session.run("echo fine")]);
    expect(bad.code).not.toBe(0);
    expect(bad.stderr).toContain("yntax error");
    expect(good.stdout).toBe("fine\n");
  });

  test("500 reads in one tick are one round trip, each with its own answer", async () => {
    const before = session.stats.roundTrips;
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, i) => session.run(`echo ${i}; echo e${i} >&2`)),
    );
    expect(session.stats.roundTrips - before).toBe(1);
    expect(answers.map((a) => a.stdout)).toEqual(Array.from({ length: 500 }, (_, i) => `${i}\n`));
    expect(answers.map((a) => a.stderr)).toEqual(Array.from({ length: 500 }, (_, i) => `e${i}\n`));
  });

  test("5 MB come back whole", async () => {
    const { stdout } = await session.run("head -c 5000000 /dev/zero | tr '\\0' x");
    expect(stdout.length).toBe(5_000_000);
    expect(/^x+$/.test(stdout)).toBe(true);
  });

  test("lines arrive while the command runs, and each once", async () => {
    const lines: string[] = [];
    let early = 0;
    const { stdout } = await session.run("echo one; sleep 0.3; echo two; printf three", {
      onLine: (line) => {
        lines.push(line);
        if (lines.length === 1) early = lines.length;
      },
    });
    expect(stdout).toBe("one\ntwo\nthree");
    expect(lines).toEqual(["one", "two", "three"]);
    expect(early).toBe(1);
  });

  test("a command that takes too long is ended on the host, and the shell goes on", async () => {
    const mark = `86${process.pid}`;
    await expect(session.run(`sleep ${mark}`, { timeoutMs: 200 })).rejects.toMatchObject({
      code: "host",
      detail: { host: "here", command: `sleep ${mark}` },
    });
    const left = execFileSync("sh", ["-c", `ps -eo args | grep -c '^sleep ${mark}$' || true`], {
      encoding: "utf8",
    });
    expect(left.trim()).toBe("0");
    expect((await session.run("echo alive")).stdout).toBe("alive\n");
  });
});

test("a shell that ends is an unreachable host, not a code", async () => {
  const dying = await connectLocal(target, options);
  await dying.run("true");
  await expect(dying.run("kill -KILL $$")).rejects.toMatchObject({ code: "unreachable" });
  await expect(dying.run("true")).rejects.toMatchObject({ code: "unreachable" });
});

test.each([
  ["an empty line in the middle", "printf 'a\\n\\nb\\n'", ["a", "", "b"]],
  ["one line", "echo a", ["a"]],
  ["nothing", "true", []],
  ["a newline alone", "echo", [""]],
  ["a character cut in two", "printf 'x\\345'; sleep 0.1; printf '\\256\\271\\n'", ["x容"]],
  ["standard error is not streamed", "echo a; echo b >&2", ["a"]],
])("the lines of %s", async (_name, script, expected) => {
  const lines: string[] = [];
  const { stdout } = await session.run(script, { onLine: (line) => void lines.push(line) });
  expect(lines).toEqual(expected);
  expect(stdout.replace(/\n$/, "")).toBe(expected.join("\n"));
});

test("a file is sent for root only", async () => {
  const folder = mkdtempSync(join(tmpdir(), "causeway-push-"));
  const [from, to] = [join(folder, "from"), join(folder, "to")];
  writeFileSync(from, "a\0b", { mode: 0o644 });
  await session.push(from, to);
  expect(readFileSync(to, "utf8")).toBe("a\0b");
  expect((statSync(to).mode & 0o777).toString(8)).toBe("600");
  rmSync(folder, { recursive: true });
});

test("the host's environment decides nothing of which program is run, where its settings are, and which Docker is asked", async () => {
  const folder = mkdtempSync(join(tmpdir(), "causeway-planted-"));
  for (const name of ["stat", "only-here"])
    writeFileSync(join(folder, name), "#!/bin/sh\necho planted\n", { mode: 0o755 });
  const child = spawn("sh", ["-c", "umask 000; exec sh"], {
    env: { PATH: `${folder}:${process.env.PATH}`, HOME: folder, DOCKER_HOST: "tcp://10.0.0.9:2375" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const { stdin, stdout, stderr } = child;
  const ended = new Promise<string>((resolve) => void child.once("close", () => resolve("ended")));
  const shell = new Shell(
    "here",
    { stdin, stdout, stderr, ended, beside: async () => 0, close: () => {} },
    options,
  );
  const run = shell.run('stat -c %F /; only-here; umask; echo "$DOCKER_HOST"; echo "$HOME"');
  const home = process.getuid?.() === 0 ? "/root" : folder;
  expect((await run).stdout).toBe(`directory\nplanted\n0022\n\n${home}\n`);
  stdin.end();
  await ended;
  rmSync(folder, { recursive: true });
});

/** The shells of this machine that can stand at the other end. */
const shells = [["dash"], ["bash", "--posix"], ["busybox", "sh"]].filter(([program = ""]) =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => {
    return statSync(join(folder, program), { throwIfNoEntry: false })?.isFile() ?? false;
  }),
);

describe.each(shells)("%s %s", (program, ...args) => {
  let shell: Shell;
  const child = spawn(program, args as string[], { stdio: ["pipe", "pipe", "pipe"] });
  const ended = new Promise<string>((resolve) => void child.once("close", () => resolve("ended")));
  beforeAll(() => {
    const { stdin, stdout, stderr } = child;
    const close = () => void stdin.end();
    const beside = (script: string) =>
      new Promise<number>((done) => void spawn(program, [...args, "-c", script]).once("close", done));
    shell = new Shell("here", { stdin, stdout, stderr, ended, beside, close }, options);
  });
  afterAll(async () => {
    child.stdin.end();
    await ended;
  });

  test.each([
    ["a NUL byte", String.raw`printf 'a\0b'`, "a\0b", 0],
    ["a frame", `printf '\\nabc.1 0\\n'`, "\nabc.1 0\n", 0],
    ["exit", "echo x; exit 7", "x\n", 7],
    ["exec", "exec printf %s gone", "gone", 0],
    ["set -eu", "set -eu; false; echo never", "", 1],
    ["an unset variable", 'set -u; echo "$nothing_of_this_name" 2>/dev/null; true', "", "not 0"],
    ["cd and variables stay inside", "cd /proc; A=1; true", "", 0],
    ["they did", 'echo "$PWD ${A-}"', "/ \n", 0],
    ["no standard input", "cat; read -r x; echo $?", "1\n", 0],
    ["a background process", "sleep 0 & wait; echo done", "done\n", 0],
  ])("%s", async (_name, script, stdout, code) => {
    const result = await shell.run(script);
    expect(result.stdout).toBe(stdout);
    if (code === "not 0") expect(result.code).not.toBe(0);
    else expect(result.code).toBe(code);
  });

  test("a syntax error hurts nobody else", async () => {
    const [bad, worse, good] = await Promise.all([
      shell.run("if then"),
      shell.run("echo 'never closed"),
      shell.run("echo fine"),
    ]);
    expect(bad.code).not.toBe(0);
    expect(worse.code).not.toBe(0);
    expect(good).toEqual({ stdout: "fine\n", stderr: "", code: 0 });
  });

  test("a command that hangs is ended with all that it started", async () => {
    const mark = `87${process.pid}`;
    const behind = shell.run(`sh -c 'trap "" TERM; sleep ${mark}; sleep ${mark}'; true`, { timeoutMs: 200 });
    const next = shell.run("echo alive");
    await expect(behind).rejects.toMatchObject({ code: "host", detail: { host: "here" } });
    expect((await next).stdout).toBe("alive\n");
    const running = execFileSync("ps", ["-eo", "args"], { encoding: "utf8" }).split("\n");
    expect(running.filter((args) => args === `sleep ${mark}`)).toEqual([]);
  });
});

describe("a shell that does not answer", () => {
  /** A shell that says nothing by itself; `answer` says what the next command in the row would. */
  function silent(until: Promise<number> = Promise.resolve(0)) {
    let written = "";
    const stdin = new Writable({
      write(chunk, _encoding, done) {
        written += chunk;
        done();
      },
    });
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const ended: string[] = [];
    const close = vi.fn();
    const shell = new Shell(
      "h",
      {
        stdin,
        stdout,
        stderr,
        ended: new Promise(() => {}),
        beside: (script) => {
          ended.push(script);
          return until;
        },
        close,
      },
      { commandTimeoutMs: 1000 },
    );
    const answer = (text: string) => {
      const [, nonce] = /%s %s\\n' (\S+) \$__c;/.exec(written) ?? [];
      const [, pidOf] = /echo "(\w+)=\$\$"/.exec(written) ?? [];
      written = written.slice(written.indexOf(">&2\n") + 4);
      stdout.write(`${text.replace("PID", `${pidOf}=4711`)}\n${nonce} 0\n`);
      stderr.write(`\n${nonce} 0\n`);
    };
    return { shell, answer, ended, close };
  }
  const soon = () => vi.advanceTimersByTimeAsync(0);

  beforeAll(() => void vi.useFakeTimers());
  afterAll(() => void vi.useRealTimers());

  test("ends nothing on the host as long as its process id is not known: below 0 is everything", async () => {
    const { shell, ended, close } = silent();
    const run = expect(shell.run("true")).rejects.toMatchObject({ code: "unreachable" });
    await vi.advanceTimersByTimeAsync(6001);
    await run;
    expect(ended).toEqual([]);
    expect(close).toHaveBeenCalledOnce();
  });

  test("ends what is below its process id, and stays open when the command ends thereupon", async () => {
    const { shell, answer, ended, close } = silent();
    const run = expect(shell.run("sleep 9")).rejects.toMatchObject({
      code: "host",
      detail: { command: "sleep 9" },
    });
    await soon();
    answer("PID\n");
    await vi.advanceTimersByTimeAsync(1001);
    expect(ended).toEqual([expect.stringMatching(/cw_end_children 4711$/)]);
    answer("");
    await run;
    const next = shell.run("echo");
    await soon();
    answer("alive\n");
    expect((await next).stdout).toBe("alive\n");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(close).not.toHaveBeenCalled();
  });

  test("stays open when the command ended while others were being ended", async () => {
    let done = (_code: number) => {};
    const { shell, answer, close } = silent(new Promise<number>((resolve) => (done = resolve)));
    const run = expect(shell.run("sleep 9")).rejects.toMatchObject({ code: "host" });
    await soon();
    answer("PID\n");
    await vi.advanceTimersByTimeAsync(1001);
    answer("");
    await soon();
    done(0);
    await run;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(close).not.toHaveBeenCalled();
    const next = shell.run("echo");
    await soon();
    answer("alive\n");
    expect((await next).stdout).toBe("alive\n");
  });
});
