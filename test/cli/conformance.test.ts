import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { folderWith } from "../inventory/files.ts";
import { runIn } from "./run.ts";
import { ShellServers, unchecked } from "./shell-servers.ts";

// Each command is a process of its own, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 60_000 });

/** Ten hosts: servers of SSH on loopback, whose shells are this machine's. Runs over them only look. */
const servers = new ShellServers(10);
const { names } = servers;

/** What a task reads is `says`; it fails where that gives the code 7. */
const look = `import { CausewayError, defineProbe, definePlaybook, defineTask, rawScript, step, Type } from "causeway";
const look = defineTask({ name: "look", summary: "x", params: Type.Object({ says: Type.String() }), key: () => "k",
  read: async (host, { says }) => (await host.read(rawScript(says))).code,
  present: (code) => {
    if (code === 7) throw new CausewayError("host", "it failed", { found: "code 7" });
    if (code === 8) return [null];
    return code === 9 ? [step.run({ what: "x", from: null, to: "1", do: rawScript("false"), done: rawScript("false"), undo: rawScript("true"), touches: [] })] : [];
  } });
const vars = Type.Object({ says: Type.String({ default: "true" }), reach: Type.Boolean({ default: true }) });
`;

const folder = folderWith({
  "look.ts": `${look}export default definePlaybook({ name: "look", summary: "x", vars,
  plays: [{ title: "P", hosts: "all", tasks: ({ vars }) => [look({ says: vars.says })] }] });`,
  "nowhere.ts": `${look}export default definePlaybook({ name: "nowhere", summary: "x", vars,
  plays: [{ title: "P", hosts: "db", tasks: () => [] }] });`,
  "prove.ts": `${look}const prove = defineProbe({ name: "prove", summary: "x", params: Type.Object({ ok: Type.Boolean() }),
  run: async (hosts, { ok }) => ({ title: "x", hosts: hosts.map((h) => h.name), notes: [],
    cells: [{ from: "h1", to: "h2", ok, expected: "reachable", lossPercent: ok ? 0 : 100 }] }) });
export default definePlaybook({ name: "prove", summary: "x", vars, hosts: "all", plays: [],
  verify: (fleet) => [prove({ ok: fleet.hosts[0].vars.reach })] });`,
  "broken.yaml": "all:\n\thosts:\n",
});

/** The first hosts, each with what its task reads; one that is off has a port on which nobody listens. */
function hostsOf(
  count: number,
  { says = {}, off = [] }: { says?: Record<string, string>; off?: string[] },
): string {
  const host = (name: string) => ({
    ...servers.vars(name, off.includes(name)),
    ...(name in says ? { says: says[name] } : {}),
  });
  const hosts = Object.fromEntries(names.slice(0, count).map((name) => [name, host(name)]));
  return join(folderWith({ "hosts.json": JSON.stringify({ all: { hosts } }) }), "hosts.json");
}

beforeAll(() => servers.listen());
afterAll(() => servers.close());

const run = (...args: string[]) => runIn(folder, ...args);
const check = (book: string, inventory: string, ...more: string[]) =>
  run(book, "-i", inventory, "--check", ...unchecked, ...more);

describe("exit codes", () => {
  test.each<[string, number, Parameters<typeof hostsOf>[1]]>([
    ["all hosts are fine", 0, {}],
    ["a host failed", 2, { says: { h2: "exit 7" } }],
    ["a host is unreachable", 4, { off: ["h3"] }],
    ["unreachable wins over failed", 4, { says: { h2: "exit 7" }, off: ["h3"] }],
    ["a remote command that ends with 255 is no lost connection", 0, { says: { h2: "exit 255" } }],
    ["a bug", 70, { says: { h1: "exit 8" } }],
  ])("%s: %i", async (_, code, how) => {
    const { code: ended, stdout, stderr } = await check("look.ts", hostsOf(3, how));
    expect(ended, stdout + stderr).toBe(code);
    if (code === 70) expect(stderr).toMatch(/This is a bug in causeway\. Please report it/);
  });

  test.each<[string, number, string[], RegExp]>([
    ["an unknown option", 5, ["look.ts", "--lmit", "h1"], /unknown option --lmit/],
    ["a limit that matches nothing", 5, ["look.ts", "-l", "h99"], /h99/],
    [
      "hosts of a play that match nothing",
      6,
      ["nowhere.ts"],
      /nowhere\.ts:\d+:\d+: play “P”.*db matches no host/,
    ],
    ["a file of a limit that is not there", 5, ["look.ts", "-l", "@gone.retry"], /gone\.retry/],
    ["a file that is no YAML", 6, ["look.ts", "-i", "broken.yaml"], /broken\.yaml:2:1: .*not valid YAML/],
    ["a variable that does not fit", 6, ["look.ts", "-e", "reach=perhaps"], /reach has the wrong type/],
    ["a playbook that is not there", 6, ["gone.ts"], /playbook gone\.ts not found/],
  ])("%s", async (_, code, args, words) => {
    const more = args.includes("-i") ? [] : ["-i", hostsOf(2, {})];
    const { code: ended, stdout, stderr } = await run(...args, ...more, ...unchecked);
    expect({ ended, stdout, stderr }).toEqual({
      ended: code,
      stdout: "",
      stderr: expect.stringMatching(words),
    });
  });

  test("a proof that fails is 3, although nothing was changed", async () => {
    const inventory = hostsOf(2, {});
    const prove = (reach: string) => run("prove.ts", "-i", inventory, ...unchecked, "-e", `reach=${reach}`);
    expect([(await prove("yes")).code, (await prove("no")).code]).toEqual([0, 3]);
  });
});

