import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Duplex } from "node:stream";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { type CausewayError, describeError } from "../../src/errors.ts";
import type { Channel, Start } from "../../src/host/channel.ts";
import type { Session } from "../../src/host/session.ts";
import { sessionOn } from "../../src/host/session-on.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-session-"));
chmodSync(folder, 0o755);
afterAll(() => rmSync(folder, { recursive: true }));

const options = { hostKeyChecking: "strict", connectTimeoutMs: 20_000, commandTimeoutMs: 60_000 } as const;

function program(name: string, text: string): string {
  const file = join(folder, name);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, text, { mode: 0o755 });
  return file;
}

/** Stands for sudo where nobody is root: it asks for a password where it is told to, and runs what it is given. */
const path = `${join(
  program(
    "bin/sudo",
    `#!/bin/sh
flags=$1 prompt=
[ "$1" != -S ] || { prompt=$3; shift 2; }
shift 2
[ -z "$prompt" ] || { printf %s "$prompt" >&2; read -r said; [ "$said" = open ] || { echo 'Sorry, try again.' >&2; exit 1; }; }
BECAME="root $flags" exec "$@"
`,
  ),
  "..",
)}${delimiter}${process.env.PATH}`;

program(
  "bin/su",
  `#!/bin/sh
[ "$LC_ALL $1 $2" = "C root -c" ] || exit 9
printf 'Password: ' >&2; read -r said
[ "$said" = open ] || { echo 'su: Authentication failure' >&2; exit 1; }
BECAME=su exec sh -c "$3"
`,
);
program("bin/doas", `#!/bin/sh\n[ "$1" = -n ] || exit 9\nshift\nBECAME=doas exec "$@"\n`);

/** Whoever runs these tests, what they start is run by somebody who is not root. */
const nobody =
  process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];

/** What would be a channel over SSH: the user's login shell gets the command line. */
function through(loginShell: readonly string[], user = nobody): Start {
  return async (command) => {
    const [file = "", ...args] = [...user, ...loginShell, "-c", command];
    const child = spawn(file, args, { env: { ...process.env, PATH: path }, cwd: "/" });
    child.stdin.on("error", () => {});
    const stream = Duplex.from({ writable: child.stdin, readable: child.stdout });
    stream.on("error", () => {});
    const ended = new Promise<number>((resolve) =>
      child.once("close", (code) => setTimeout(resolve, 20, code ?? -1)),
    );
    const close = () => void child.stdin.end();
    return Object.assign(stream, { stderr: child.stderr, ended, close }) as unknown as Channel;
  };
}

const open: Session[] = [];
afterAll(async () => {
  for (const session of open.splice(0)) await session.close();
});

async function session(start: Start, over: object = {}, more: object = {}): Promise<Session> {
  const target = { name: "h", kind: "ssh", address: "h", user: "ops", become: true, ...over } as const;
  const made = await sessionOn(
    target,
    { ...options, ...more },
    {
      began: Date.now(),
      start,
      ended: (shell) => shell.ended.then(() => "it ended"),
      close: (shell) => shell.close(),
    },
  );
  open.push(made);
  return made;
}

async function refusal(...args: Parameters<typeof session>): Promise<string> {
  const error = await session(...args).then(
    (made) => made.run("true").catch((e: CausewayError) => e),
    (e: CausewayError) => e,
  );
  expect(error).toMatchObject({ code: "unreachable" });
  return describeError(error as CausewayError);
}

const running = (mark: string) =>
  execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line === `sleep ${mark}`);

const there = (name: string) =>
  (process.env.PATH ?? "").split(delimiter).some((f) => statSync(join(f, name), { throwIfNoEntry: false }));
const noisy = program("noisy", '#!/bin/sh\necho WELCOME; echo "to this host" >&2; exec /bin/sh "$@"\n');
const loginShells = [
  ["sh"],
  ["bash"],
  ["rbash"],
  ["zsh"],
  ["tcsh"],
  ["fish"],
  ["busybox", "sh"],
  [noisy],
].filter(([name = ""]) => name.startsWith("/") || there(name));

