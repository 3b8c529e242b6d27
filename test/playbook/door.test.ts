import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import * as tasks from "../../tasks/index.ts";

/** A project of its own, as docs/playbooks.md describes one, and a folder that has nothing to do with it. */
const project = mkdtempSync(join(tmpdir(), "causeway-project-"));
const elsewhere = mkdtempSync(join(tmpdir(), "causeway-elsewhere-"));

const files: Readonly<Record<string, string>> = {
  "package.json": '{ "type": "module" }',
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      module: "nodenext",
      target: "es2023",
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      typeRoots: ["node_modules/causeway/node_modules/@types"],
      types: ["node"],
    },
    include: ["playbooks"],
  }),
  "playbooks/app.conf": "workers = 4\n",
  "playbooks/templates/motd.ts":
    "export const motd = ({ name }: { name: string }) => `You are on ${name}.\\n`;\n",
  "playbooks/site.ts": `import { definePlaybook, Type } from "causeway";
import { file, packages, template } from "causeway/tasks";
import { motd } from "./templates/motd.ts";

export default definePlaybook({
  name: "site",
  summary: "A project of one's own",
  vars: Type.Object({}),
  plays: [
    {
      title: "Set up",
      hosts: "all",
      tasks: ({ name }) => [
        packages({ names: ["curl"] }),
        file({ path: "/etc/app.conf", from: new URL("app.conf", import.meta.url).pathname }),
        template({ path: "/etc/motd", text: motd, vars: { name } }),
      ],
    },
  ],
});
`,
};

beforeAll(() => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(project, name)), { recursive: true });
    writeFileSync(join(project, name), text);
  }
  mkdirSync(join(project, "node_modules"));
  symlinkSync(packageDir, join(project, "node_modules/causeway"));
});
afterAll(() => {
  for (const folder of [project, elsewhere]) rmSync(folder, { recursive: true });
});

function command(program: string, args: string[], cwd: string): Promise<{ code: unknown; said: string }> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, said: stdout + stderr }),
    );
  });
}

test("a playbook of another project runs from any folder with the tasks behind the door", async () => {
  const args = [join(project, "playbooks/site.ts"), "-i", "web1,web2", "--list-tasks"];
  const { code, said } = await command(join(packageDir, "run"), args, elsewhere);
  expect(said).toContain("Set up\n  package curl\n  file /etc/app.conf\n  template /etc/motd\n");
  expect(code).toBe(0);
});

test("it compiles there, and the compiler knows the variables of a template", async () => {
  const wrong = (files["playbooks/site.ts"] ?? "").replace("vars: { name }", "vars: { nam: name }");
  writeFileSync(join(project, "playbooks/wrong.ts"), wrong);
  const tsc = join(packageDir, "node_modules/typescript/bin/tsc");
  const { said } = await command(process.execPath, [tsc, "-p", project], elsewhere);
  expect(said.match(/\S+\.ts(?=\()/g)?.map((path) => basename(path))).toEqual(["wrong.ts"]);
  expect(said).toMatch(/'nam' does not exist/);
}, 200_000);

test("the door has every task and probe of tasks/, under the name that its page shows", async () => {
  const { taskPages } = await import("../../docs/generate.ts");
  const defined = Object.values(tasks).map(({ definition }) => `${definition.name}.md`);
  expect(defined.sort()).toEqual([...(await taskPages()).keys()].sort());
});
