import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { folderWith } from "../inventory/files.ts";
import { runIn } from "./run.ts";
import { ShellServers, unchecked } from "./shell-servers.ts";

// Each command is a process of its own, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 60_000 });

const servers = new ShellServers(5);
beforeAll(() => servers.listen());
afterAll(() => servers.close());

/** All five hosts, h1 and h2 in a group; those in `off` do not answer. */
function fleet(off: readonly string[] = []): string[] {
  const hosts = Object.fromEntries(
    servers.names.map((name) => [name, servers.vars(name, off.includes(name))]),
  );
  const children = { web: { hosts: { h1: {}, h2: {} } } };
  const folder = folderWith({ "hosts.json": JSON.stringify({ all: { hosts, children } }) });
  return ["-i", join(folder, "hosts.json"), ...unchecked];
}

const exec = (...args: string[]) => runIn("/tmp", "exec", ...args);
const events = (stdout: string) =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("run exec", () => {
  test("shows equal results once, those of most hosts first; and connects once to each host", async () => {
    const before = servers.logins;
    const command =
      'case $THIS_HOST in h[135]) echo same; exit 3 ;; *) echo "$THIS_HOST"; echo aside >&2 ;; esac';
    const { stdout, stderr, code } = await exec("all", ...fleet(), "--", command);
    expect(stdout).toBe(
      [
        "h1, h3, h5 (3 hosts), exit code 3",
        "  same",
        "h2",
        "  h2",
        "  stderr:",
        "  aside",
        "h4",
        "  h4",
        "  stderr:",
        "  aside",
        "",
      ].join("\n"),
    );
    expect(stderr).toMatch(/^exit code 0 on 2 of 5 hosts, failed on 3 \(h1, h3, h5\), /);
    expect(code).toBe(2);
    expect(servers.logins - before).toBe(5);
  });

  test.each<[string, string, string[], number]>([
    ["all commands give 0", "true", [], 0],
    ["a command does not", '[ "$THIS_HOST" != h2 ]', [], 2],
    ["a command ends with 255: no lost connection", "exit 255", [], 2],
    ["a host is unreachable", "true", ["h3"], 4],
    ["unreachable wins over failed", '[ "$THIS_HOST" != h2 ]', ["h3"], 4],
    ["a syntax error", "if", [], 2],
  ])("%s", async (_, command, off, code) => {
    const ended = await exec("all", ...fleet(off), "--", command);
    expect(ended.code, ended.stdout + ended.stderr).toBe(code);
    if (off.length > 0) expect(ended.stderr).toMatch(/unreachable +h3: [\s\S]*unreachable: 1 \(h3\)/);
  });

  test("of several words each stays what it is, and one word is a line for the shell", async () => {
    const several = await exec(
      "h1",
      ...fleet(),
      "--",
      "printf",
      "%s\n",
      "a  b",
      "$HOME; exit 9",
      "--version",
    );
    expect(several.stdout).toBe("h1\n  a  b\n  $HOME; exit 9\n  --version\n");
    expect((await exec("h1", ...fleet(), "--", "echo a b | tr a-z A-Z")).stdout).toBe("h1\n  A B\n");
  });

  test("begins in the home of who is logged in", async () => {
    const { stdout } = await exec("h1", ...fleet(), "--", '[ "$PWD" -ef ~ ] && echo home');
    expect(stdout).toBe("h1\n  home\n");
  });

  test("a pattern and --limit choose together", async () => {
    const { stdout } = await exec("web", "-l", "h2,h3", ...fleet(), "--", 'echo "$THIS_HOST"');
    expect(stdout).toBe("h2\n  h2\n");
  });

  test("of a large output the beginning is kept, its end is counted, and the command goes on to its own", async () => {
    const command = "head -c 3000000 /dev/zero | tr '\\0' x; exit 7";
    const { stdout, code } = await exec("h1", ...fleet(), "--", command);
    const [heading, text = "", left] = stdout.split("\n");
    expect(heading).toBe("h1, exit code 7");
    expect(text.trim() === "x".repeat(1024 * 1024)).toBe(true);
    expect(left).toBe("  (1951 kB more were left out)");
    expect(code).toBe(2);
  });

  test("what only looks alike is not the same, and no byte reaches the terminal as a command", async () => {
    const command = `case $THIS_HOST in h1) printf 'a\\377\\033[2J\\n' ;; *) printf 'a\\376\\033[2J\\n' ;; esac`;
    const { stdout } = await exec("web", ...fleet(), "--", command);
    expect(stdout).toBe("h1\n  a\ufffd\nh2\n  a\ufffd\n");
    const [, first] = events((await exec("h1", "--output", "json", ...fleet(), "--", command)).stdout);
    expect(Buffer.from(first.stdoutBase64, "base64")).toEqual(Buffer.from("a\xff\x1b[2J\n", "latin1"));
  });

  test("a command that hangs is ended on its host, and is named with what to do", async () => {
    const command = '[ "$THIS_HOST" != h1 ] || sleep 1234.5';
    const { stdout, stderr, code } = await exec("web", "--command-timeout", "1", ...fleet(), "--", command);
    expect(stdout).toBe("h2\n  (no output)\n");
    expect(stderr).toMatch(/failed {2}h1: a command did not end within 1 s; it was killed on the host/);
    expect(stderr).toMatch(/command +cd 2>\/dev\/null|command +\[ "\$THIS_HOST" != h1 \] \|\| sleep 1234\.5/);
    expect(code).toBe(2);
  });

  test("-v shows each line as it comes, with its host", async () => {
    const { stdout } = await exec(
      "web",
      "-v",
      ...fleet(),
      "--",
      "echo one; echo two; echo three >&2; exit 4",
    );
    for (const host of ["h1", "h2"])
      expect(stdout.split("\n").filter((line) => line.startsWith(host))).toEqual([
        `${host}: one`,
        `${host}: two`,
        `${host}: stderr: three`,
        expect.stringMatching(`^${host}: exit code 4 \\(`),
      ]);
  });

  test("--output json: a line for each host, and one for the end", async () => {
    const command = '[ "$THIS_HOST" = h1 ] || echo no';
    const { stdout, code } = await exec("h1:h2:h3", "--output", "json", ...fleet(["h3"]), "--", command);
    const [first, ...others] = events(stdout);
    const last = others.pop();
    expect(first).toEqual({ type: "exec", command, hosts: ["h1", "h2", "h3"] });
    expect(others).toHaveLength(3);
    expect(others).toContainEqual({
      type: "result",
      host: "h2",
      code: 0,
      ms: expect.any(Number),
      stdout: "no\n",
      stderr: "",
    });
    expect(others).toContainEqual(
      expect.objectContaining({ type: "unreachable", host: "h3", error: expect.objectContaining({}) }),
    );
    expect(last).toMatchObject({
      type: "end",
      exitCode: 4,
      ok: ["h1", "h2"],
      failed: [],
      unreachable: ["h3"],
    });
    expect(code).toBe(4);
  });

  test.each<[string, string[], RegExp]>([
    ["no pattern", ["--", "true"], /takes a pattern of hosts[\s\S]*run exec PATTERN/],
    ["no command", ["all"], /takes a pattern of hosts/],
    ["an empty command", ["all", "--", " "], /takes a pattern of hosts/],
    ["no --", ["all", "df", "/a b"], /put -- before the command: run exec all -- df '\/a b'/],
    ["a pattern that names nothing", ["wbe", "--", "true"], /wbe/],
    ["nobody left by the limit", ["web", "-l", "h4", "--", "true"], /no host is named by both/],
    ["an output that is none", ["web", "--output", "yaml", "--", "true"], /--output takes plain, json/],
  ])("%s: exit 5, before any connection", async (_, args, words) => {
    const before = servers.logins;
    const split = args.includes("--") ? args.indexOf("--") : args.length;
    const ended = await exec(...args.slice(0, split), ...fleet(), ...args.slice(split));
    expect(ended).toMatchObject({ code: 5, stdout: "", stderr: expect.stringMatching(words) });
    expect(servers.logins).toBe(before);
  });

  test("Ctrl-C: no further host begins; twice, and the command is ended where it runs", async () => {
    const args = ["exec", "all", "-f", "1", "-v", ...fleet(), "--", "echo begun; sleep 1234.6; echo ended"];
    const child = spawn(join(packageDir, "run"), args, { cwd: "/tmp" });
    let [out, said] = ["", ""];
    child.stdout.on("data", (chunk) => {
      out += chunk;
      if (out.endsWith("h1: begun\n")) child.kill("SIGINT");
    });
    child.stderr.on("data", (chunk) => {
      said += chunk;
      if (/press Ctrl-C again/.test(said) && !/stopping now/.test(said)) child.kill("SIGINT");
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code, out + said).toBe(130);
    expect(out).not.toMatch(/h2|ended/);
    expect(said).toMatch(/stopping now; what the command has done until now stays done/);
  });
});
