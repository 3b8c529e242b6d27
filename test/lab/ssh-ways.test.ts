import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { type CausewayError, describeError } from "../../src/errors.ts";
import type { ConnectionTarget, Session, SessionOptions } from "../../src/host/session.ts";
import { connectSsh } from "../../src/host/ssh.ts";
import { freePort, Sshds } from "./sshd.ts";
import { inFull } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-sshd-"));
const sshds = new Sshds(folder);
vi.stubEnv("SSH_AUTH_SOCK", undefined);
afterAll(async () => {
  await sshds.stop();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const options: SessionOptions = {
  hostKeyChecking: "strict",
  connectTimeoutMs: 10_000,
  commandTimeoutMs: 20_000,
  sshConfigFile: "none",
};

/** An ssh_config of its own; every host has the key and the known_hosts of these tests. */
function config(name: string, text: string): SessionOptions {
  const file = join(folder, `config-${name}`);
  const common = `Host *\n  User root\n  IdentityFile ${sshds.keyFile}\n  UserKnownHostsFile ${sshds.knownHosts}\n  GlobalKnownHostsFile none\n`;
  writeFileSync(file, `${text}\n${common}`);
  return { ...options, sshConfigFile: file };
}

function named(address: string, over: Partial<ConnectionTarget> = {}): ConnectionTarget {
  return { name: address, kind: "ssh", address, become: false, ...over };
}

/** As an inventory would say it. */
function listed(port: number, over: Partial<ConnectionTarget> = {}): ConnectionTarget {
  const { keyFile, knownHosts } = sshds;
  return {
    name: "h",
    kind: "ssh",
    address: "127.0.0.1",
    port,
    user: "root",
    become: false,
    privateKeyFile: keyFile,
    knownHostsFiles: [knownHosts],
    ...over,
  };
}

async function says(target: ConnectionTarget, more: SessionOptions, script = "echo $0"): Promise<string> {
  const session = await connectSsh(target, more);
  try {
    return (await session.run(script)).stdout;
  } finally {
    await session.close();
  }
}

async function refusal(target: ConnectionTarget, more: SessionOptions = options): Promise<string> {
  const outcome = await says(target, more).catch((error: CausewayError) => error);
  if (typeof outcome === "string") throw new Error(`it was not refused: ${outcome}`);
  expect(outcome.code).toBe("unreachable");
  return describeError(outcome);
}

const accepted = /^Accepted publickey/;

describe.sequential("jump hosts", () => {
  test("thirty hosts through one at sshd's default MaxStartups: one connection, and none is lost", async () => {
    const [gate, inner] = [await sshds.start(), await sshds.start({ config: ["MaxStartups 100"] })];
    const way = config(
      "thirty",
      `Host gate\n  HostName 127.0.0.1\n  Port ${gate.port}\nHost inner-*\n  HostName 127.0.0.1\n  HostKeyAlias [127.0.0.1]:${inner.port}\n  Port ${inner.port}\n  ProxyJump gate`,
    );
    const hosts = Array.from({ length: 30 }, (_, i) => named(`inner-${i}`));
    const sessions = await Promise.all(hosts.map((host) => connectSsh(host, way)));
    const answers = await Promise.all(sessions.map((session) => session.run("echo here")));
    expect(answers.map(({ stdout }) => stdout)).toEqual(hosts.map(() => "here\n"));
    expect([gate.count(accepted), inner.count(accepted)]).toEqual([1, 30]);
    // A confirmation uses nothing that stands.
    const anew = await connectSsh(named("inner-0"), { ...way, anew: true });
    expect([gate.count(accepted), inner.count(accepted)]).toEqual([2, 31]);
    for (const session of [...sessions, anew]) await session.close();
    await vi.waitFor(() => expect(gate.count(/^Disconnected from/)).toBe(2));
    await says(named("inner-0"), way);
    expect(gate.count(accepted)).toBe(3);
  });

  test("twenty names on an sshd that drops all but two at a time: tried again until all are in", async () => {
    const strict = await sshds.start({ config: ["MaxStartups 2:100:2"] });
    const hosts = Array.from({ length: 20 }, (_, i) => listed(strict.port, { name: `h${i}` }));
    const sessions = await Promise.all(
      hosts.map((host) => connectSsh(host, { ...options, connectTimeoutMs: 30_000 })),
    );
    expect(strict.count(accepted)).toBe(20);
    expect(strict.count(/beginning MaxStartups throttling|drop connection/)).toBeGreaterThan(0);
    for (const session of sessions) await session.close();
  });

  test("three in a row, each with its own part of ssh_config", async () => {
    const [a, b, c, inner] = await Promise.all([sshds.start(), sshds.start(), sshds.start(), sshds.start()]);
    const at = (port: number) => `HostName 127.0.0.1\n  Port ${port}`;
    const way = config(
      "chain",
      `Host a\n  ${at(a.port)}\nHost b\n  ${at(b.port)}\n  ProxyJump a\nHost c\n  ${at(c.port)}\nHost inner\n  ${at(inner.port)}\n  ProxyJump b,root@c`,
    );
    const sessions = await Promise.all([1, 2, 3].map(() => connectSsh(named("inner"), way)));
    expect([a, b, c, inner].map((one) => one.count(accepted))).toEqual([1, 1, 1, 3]);
    const [one] = sessions as [Session];
    expect(one.through).toEqual(["127.0.0.1", "a", "127.0.0.1", "b", "127.0.0.1", "c"]);
    for (const session of sessions) await session.close();
    await vi.waitFor(() =>
      expect([a, b, c].map((one) => one.count(/^Disconnected from/))).toEqual([1, 1, 1]),
    );
  });

  test("what a jump host does not pass on is named with it, and the others behind it go on", async () => {
    const [gate, closed, inner] = await Promise.all([
      sshds.start(),
      sshds.start({ config: ["AllowTcpForwarding no"] }),
      sshds.start(),
    ]);
    const at = (port: number) => `HostName 127.0.0.1\n  Port ${port}`;
    const nobody = await freePort("127.0.0.1");
    const way = config(
      "not-passed",
      `Host gate\n  ${at(gate.port)}\nHost closed\n  ${at(closed.port)}\nHost off\n  ${at(nobody)}\n  ProxyJump gate\nHost shut\n  ${at(inner.port)}\n  ProxyJump closed\nHost inner\n  ${at(inner.port)}\n  ProxyJump gate\nHost lost\n  ${at(inner.port)}\n  ProxyJump off\nHost round\n  ProxyJump back\nHost back\n  ProxyJump round`,
    );
    const inside = await connectSsh(named("inner"), way);
    expect(await refusal(named("off"), way)).toMatch(
      new RegExp(`nothing listens on its SSH port[\\s\\S]*root@127.0.0.1:${gate.port} says: .*refused`, "i"),
    );
    expect(await refusal(named("shut"), way)).toMatch(
      /does not pass connections on[\s\S]*AllowTcpForwarding/,
    );
    expect(await refusal(named("lost"), way)).toMatch(
      /jump host root@127.0.0.1:\d+: the host cannot be reached/,
    );
    expect(await refusal(named("round"), way)).toMatch(/lead in a circle[\s\S]*round, back|back, round/);
    expect((await inside.run("echo still")).stdout).toBe("still\n");
    const lost = expect(inside.run("sleep 30")).rejects.toMatchObject({
      message: expect.stringMatching(/the connection was lost/),
    });
    await gate.stop();
    await lost;
    await inside.close();
  });

  inFull("an unknown key behind a jump host: the command that adds it works", async () => {
    const [gate, inner] = await Promise.all([sshds.start(), sshds.start()]);
    const known = join(folder, "known-behind");
    const way = config(
      "unknown",
      `Host gate\n  HostName 127.0.0.1\n  Port ${gate.port}\nHost inner\n  HostName 127.0.0.1\n  Port ${inner.port}\n  UserKnownHostsFile ${known}\n  ProxyJump gate`,
    );
    expect(await refusal(named("inner"), way)).toContain(
      `ssh -F ${way.sshConfigFile} gate ssh-keyscan -p ${inner.port} 127.0.0.1 >> ${known}`,
    );
  });
});

describe.sequential("ProxyCommand", () => {
  test("a process carries the connection, with the tokens of ssh_config", async () => {
    const host = await sshds.start();
    const relay = join(folder, "relay.mjs");
    writeFileSync(
      relay,
      `import { connect } from "node:net";
const [host, port, name, user] = process.argv.slice(2);
process.stderr.write(name + " " + user + "\\n");
const socket = connect(Number(port), host);
process.stdin.pipe(socket).pipe(process.stdout);
socket.once("close", () => process.exit());`,
    );
    const way = config(
      "proxy",
      `Host by-process\n  HostName 127.0.0.1\n  Port ${host.port}\n  ProxyCommand ${process.execPath} ${relay} %h %p %n %r\nHost by-nothing\n  HostName 127.0.0.1\n  Port ${host.port}\n  ProxyCommand echo "no way to %h" >&2; exit 3`,
    );
    expect(await says(named("by-process"), way, "echo $SSH_CONNECTION")).toMatch(/^127.0.0.1 /);
    const text = await refusal(named("by-nothing"), way);
    expect(text).toMatch(/ProxyCommand of ssh_config did not connect[\s\S]*no way to 127.0.0.1/);
  });
});