let serial = 0;

describe.each(loginShells)("%s %s as login shell", (...words) => {
  const start = through(words.filter(Boolean));

  test.concurrent.each([
    ["without sudo", { become: false }, ""],
    ["under sudo", {}, "root -n"],
    ["under sudo with a password", { becomePassword: "open" }, "root -S"],
    ["under su", { becomeMethod: "su", becomePassword: "open" }, "su"],
    ["under doas", { becomeMethod: "doas" }, "doas"],
  ])("%s: commands, files, and an end to what hangs", async (_name, over, became) => {
    const it = await session(start, over);
    expect((await it.run('echo "$BECAME"; echo said >&2')).stdout).toBe(`${became}\n`);
    const to = `/tmp/${folder.split("/").pop()}-${serial++}/it's \\!$x`;
    await it.push(new URL(import.meta.url).pathname, to);
    const quoted = `'${to.replaceAll("'", `'\\''`)}'`;
    const sum = execFileSync("sha256sum", [new URL(import.meta.url).pathname], { encoding: "utf8" });
    expect(
      (await it.run(`sha256sum <${quoted}; stat -c %a ${quoted}; rm -r "$(dirname ${quoted})"`)).stdout,
    ).toBe(`${sum.split(" ")[0]}  -\n600\n`);
    const mark = `91${process.pid}.${serial++}`;
    await expect(it.run(`sleep ${mark}; echo on`, { timeoutMs: 300 })).rejects.toMatchObject({
      message: "a command did not end within 0.3 s; it was killed on the host",
    });
    expect(running(mark)).toEqual([]);
    expect((await it.run("echo alive")).stdout).toBe("alive\n");
  });
});

describe("becoming root", () => {
  test("a login shell that starts nothing is named as the cause, with what it said", async () => {
    const nologin = program(
      "nologin",
      // Over SSH its words arrive before its end; from a child of this process they do only if it stays a moment.
      "#!/bin/sh\necho 'This account is currently not available.'; sleep 0.3; exit 1\n",
    );
    const text = await refusal(through([nologin]));
    expect(text).toMatch(
      /login of ops did not start sh: .*nologin[\s\S]*currently not available[\s\S]*getent passwd ops/,
    );
    expect(text).not.toMatch(/sudo/);
    expect(await refusal(through([nologin]), { become: false })).toMatch(
      /login of ops did not start sh: .*nologin[\s\S]*currently not available/,
    );
  });

  test.each([
    [
      "Please login as the user ubuntu.",
      /something else runs[\s\S]*login as the user ubuntu[\s\S]*ForceCommand/,
    ],
    ["WARNING: Your password has expired.", /has expired[\s\S]*chage -l ops/],
  ])("what a forced command says is shown: %s", async (said, expected) => {
    const forced = program(`forced-${said.length}`, `#!/bin/sh\necho '${said}'; sleep 0.3; exit 1\n`);
    for (const become of [true, false])
      expect(await refusal(through([forced]), { become })).toMatch(expected);
  });

  test.each([
    ["sudo: sorry, you must have a tty to run sudo", /wants a terminal[\s\S]*Defaults:ops !requiretty/],
    ["ops is not in the sudoers file.", /does not let ops become root[\s\S]*visudo/],
    ["sudo: a password is required", /asks for a password[\s\S]*-K/],
    ["sudo: unable to resolve host web1", /sudo refused[\s\S]*unable to resolve/],
  ])("sudo's own words come under their headline: %s", async (said, expected) => {
    const stingy: Start = (command) =>
      through(["sh"])(command.replace(/exec sudo .* -- sh -c ".*?"/, `echo "${said}" >&2; exit 1`));
    expect(await refusal(stingy)).toMatch(expected);
  });

  test("a wrong password, and no sudo at all", async () => {
    expect(await refusal(through(["sh"]), { becomePassword: "wrong" })).toMatch(
      /sudo refused[\s\S]*Sorry, try/,
    );
    const withoutSudo: Start = (command) =>
      through(["sh"])(command.replace("exec sudo", "exec sudo-of-nowhere"));
    expect(await refusal(withoutSudo)).toMatch(/sudo is not installed[\s\S]*install sudo there/);
  });
});

