import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectLocal } from "../../src/host/local.ts";
import type { Session } from "../../src/host/session.ts";

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
    expect(lines.filter((l) => l !== "")).toEqual(["one", "two", "three"]);
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