test.each([
  ["29%", ["h1 h2", "h3 h4", "h5 h6", "h7 h8", "h9 h10"]],
  ["1%", names],
  ["1,4", ["h1", "h2 h3 h4 h5", "h6 h7 h8 h9", "h10"]],
  ["0", [names.join(" ")]],
])(
  "--serial %s: a percentage is floored and at least one, the last of a list repeats",
  async (serial, wanted) => {
    const inventory = hostsOf(10, { says: Object.fromEntries(names.map((name) => [name, "exit 9"])) });
    const { code, stdout } = await check("look.ts", inventory, "--serial", serial, "--output", "json");
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; hosts: string[] });
    const batches = events.filter(({ type }) => type === "batch").map(({ hosts }) => hosts.join(" "));
    expect({ code, batches }).toEqual({ code: 0, batches: wanted });
  },
);

test("what is still to be done is in the retry file, sorted, and --limit takes it", async () => {
  // Nothing was done where a host refuses before the first step.
  expect((await run("look.ts", "-i", hostsOf(3, { says: { h2: "exit 7" } }), ...unchecked)).code).toBe(2);
  expect(readFileSync(join(folder, "look.retry"), "utf8")).toBe("h1\nh2\nh3\n");
  const inventory = hostsOf(4, { off: ["h4", "h2"] });
  const { code, stderr } = await run("look.ts", "-i", inventory, ...unchecked, "-e", "reach=true");
  expect([code, readFileSync(join(folder, "look.retry"), "utf8")]).toEqual([4, "h2\nh4\n"]);
  expect(stderr).toContain(`to try these hosts again: run look.ts -i ${inventory} `);
  expect(stderr).toContain("-e reach=true --limit @look.retry\n");
  expect((await run("look.ts", "-i", inventory, "-l", "@look.retry", "--list-hosts")).stdout).toBe(
    "P (2)\n  h2\n  h4\n",
  );
  expect((await run("look.ts", "-i", hostsOf(4, {}), ...unchecked, "-l", "@look.retry")).code).toBe(0);
});

test("host keys are checked unless somebody says otherwise", async () => {
  const inventory = hostsOf(1, {});
  const { code, stderr, stdout } = await run("look.ts", "-i", inventory, "--check", "--ssh-config", "none");
  expect({ code, said: stdout + stderr }).toEqual({ code: 4, said: expect.stringMatching(/key/) });
});

/** A systemd that has one unit; it does not start while /var/lib/broken is there. */
const systemctl = `case $* in *unit) ;; *) exit 3 ;; esac
case $1 in
  restart) echo "$*" >>/var/lib/restarts; [ ! -e /var/lib/broken ] || exit 1; touch /var/lib/runs ;;
  is-active) [ "$2" = -q ] || echo active ;;
  show) echo 4242 ;;
esac`;

