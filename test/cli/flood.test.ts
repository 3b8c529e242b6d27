import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { connectLocal } from "../../src/host/local.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { packageDir } from "../../src/package-dir.ts";
import { loadPlaybook } from "../../src/playbook/load.ts";
import { run } from "../../src/run/run.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-flood-"));
afterAll(() => rmSync(folder, { recursive: true }));

const flooding = "all: { vars: { ansible_connection: local }, hosts: { flooding: { says: 'yes' }";
writeFileSync(join(folder, "hosts.yaml"), `${flooding} } }`);
writeFileSync(join(folder, "both.yaml"), `${flooding}, calm: { says: 'echo yes' } } }`);
writeFileSync(
  join(folder, "book.ts"),
  `import { definePlaybook, defineTask, rawScript, Type } from "causeway";
const look = defineTask({ name: "look", summary: "x", params: Type.Object({ says: Type.String() }), key: () => "k",
  read: (host, { says }) => host.read(rawScript(says)), present: () => [] });
export default definePlaybook({ name: "flood", summary: "x", vars: Type.Object({ says: Type.String() }),
  plays: [{ title: "p", hosts: "all", tasks: (host) => [look({ says: host.vars.says })] }] });`,
);

/** Runs the playbook against a host that says "y" without end, and sends it a signal once it is under way. */
function ended(signal: NodeJS.Signals): Promise<{ code: number | null; said: string }> {
  return new Promise((resolve) => {
    const args = ["book.ts", "-i", "hosts.yaml", "--check", "--output", "plain"];
    const child = spawn(join(packageDir, "run"), args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    let [said, sent] = ["", false];
    const hear = (chunk: Buffer) => {
      said += chunk;
      if (!sent && said.includes("PLAY")) sent = child.kill(signal);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("close", (code) => resolve({ code, said }));
  });
}

test("a host that says too much fails with words, and the others go on", async () => {
  // Two shells of this machine, which the command line refuses as one machine twice.
  const failed: string[] = [];
  const outcome = await run({
    playbook: await loadPlaybook(join(folder, "book.ts"), join(packageDir, "src/index.ts")),
    inventory: await loadInventory([join(folder, "both.yaml")]),
    extraVars: new Map(),
    check: true,
    verify: false,
    forks: 2,
    session: { hostKeyChecking: "strict", connectTimeoutMs: 60_000, commandTimeoutMs: 60_000 },
    connect: connectLocal,
    reporter: {
      event: (event) => void (event.type === "failed" && failed.push(event.error.message)),
      close: async () => {},
    },
    interrupted: new AbortController().signal,
    breakLock: false,
    verbose: false,
  });
  expect(failed).toEqual([
    expect.stringMatching(/a command printed more than 64 MiB; it was killed on the host/),
  ]);
  expect(outcome).toMatchObject({ exitCode: 2, hosts: { calm: { ok: 1 } } });
});

test.each(["SIGTERM", "SIGHUP"] as const)(
  "%s ends the run meanwhile, after words of its own",
  async (signal) => {
    const { code, said } = await ended(signal);
    expect(code).toBe(130);
    expect(said).toContain(`stopping now, on ${signal}; the current step may be half-done`);
  },
);
