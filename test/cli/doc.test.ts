import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { folderWith } from "../inventory/files.ts";
import { runIn } from "./run.ts";

// Each command is a process of its own, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 60_000 });

const folder = folderWith({
  "motd.ts": `import { defineTask, step, Type } from "causeway";
export const motd = defineTask({ name: "motd", summary: "The greeting", key: () => "k",
  params: Type.Object({ text: Type.String({ description: "what it says" }), loud: Type.Boolean({ default: false }) }),
  read: async () => 1, present: () => [] });`,
  "greet.ts": `import { definePlaybook, Type } from "causeway";
import { motd } from "./motd.ts";
export default definePlaybook({ name: "greet", summary: "Says hello",
  vars: Type.Object({ owner: Type.String(), port: Type.Optional(Type.Integer({ minimum: 1 })) }),
  plays: [{ title: "Write it", hosts: "web", tasks: ({ vars }) => [motd({ text: vars.owner, loud: true })] }] });`,
});
const run = (...args: string[]) => runIn(folder, ...args);

describe("run doc", () => {
  test("lists the playbooks and the tasks, each with its summary", async () => {
    const { stdout, code } = await run("doc");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Playbooks\n[\s\S]*^ {2}static-route +Every host owns a container subnet/m);
    expect(stdout).toMatch(/^Tasks and probes\n[\s\S]*^ {2}sysctl +A setting of the kernel/m);
  });

  test("shows a playbook of one's own", async () => {
    expect((await run("doc", "greet.ts")).stdout).toBe(`playbook greet  (greet.ts)
Says hello

Variables, from the inventory or by -e
  owner: string; has to be given
  port: integer from 1; may be left out
  interrupt_containers: boolean; false unless given
      whether this run may restart or stop Docker although containers run, which end with it

Plays, each with its pattern of hosts
  Write it  (web)
`);
  });

  test("shows a task of one's own", async () => {
    expect((await run("doc", "./motd")).stdout).toBe(`task motd  (import { motd } from "motd.ts")
The greeting

Parameters
  text: string; has to be given
      what it says
  loud: boolean; false unless given
`);
  });

  test("a name that a playbook and a task share shows both", async () => {
    const { stdout } = await run("doc", "static-route");
    expect(stdout).toMatch(/^playbook static-route {2}\(/);
    expect(stdout).toMatch(/^task static-route {2}\(import \{ staticRoute \} from "causeway\/tasks"\)/m);
  });

  test.each([
    [["doc", "flanell"], 5, /no playbook and no task flanell[\s\S]*did you mean flannel\?/],
    [["doc", "./gone.ts"], 6, /there is no file \.\/gone\.ts/],
    [["doc", "--schema"], 5, /--schema is of one playbook[\s\S]*run doc PLAYBOOK --schema/],
    [["doc", "sysctl", "--schema"], 5, /no playbook and no task sysctl/],
    [["doc", "flannel", "--vars"], 5, /--vars is an option of --schema/],
  ])("%j is refused", async (args, code, words) => {
    const ended = await run(...args);
    expect(ended.stderr).toMatch(words);
    expect(ended.code).toBe(code);
  });

  test("--schema prints a JSON Schema with the playbook's variables", async () => {
    const schema = JSON.parse((await run("doc", "greet.ts", "--schema")).stdout);
    expect(schema.title).toBe("Inventory for greet");
    expect(Object.keys(schema.definitions.vars.properties)).toEqual(
      expect.arrayContaining(["owner", "port", "interrupt_containers", "ansible_host"]),
    );
  });
});

const { version } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as { version: string };

test.each([
  [["--version"]],
  [["greet.ts", "-i", "nowhere", "--version"]],
  [["inventory", "--version"]],
  [["lab", "--version"]],
  [["rollback", "--check", "--version"]],
])("%j prints the version and does nothing else", async (args) => {
  expect(await run(...args)).toEqual({ code: 0, stdout: `causeway ${version}\n`, stderr: "" });
});

test("behind -- it is another program's option", async () => {
  expect((await run("lab", "--for-nobody", "--", "--version")).code).toBe(5);
});