describe("becoming root by su or doas", () => {
  const sh = through(["sh"]);
  test.each([
    [
      "a wrong password",
      { becomeMethod: "su", becomePassword: "wrong" },
      /su refused[\s\S]*Authentication failure[\s\S]*root's password/,
    ],
    ["no password", { becomeMethod: "su" }, /su asks for root's password[\s\S]*-K/],
    [
      "doas and a password",
      { becomeMethod: "doas", becomePassword: "x" },
      /doas takes no password[\s\S]*permit nopass ops/,
    ],
    ["two lines", { becomeMethod: "su", becomePassword: "x\ny" }, /password for su has more than one line/],
  ])("%s", async (_, over, words) => {
    expect(await refusal(sh, over)).toMatch(words);
  });

  test("no doas at all", async () => {
    const without: Start = (command) => sh(command.replace("exec doas", "exec doas-of-nowhere"));
    expect(await refusal(without, { becomeMethod: "doas" })).toMatch(/doas is not installed/);
  });
});

describe("an answer of any size is bounded", () => {
  test.each([
    ["without a line", "head -c 300000000 /dev/zero"],
    ["in lines", "yes | head -c 300000000"],
    ["on standard error", "head -c 300000000 /dev/zero >&2"],
    ["without end", "yes"],
  ])("%s: the command is ended, with words, and the session goes on", async (_name, script) => {
    let bytes = 0;
    const it = await session(through(["sh"]), { become: false });
    const onLine = (line: string) => {
      bytes += line.length + 1;
    };
    await expect(it.run(script, { onLine })).rejects.toMatchObject({
      code: "host",
      message: "a command printed more than 64 MiB; it was killed on the host",
    });
    expect(bytes).toBeLessThanOrEqual(64 * 1024 * 1024);
    expect((await it.run("echo alive")).stdout).toBe("alive\n");
  });

  test("the limit can be another one", async () => {
    const it = await session(through(["sh"]), { become: false }, { answerLimit: 1024 * 1024 });
    await expect(it.run("head -c 2000000 /dev/zero")).rejects.toMatchObject({
      message: expect.stringContaining("more than 1 MiB"),
    });
    expect((await it.run("head -c 1000000 /dev/zero")).stdout.length).toBe(1_000_000);
  });

  test("a host that sends without being asked is given up", async () => {
    const babbling = program("babbling", '#!/bin/sh\nhead -c 3000000 /dev/zero; exec /bin/sh "$@"\n');
    const it = await session(through([babbling]), { become: false }, { answerLimit: 1024 * 1024 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await expect(it.run("true")).rejects.toMatchObject({ code: "unreachable" });
  });
});

describe("a command that has to be ended", () => {
  /** A host on which nothing can be started beside the session's shell. */
  function alone(): Start {
    let started = 0;
    return (command) => {
      started += 1;
      return started > 1 ? Promise.reject(new Error("no more channels")) : through(["sh"])(command);
    };
  }

  test("and cannot be: the error says so", async () => {
    const it = await session(alone(), { become: false });
    await expect(it.run("sleep 0.6", { timeoutMs: 200 })).rejects.toMatchObject({
      message:
        "a command did not end within 0.2 s; it could not be killed on the host and may still run there",
      detail: { advice: expect.stringContaining("ps -ef") },
    });
  });
});

describe("sending a file", () => {
  const local = join(folder, "local");
  writeFileSync(local, Buffer.alloc(5_000_000, "x"));
  const into = mkdtempSync(join(tmpdir(), "causeway-into-"));
  chmodSync(into, 0o777);
  afterAll(() => rmSync(into, { recursive: true }));
  const to = join(into, "deep/file");
  const left = () => readdirSync(into, { recursive: true });

  /** A host whose channels beside the shell are changed before they are used. */
  function changing(change: (channel: Channel) => void): Start {
    let started = 0;
    return async (command) => {
      const channel = await through(["sh"])(command);
      started += 1;
      if (started > 1) change(channel);
      return channel;
    };
  }

  afterEach(() => rmSync(join(into, "deep"), { recursive: true, force: true }));

  test("whole", async () => {
    const it = await session(through(["sh"]), { become: false });
    await it.push(local, to);
    expect(statSync(to).size).toBe(5_000_000);
    await it.push("/dev/null", to);
    expect(statSync(to).size).toBe(0);
    expect(left().sort()).toEqual(["deep", "deep/file"]);
  });

  test("cut off in the middle: what was there stays, and no part of the new", async () => {
    const it = await session(
      changing((channel) => {
        const write = channel.write.bind(channel);
        let bytes = 0;
        channel.write = ((chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > 1_000_000) channel.close();
          return bytes > 1_000_000 ? true : write(chunk);
        }) as typeof channel.write;
      }),
      { become: false },
    );
    mkdirSync(join(into, "deep"));
    chmodSync(join(into, "deep"), 0o777);
    writeFileSync(to, "before");
    await expect(it.push(local, to)).rejects.toMatchObject({
      code: "host",
      message: `sending ${local} failed`,
      detail: { output: expect.stringMatching(/of 5000000 bytes arrived/) },
    });
    expect(left().sort()).toEqual(["deep", "deep/file"]);
    expect(readFileSync(to, "utf8")).toBe("before");
  });

  test("to a host that takes no more: given up after a while", async () => {
    const it = await session(
      changing((channel) => void Object.assign(channel, { write: () => false })),
      { become: false },
      { commandTimeoutMs: 300 },
    );
    await expect(it.push(local, to)).rejects.toMatchObject({
      detail: { output: "nothing of it moved for 0.3 s" },
    });
    expect(left()).toEqual([]);
  });

  test.each([
    ["a file that is not there", "/nowhere/file", to, /ENOENT/],
    ["a place that cannot be written", local, "/proc/nowhere/file", /nowhere/],
    ["a folder", local, into, /is a folder/],
    ["a disk that is full", local, "/dev/full/x", /full/],
  ])("%s", async (_name, from, target, words) => {
    const it = await session(through(["sh"]), { become: false });
    await expect(it.push(from, target)).rejects.toMatchObject({
      code: "host",
      detail: { host: "h", output: expect.stringMatching(words) },
    });
    expect((await it.run("echo alive")).stdout).toBe("alive\n");
  });
});

describe("a script that goes on beside the shell", () => {
  const echo = 'echo ready; while read -r line; do echo "$line, héard"; done; echo over; exit 7';

  test.each([
    ["sh", ["sh"]],
    ["a login shell that talks", [noisy]],
  ])(
    "through %s: it says lines and is told lines, whatever the shell does meanwhile, until its input ends",
    async (_name, shell) => {
      const it = await session(through(shell), { become: false });
      const lines: string[] = [];
      const beside = await it.accompany(echo, (line) => {
        lines.push(line);
        if (line === "ready") beside.tell("one");
      });
      expect((await it.run("sleep 0.3; echo done")).stdout).toBe("done\n");
      beside.tell("two");
      await beside.end(20_000);
      expect(await beside.ended).toBe(7);
      expect(lines.filter((line) => line !== "WELCOME")).toEqual([
        "ready",
        "one, héard",
        "two, héard",
        "over",
      ]);
    },
  );

  test("what does not end when its input does is cut off", async () => {
    const it = await session(through(["sh"]), { become: false });
    const beside = await it.accompany("trap '' TERM; echo ready; exec sleep 3.1", () => {});
    await beside.end(100);
    expect((await it.run("echo alive")).stdout).toBe("alive\n");
  });

  test("where none can be started, it says what may be in the way", async () => {
    const starts = [through(["sh"])];
    const once: Start = (command) => starts.pop()?.(command) ?? Promise.reject(new Error("open failed"));
    const it = await session(once, { become: false });
    await expect(it.accompany("true", () => {})).rejects.toMatchObject({
      code: "host",
      detail: { host: "h", output: "open failed", advice: expect.stringMatching(/MaxSessions/) },
    });
  });
});
