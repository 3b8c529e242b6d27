import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { folderWith } from "../inventory/files.ts";
import { linkPackages } from "./installed.ts";
import { runIn } from "./run.ts";

// A compiler and several commands, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 180_000 });

const made = [
  ".gitignore",
  "inventory.yaml",
  "README.md",
  "package.json",
  "playbooks/greet.ts",
  "tasks/motd.ts",
  "test/motd.test.ts",
  "tsconfig.json",
];

const npmTest = (cwd: string) =>
  new Promise<{ code: unknown; said: string }>((resolve) =>
    execFile("npm", ["test"], { cwd }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, said: stdout + stderr }),
    ),
  );

test("run init makes a project that passes at once, and fails once its task is wrong", async () => {
  const above = folderWith({});
  const { code, stdout } = await runIn(above, "init", "my fleet");
  expect(code).toBe(0);
  expect(stdout.split("\n").slice(0, made.length).sort()).toEqual(
    made.map((path) => `my fleet/${path}`).sort(),
  );
  expect(stdout).toContain("cd 'my fleet'\n");
  const folder = join(above, "my fleet");
  expect(JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))).toMatchObject({
    name: "my-fleet",
    dependencies: { causeway: `file:${packageDir}` },
  });
  linkPackages(folder);
  const good = await npmTest(folder);
  expect(good.code, good.said).toBe(0);
  expect(good.said).toMatch(/greet\.ts: OK/);
  expect(good.said).toMatch(/# pass 2|pass 2/);
  const task = join(folder, "tasks/motd.ts");
  writeFileSync(task, readFileSync(task, "utf8").replace("was.content ===", "was.content !=="));
  expect((await npmTest(folder)).code).not.toBe(0);
});

test("a file that is there is not overwritten, and nothing is written", async () => {
  const folder = folderWith({ "tasks/motd.ts": "mine\n" });
  const { code, stderr } = await runIn(folder, "init");
  expect(stderr).toMatch(/would overwrite files, so nothing was written[\s\S]*tasks\/motd\.ts/);
  expect(code).toBe(5);
  expect(readdirSync(folder)).toEqual(["tasks"]);
  expect(readFileSync(join(folder, "tasks/motd.ts"), "utf8")).toBe("mine\n");
});

test("an npm package has the project in it", () => {
  const { files } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as { files: string[] };
  expect(files).toContain("project");
  expect(existsSync(join(packageDir, "project/gitignore"))).toBe(true);
});