describe.skipIf(process.getuid?.() !== 0)("hosts with a state of their own", () => {
  const hosts = new ShellServers(2);
  const [first = "", off = ""] = hosts.names;
  const state = folderWith({
    systemctl: `#!/bin/sh\n${systemctl}\n`,
    "units.ts": `import { defineTask, definePlaybook, owed, restart, sh, step, Type } from "causeway";
const part = defineTask({ name: "part", summary: "x", params: Type.Object({ name: Type.String() }), key: ({ name }) => name,
  read: async (host, { name }) => {
    const [there, newer] = await Promise.all([host.read(sh\`[ -e /var/lib/part-\${name} ]\`), host.read(sh\`[ /var/lib/runs -nt /var/lib/part-\${name} ]\`)]);
    return { isThere: there.code === 0, isRead: newer.code === 0 };
  },
  present: ({ isThere, isRead }, { name }) => {
    if (isThere) return isRead ? [] : [owed(restart("unit"), "it started before its files")];
    const file = "/var/lib/part-" + name;
    return [step.run({ what: "part " + name, from: null, to: "there", do: sh\`touch \${file}\`, done: sh\`[ -e \${file} ]\`, undo: sh\`rm \${file}\`, touches: ["*"], causes: [restart("unit")] })];
  } });
export default definePlaybook({ name: "units", summary: "x", vars: Type.Object({}),
  plays: [{ title: "P", hosts: "all", tasks: () => [part({ name: "a" }), part({ name: "b" })] }] });`,
    "tries.ts": `import { definePlaybook, rawScript, Type } from "causeway";
import { command } from "causeway/tasks";
export default definePlaybook({ name: "tries", summary: "x", vars: Type.Object({}), plays: [{ title: "P", hosts: "all", tasks: () => [
  command({ name: "luck", do: rawScript("echo try >>/var/lib/tries; exit 7"), creates: "/var/lib/luck", undo: rawScript("true") }, { retries: { times: 2, pause: "10ms" } })] }] });`,
  });
  const on = async (script: string) =>
    (await runIn(state, "exec", first, "-i", "all.json", ...unchecked, "--", script)).stdout;
  const runOver = async (book: string, inventory: string) => {
    const args = ["-i", inventory, ...unchecked, "--confirm-timeout", "0", "--output", "json"];
    const { code, stdout } = await runIn(state, book, ...args);
    const events = stdout
      .split("\n")
      .filter(Boolean)
      .map(
        (line) =>
          JSON.parse(line) as {
            type: string;
            state?: string;
            hosts: Record<string, { restarts: number; steps: number }>;
            host?: string;
            text?: string;
          },
      );
    const recap = events.find(({ type }) => type === "recap")?.hosts[first];
    return {
      code,
      steps: recap?.steps,
      restarts: recap?.restarts,
      texts: events.flatMap(({ text }) => text ?? []),
    };
  };
  beforeAll(async () => {
    await hosts.listen();
    await hosts.apart(`mount --bind ${join(state, "systemctl")} "$(command -v systemctl)"`);
    chmodSync(join(state, "systemctl"), 0o755);
    const inventory = (names: string[]) =>
      JSON.stringify({
        all: { hosts: Object.fromEntries(names.map((name) => [name, hosts.vars(name, name === off)])) },
      });
    writeFileSync(join(state, "all.json"), inventory([first]));
    writeFileSync(join(state, "one-off.json"), inventory([first, off]));
  });
  afterAll(() => hosts.close());

  test("a restart that several steps ask for happens once; one that failed is found again by the next run", async () => {
    expect(await runOver("units.ts", "all.json")).toMatchObject({ code: 0, steps: 2, restarts: 1 });
    expect(await on("cat /var/lib/restarts; touch /var/lib/part-b /var/lib/broken")).toBe(
      "h1\n  restart unit\n",
    );
    expect(await runOver("units.ts", "all.json")).toMatchObject({ code: 2, steps: 0, restarts: 0 });
    await on("rm /var/lib/broken");
    expect(await runOver("units.ts", "all.json")).toMatchObject({ code: 0, steps: 0, restarts: 1 });
    expect(await runOver("units.ts", "all.json")).toMatchObject({ code: 0, steps: 0, restarts: 0 });
  });

  test("what fails is tried N times more; a host that is unreachable is not", async () => {
    const { code, texts } = await runOver("tries.ts", "one-off.json");
    expect(code).toBe(4);
    expect(texts.filter((text) => /failed, and is tried again/.test(text))).toHaveLength(2);
    expect(await on("grep -c try /var/lib/tries")).toMatch(/^ {2}3$/m);
  });
});

test("each row of docs/conformance.md names a test that there is", () => {
  const [, ...rows] = readFileSync(join(packageDir, "docs/conformance.md"), "utf8").split(/^\| /m).slice(1);
  const shown = rows.map((row) => row.split(" | ").at(-1) ?? "").filter((cell) => cell.includes("`test/"));
  expect(shown).toHaveLength(rows.length);
  let count = 0;
  for (const [, file = "", titles = ""] of shown.join("; ").matchAll(/`(test\/[^`]+)`: (.*?)(?=; `|\n|$)/g)) {
    const source = readFileSync(join(packageDir, file), "utf8");
    for (const title of titles.replace(/ \|$/, "").split("; ")) {
      expect(source, `${file}: ${title}`).toContain(title.replace(" (full)", "").trim());
      count += 1;
    }
  }
  expect(count).toBeGreaterThan(rows.length);
});
