import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connectSsh } from "../../src/host/ssh.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-ssh-"));
const options = {
  hostKeyChecking: "strict",
  connectTimeoutMs: 300,
  commandTimeoutMs: 1000,
  sshConfigFile: "none",
} as const;

/** Takes connections, and says nothing on them. */
let met = 0;
const server = createServer((socket) => {
  met += 1;
  open.add(socket);
  socket.on("error", () => {}).once("close", () => open.delete(socket));
  socket.resume();
});
const open = new Set<object>();
beforeAll(async () => {
  vi.stubEnv("SSH_AUTH_SOCK", undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  server.close();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const target = () => {
  const { port } = server.address() as { port: number };
  return { name: "h", kind: "ssh", address: "127.0.0.1", port, user: "root", become: false } as const;
};

test("a key that cannot be used opens nothing, so that the process can end", async () => {
  const key = join(folder, "key");
  writeFileSync(key, "no key");
  await expect(connectSsh({ ...target(), privateKeyFile: key }, options)).rejects.toMatchObject({
    code: "unreachable",
    message: `the private key ${key} cannot be used`,
  });
  expect([met, open.size]).toEqual([0, 0]);
});

test("a host that says nothing is given up, and nothing to it stays open", async () => {
  await expect(connectSsh(target(), options)).rejects.toMatchObject({ code: "unreachable" });
  await vi.waitFor(() => expect([met, open.size]).toEqual([1, 0]));
});
