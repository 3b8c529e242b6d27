import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-flood-"));
afterAll(() => rmSync(folder, { recursive: true }));

writeFileSync(
  join(folder, "hosts.yaml"),
  "all: { vars: { ansible_connection: local }, hosts: { flooding: { says: 'yes' }, calm: { says: 'echo yes' } } }",
);
writeFileSync(
  join(folder, "book.ts"),
  `import { definePlaybook, defineTask, rawScript, Type } from "causeway";
const look = defineTask({ name: "look", summary: "x", params: Type.Object({ says: Type.String() }), key: () => "k",
  read: (host, { says }) => host.read(rawScript(says)), present: () => [] });
export default definePlaybook({ name: "flood", summary: "x", vars: Type.Object({ says: Type.String() }),
  plays: [{ title: "p", hosts: "all", tasks: (host) => [look({ says: host.vars.says })] }] });`,
);

/** Runs the playbook against a host that says "y" without end, and one that does not; ends it once it is under way. */
function run(ended = false): Promise<{ code: number | null; said: string }> {
  return new Promise((resolve) => {
    const args = ["book.ts", "-i", "hosts.yaml", "--check", "--output", "plain"];
    const child = spawn(join(packageDir, "run"), args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    const hear = (chunk: Buffer) => {
      said += chunk;
      if (ended && said.includes("PLAY")) child.kill("SIGTERM");
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("close", (code) => resolve({ code, said }));
  });
}

test("a host that says too much fails with words, and the others go on", async () => {
  const { code, said } = await run();
  expect(said).toMatch(/a command printed more than 64 MiB; it was killed on the host/);
  expect(said).toMatch(/calm +: ok=1 /);
  expect(code).toBe(2);
});

test("SIGTERM ends the run meanwhile", async () => {
  const { code } = await run(true);
  expect(code).toBe(130);
});
