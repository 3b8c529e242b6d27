import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { folderWith } from "../inventory/files.ts";
import { asValue, vaults } from "../vault/vaults.ts";

// Each command is a process of its own, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 60_000 });

const playbook = `import { defineTask, definePlaybook, step, Type } from "causeway";
const note = defineTask({
  name: "note", summary: "x", key: () => "k",
  params: Type.Object({ path: Type.String(), text: Type.String() }),
  read: (host, { path }) => host.file(path),
  present: (was, { text }) => [step.file({ was, content: text })],
});
export default definePlaybook({
  name: "notes", summary: "x",
  vars: Type.Object({ token: Type.String(), own: Type.String(), from_pipe: Type.String() }),
  plays: [{ title: "P", hosts: "all", tasks: ({ vars }) => [
    note({ path: "/tmp/causeway-no-such-" + vars.token, text: vars.token + " " + vars.own + " " + vars.from_pipe }),
    note({ path: "/tmp/causeway-no-such-file", text: "behind-no-log" }, { noLog: true }),
  ] }],
});
`;

const folder = folderWith({
  pass: "right\n",
  "notes.ts": playbook,
  "hosts.yaml": `all:\n  hosts:\n    h1:\n      ansible_connection: local\n      token: ${asValue(vaults["value 1.1"], 8)}\n`,
  "own.yaml": vaults["file 1.2"],
});

function sh(line: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, PATH: `${packageDir}:${process.env.PATH}` };
  return new Promise((resolve) =>
    execFile("bash", ["-c", line], { cwd: folder, env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    ),
  );
}

const pipe = `-e @<(echo 'from_pipe: through-a-pipe')`;

test.each(["plain", "json"])(
  "--output %s: no secret is in the diff, the commands and the data of a run",
  async (output) => {
    const options = `--check --diff -v --output ${output} --vault-password-file pass -e own=mine-alone ${pipe}`;
    const { code, stdout, stderr } = await sh(`run notes.ts -i hosts.yaml ${options}`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("******** mine-alone ********");
    expect(stdout).toContain("hidden, as noLog says");
    expect(stdout).not.toMatch(/hunter22|through-a-pipe|behind-no-log/);
  },
);

test("--report and --junit: none is in the files either", async () => {
  const options = `--check --diff --vault-password-file pass -e own=mine-alone ${pipe}`;
  const { code } = await sh(`run notes.ts -i hosts.yaml ${options} --report run.html --junit run.xml`);
  expect(code).toBe(0);
  const [page, junit] = ["run.html", "run.xml"].map((name) => readFileSync(join(folder, name), "utf8"));
  expect(page).toContain("******** mine-alone ********");
  expect(`${page}${junit}`).not.toMatch(/hunter22|through-a-pipe|behind-no-log/);
});

test("without the password it is exit 6, and said how to give it; following that works", async () => {
  const more = "-e own=mine-alone -e from_pipe=x --syntax-check";
  const { code, stderr } = await sh(`run notes.ts -i hosts.yaml ${more}`);
  expect(code).toBe(6);
  expect(stderr).toMatch(/h1: token is encrypted[\s\S]*give --vault-password-file FILE/);
  expect((await sh(`run notes.ts -i hosts.yaml ${more} --vault-password-file pass`)).code).toBe(0);
  expect((await sh(`ANSIBLE_VAULT_PASSWORD_FILE=pass run notes.ts -i hosts.yaml ${more}`)).code).toBe(0);
  const wrong = await sh(`run notes.ts -i hosts.yaml ${more} --vault-id dev@own.yaml`);
  expect([wrong.code, wrong.stderr]).toEqual([
    6,
    expect.stringMatching(/no given password opens it[\s\S]*tried: dev/),
  ]);
});

test("a listing shows what is encrypted as it is written, and no value of a file that is", async () => {
  const listed = await sh("run inventory --host h1 -i hosts.yaml -e @own.yaml --vault-id prod@<(echo other)");
  expect(listed).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(listed.stdout)).toMatchObject({
    token: { __ansible_vault: vaults["value 1.1"] },
    db_password: "********",
    port: "********",
  });
});
