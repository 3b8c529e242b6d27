import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { folderWith } from "../inventory/files.ts";

const folder = folderWith({
  "hosts.yaml": "all: { hosts: { here: { ansible_connection: local } } }\n",
  "notes.txt": "mine\n",
  "out/keep": "",
  "book.ts": `import { CausewayError, definePlaybook, defineTask, rawScript, step, Type } from "causeway";
const file = "/tmp/nowhere/greeting";
const look = defineTask({ name: "look", summary: "x", params: Type.Object({ does: Type.String() }), key: () => file,
  read: async (host, { does }) => ({ was: await host.file(file), said: (await host.read(rawScript(does))).stdout }),
  present: ({ was, said }) => [step.file({ was, content: said })] });
export default definePlaybook({ name: "book", summary: "x", vars: Type.Object({ does: Type.String({ default: "true" }), refuse: Type.Boolean({ default: false }) }),
  preflight: ({ hosts }) => hosts.flatMap(({ vars }) => vars.refuse ? [new CausewayError("host", "not on a Friday")] : []),
  plays: [{ title: "p", hosts: "all", tasks: ({ vars: { does } }) => [look({ does })] }] });\n`,
});

/** A check of the playbook, which is sent a signal once it is under way. */
function check(
  args: readonly string[],
  signal?: NodeJS.Signals,
): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve) => {
    const all = ["book.ts", "-i", "hosts.yaml", "--check", "--diff", "--output", "json", ...args];
    const child = spawn(join(packageDir, "run"), all, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    let [stderr, sent] = ["", signal === undefined];
    child.stdout.on("data", (chunk: Buffer) => {
      if (!sent && `${chunk}`.includes('"connected"')) sent = child.kill(signal);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk;
    });
    child.once("close", (code) => resolve({ code, stderr }));
  });
}

const does = (script: string) => JSON.stringify({ does: script });
const text = (name: string) => readFileSync(join(folder, name), "utf8");
const both = ["--report", "run.html", "--junit", "run.xml"];

describe("--report and --junit", () => {
  test("tell of a check, with its plan", async () => {
    expect(await check([...both, "-e", does("echo '<b>'")])).toEqual({ code: 0, stderr: "" });
    expect(text("run.html")).toMatch(/check completed[\s\S]*class="added">\+&lt;b&gt;/);
    expect(text("run.xml")).toMatch(
      /name="look \/tmp\/nowhere\/greeting" time="[\d.]+"><skipped message="would change"/,
    );
  });

  test("tell of a refusal, with its reason", async () => {
    expect((await check([...both, "-e", "refuse=true"])).code).toBe(2);
    for (const name of ["run.html", "run.xml"]) expect(text(name)).toContain("not on a Friday");
  });

  test.each([
    ["SIGINT", /interrupted/],
    ["SIGTERM", /did not come to its end/],
  ] as const)("tell of a run that %s ended", async (signal, words) => {
    expect((await check([...both, "-e", does("sleep 3")], signal)).code).toBe(130);
    for (const name of ["run.html", "run.xml"]) expect(text(name)).toMatch(words);
    expect(text("run.html")).not.toContain("Nothing was missing");
  });

  test("leave a file of somebody else's alone, before any host is connected to", async () => {
    const { code, stderr } = await check(["--report", "notes.txt"]);
    expect([code, text("notes.txt")]).toEqual([5, "mine\n"]);
    expect(stderr).toContain("--report: notes.txt is there, and is no such report");
    expect(await check(["--report", "a.html", "--junit", "./a.html"])).toMatchObject({ code: 5 });
    expect(existsSync(join(folder, "a.html"))).toBe(false);
  });

  test("that cannot be written in the end are exit 1, with the reason, where all went well", async () => {
    const { code, stderr } = await check(["--report", "out/run.html", "-e", does(`rm -r '${folder}/out'`)]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/--report: out\/run\.html cannot be written[\s\S]*ENOENT/),
    ]);
  });
});
