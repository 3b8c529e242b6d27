import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2 from "ssh2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Session } from "../../src/host/session.ts";
import { connectSsh } from "../../src/host/ssh.ts";
import { shellFor } from "../cli/shell-servers.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-silence-"));
const keyFile = join(folder, "key");
const options = {
  hostKeyChecking: "off",
  connectTimeoutMs: 20_000,
  commandTimeoutMs: 60_000,
  sshConfigFile: "none",
} as const;

/** A host whose shell is this machine's. */
const { private: hostKey } = ssh2.utils.generateKeyPairSync("ed25519");
const host = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
  client.on("error", () => {});
  client.on("authentication", (asked) => asked.accept());
  client.on("ready", () =>
    client.on("session", (accept) =>
      accept().on("exec", (acceptExec, _reject, { command }) => shellFor(acceptExec(), command, "h")),
    ),
  );
});

/** The way to the host, which can lose what goes to it or comes from it. */
interface Way {
  port: number;
  /** Once nothing is under way to the host: what is sent from then on are questions. */
  cut: (which: "in" | "out" | "both") => Promise<void>;
  reset: () => void;
  /** How often the runner asked since the cut; its goodbye at the end is shorter than a question. */
  asked: () => number;
  close: () => void;
}
const ways: Way[] = [];

async function way(): Promise<Way> {
  let lost = "";
  let asked = 0;
  let question = 0;
  let sentAt = 0;
  const sockets: Socket[] = [];
  const server: NetServer = createServer((near) => {
    const { port } = host.address() as { port: number };
    const far = connect(port, "127.0.0.1");
    sockets.push(near);
    for (const socket of [near, far]) socket.on("error", () => {});
    near.on("data", (chunk) => {
      sentAt = Date.now();
      if (lost !== "") question ||= chunk.length;
      if (chunk.length === question) asked += 1;
      if (lost !== "in" && lost !== "both") far.write(chunk);
    });
    far.on("data", (chunk) => {
      if (lost !== "out" && lost !== "both") near.write(chunk);
    });
    near.once("close", () => far.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const made: Way = {
    port: (server.address() as { port: number }).port,
    cut: async (which) => {
      while (Date.now() - sentAt < 200) await sleep(20);
      lost = which;
    },
    reset: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    asked: () => asked,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  ways.push(made);
  return made;
}

beforeAll(async () => {
  writeFileSync(keyFile, ssh2.utils.generateKeyPairSync("ed25519").private, { mode: 0o600 });
  await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", () => resolve()));
});
afterAll(() => {
  for (const one of ways) one.close();
  host.close();
  rmSync(folder, { recursive: true });
});

const sessionOver = ({ port }: Way) =>
  connectSsh(
    {
      name: "h",
      kind: "ssh",
      address: "127.0.0.1",
      port,
      user: "root",
      become: false,
      privateKeyFile: keyFile,
    },
    options,
  );

/** Starts a script, and gives what becomes of it once it has begun. */
async function begun(session: Session, script: string): Promise<{ ends: Promise<unknown> }> {
  let ends: Promise<unknown> = Promise.resolve();
  await new Promise<void>((resolve) => {
    ends = session.run(`echo begun; ${script}`, { onLine: () => resolve() });
    ends.catch(() => {});
  });
  return { ends };
}

describe("a connection that is lost while a long step runs", () => {
  test.concurrent.each([
    ["in", "sleep 50"],
    ["out", "sleep 50"],
    ["both", "sleep 50"],
    ["in", "while sleep 1; do echo still here; done"],
    ["out", "while sleep 1; do echo still here; done"],
  ] as const)("cut %s, with %s: noticed after four questions that nobody answered", async (which, script) => {
    const over = await way();
    const session = await sessionOver(over);
    const { ends } = await begun(session, script);
    await over.cut(which);
    await expect(ends).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("the host stopped answering"),
    });
    expect(over.asked()).toBe(4);
    await session.close();
  });

  test.concurrent("reset: noticed without a question", async () => {
    const over = await way();
    const session = await sessionOver(over);
    const { ends } = await begun(session, "sleep 50");
    await over.cut("both");
    over.reset();
    await expect(ends).rejects.toMatchObject({ code: "unreachable" });
    expect(over.asked()).toBe(0);
    await session.close();
  });
});
