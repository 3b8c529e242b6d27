import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { type CausewayError, describeError } from "../../src/errors.ts";
import type { ConnectionTarget, Session, SessionOptions } from "../../src/host/session.ts";
import { connectSsh } from "../../src/host/ssh.ts";
import { freePort, Sshds } from "./sshd.ts";
import { full, inFull } from "./support.ts";
import { tokenAgent } from "./token.ts";

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
    await vi.waitFor(() => expect(gate.count(/^Disconnected from/)).toBe(2), 5000);
    await says(named("inner-0"), way);
    expect(gate.count(accepted)).toBe(3);
  });

  inFull(
    "twenty names on an sshd that drops all but two at a time: tried again until all are in",
    async () => {
      const strict = await sshds.start({ config: ["MaxStartups 2:100:2"] });
      const hosts = Array.from({ length: 20 }, (_, i) => listed(strict.port, { name: `h${i}` }));
      const sessions = await Promise.all(
        hosts.map((host) => connectSsh(host, { ...options, connectTimeoutMs: 30_000 })),
      );
      expect(strict.count(accepted)).toBe(20);
      expect(strict.count(/beginning MaxStartups throttling|drop connection/)).toBeGreaterThan(0);
      for (const session of sessions) await session.close();
    },
  );

  inFull(
    "a host that allows two channels at a time: what comes beside the shell waits its turn",
    async () => {
      const host = await sshds.start({ config: ["MaxSessions 2"] });
      const session = await connectSsh(listed(host.port), options);
      const codes = await Promise.all([3, 4, 5].map((code) => session.beside(`sleep 0.3; exit ${code}`)));
      expect(codes).toEqual([3, 4, 5]);
      expect(host.count(accepted)).toBe(1);
      await session.close();
    },
  );

  inFull("three in a row, each with its own part of ssh_config", async () => {
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
    await vi.waitFor(
      () => expect([a, b, c].map((one) => one.count(/^Disconnected from/))).toEqual([1, 1, 1]),
      5000,
    );
  });

  inFull("as Ansible's own variables say it: ssh's arguments", async () => {
    const [gate, inner] = await Promise.all([sshds.start(), sshds.start()]);
    const way = config("arguments", "");
    const target = named("127.0.0.1", {
      port: inner.port,
      sshArguments: ["-J", `root@127.0.0.1:${gate.port}`],
    });
    expect(await says(target, way)).toBe("sh\n");
    expect([gate.count(accepted), inner.count(accepted)]).toEqual([1, 1]);
  });

  inFull("what a jump host does not pass on is named with it, and the others behind it go on", async () => {
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
      message: expect.stringMatching(/the connection was lost: the jump host root@/),
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
  inFull("a process carries the connection, with the tokens of ssh_config", async () => {
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

/** Runs with an agent of its own. */
async function withAgent(body: (add: (key: string) => void) => Promise<void>): Promise<void> {
  const socket = join(folder, `agent-${Math.random()}`);
  const pid = Number(
    /SSH_AGENT_PID=(\d+)/.exec(execFileSync("ssh-agent", ["-a", socket], { encoding: "utf8" }))?.[1],
  );
  const env = { ...process.env, SSH_AUTH_SOCK: socket };
  vi.stubEnv("SSH_AUTH_SOCK", socket);
  try {
    await body((key) => void execFileSync("ssh-add", ["-q", key], { env }));
  } finally {
    vi.stubEnv("SSH_AUTH_SOCK", undefined);
    process.kill(pid);
  }
}

/** Whom the host lets in from now on. */
function letIn(key: string): void {
  writeFileSync(join(folder, "authorized_keys"), readFileSync(`${key}.pub`));
}

describe.sequential("keys", () => {
  afterEach(() => letIn(sshds.keyFile));

  inFull(
    "an agent with eleven keys: the named one comes first, be it a file that is locked or a public key",
    async () => {
      const host = await sshds.start();
      const right = sshds.makeKey("right");
      letIn(right);
      await withAgent(async (add) => {
        for (let i = 0; i < 10; i += 1) add(sshds.makeKey(`other-${i}`));
        add(right);
        execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "secret", "-f", right]);
        const { privateKeyFile: _, ...anyKey } = listed(host.port);
        expect(await refusal(anyKey)).toMatch(/after too many keys[\s\S]*IdentitiesOnly yes/);
        const failed = () => host.count(/^Failed publickey/);
        const before = failed();
        expect(await says(listed(host.port, { privateKeyFile: right }), options)).toBe("sh\n");
        expect(await says(listed(host.port, { privateKeyFile: `${right}.pub` }), options)).toBe("sh\n");
        const first = config("first", `Host *\n  IdentityFile ${right}`);
        expect(await says(named("127.0.0.1", { port: host.port }), first)).toBe("sh\n");
        expect(failed()).toBe(before);
        // Of the agent nothing else is tried.
        const only = config(
          "only",
          `Host *\n  IdentitiesOnly yes\n  IdentityFile ${join(folder, "other-3")}`,
        );
        expect(await refusal(named("127.0.0.1", { port: host.port }), only)).toMatch(
          /refused the login of root/,
        );
        expect(failed()).toBe(before + 2);
      });
    },
  );

  inFull("a locked key: asked for once for all hosts, and only where nothing else would do", async () => {
    const host = await sshds.start();
    const key = sshds.makeKey("locked");
    execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "secret", "-f", key]);
    letIn(sshds.keyFile);
    const asked: string[] = [];
    const ask = async (question: string) => {
      asked.push(question);
      return asked.length === 1 ? "wrong" : "secret";
    };
    const both = config("locked", `Host *\n  IdentityFile ${key}`);
    const target = named("127.0.0.1", { port: host.port });
    expect(await says(target, { ...both, ask })).toBe("sh\n");
    expect(asked).toEqual([]);
    letIn(key);
    expect(await refusal(target, both)).toContain(`ssh-add ${key}`);
    const all = await Promise.all([1, 2, 3].map(() => says(target, { ...both, ask })));
    expect(all).toEqual(["sh\n", "sh\n", "sh\n"]);
    expect(asked).toEqual([1, 2].map(() => `Passphrase of the key ${key}: `));
  });

  inFull("a locked key that nobody opens is named, with the way out", async () => {
    const host = await sshds.start();
    const key = sshds.makeKey("never-opened");
    execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "secret", "-f", key]);
    const target = listed(host.port, { privateKeyFile: key });
    expect(await refusal(target)).toMatch(/has a passphrase, and there is no terminal[\s\S]*ssh-add/);
    expect(await refusal(target, { ...options, ask: async () => undefined })).toMatch(/was not opened/);
  });
});

describe.sequential("security keys, by OpenSSH's own ssh", () => {
  afterEach(() => letIn(sshds.keyFile));

  inFull("one in an agent, named or not; beside another key it is not asked for", async () => {
    const host = await sshds.start();
    const [socket, key] = [join(folder, "token-agent"), join(folder, "token")];
    const token = await tokenAgent(socket, key);
    vi.stubEnv("SSH_AUTH_SOCK", socket);
    try {
      letIn(key);
      const { privateKeyFile: _, ...anyKey } = listed(host.port);
      expect(await says(anyKey, options)).toBe("sh\n");
      expect(await says(listed(host.port, { privateKeyFile: `${key}.pub` }), options)).toBe("sh\n");
      expect(token.signed()).toBe(2);
      letIn(sshds.keyFile);
      expect(await says(listed(host.port), options)).toBe("sh\n");
      expect(token.signed()).toBe(2);
    } finally {
      vi.stubEnv("SSH_AUTH_SOCK", undefined);
      token.close();
    }
  });

  inFull("one whose token is not here: what it lacks, and in ssh's own words", async () => {
    const host = await sshds.start();
    const socket = join(folder, "token-away");
    const key = join(folder, "away");
    (await tokenAgent(socket, key)).close();
    letIn(key);
    expect(await refusal(listed(host.port, { privateKeyFile: `${key}.pub` }))).toMatch(
      /ssh did not log in[\s\S]*because of a security key[\s\S]*plugged in and touched/,
    );
  });
});

describe.sequential("what a login says and starts", () => {
  const shells = { fishy: "/usr/bin/fish", cshy: "/bin/csh", plain: "/bin/sh" };
  const users = { ...shells, nobody1: "/usr/sbin/nologin" };
  const sudoers = Object.keys(users).map((user) => `${user} ALL=(ALL) NOPASSWD: ALL`);
  const canSudo = existsSync("/etc/sudoers");

  test.runIf(full && canSudo).each(Object.entries(shells).filter(([, shell]) => existsSync(shell)))(
    "behind a banner, %s becomes root (%s)",
    async (user) => {
      const banner = join(folder, "banner");
      writeFileSync(banner, "*** AUTHORISED USE ONLY ***\n");
      const host = await sshds.start({ users, sudoers, config: [`Banner ${banner}`] });
      expect(await says(listed(host.port, { user, become: true }), options, "id -un")).toBe("root\n");
      expect(await says(listed(host.port, { user }), options, "id -un")).toBe(`${user}\n`);
    },
  );

  test.skipIf(!existsSync("/usr/bin/doas"))(
    "real doas: nopass becomes root, and each refusal says what it is",
    async () => {
      const host = await sshds.start({
        users,
        doas: ["permit nopass plain", "permit fishy", "permit nopass cshy cmd id"],
      });
      const doas = { become: true, becomeMethod: "doas" } as const;
      expect(await says(listed(host.port, { user: "plain", ...doas }), options, "id -un; echo $HOME")).toBe(
        "root\n/root\n",
      );
      const said = (user: string) => refusal(listed(host.port, { user, ...doas }));
      expect(await said("fishy")).toMatch(/doas asks for a password[\s\S]*permit nopass fishy/);
      expect(await said("cshy")).toMatch(/doas does not let cshy become root[\s\S]*permit nopass cshy/);
      const without = await sshds.start({ users, doas: [] });
      expect(await refusal(listed(without.port, { user: "plain", ...doas }))).toMatch(
        /doas has no doas\.conf[\s\S]*permit nopass plain/,
      );
    },
  );

  test.runIf(full && canSudo)("nologin, requiretty and a forced command, each in its own words", async () => {
    const strict = await sshds.start({ users, sudoers: [...sudoers, "Defaults:plain requiretty"] });
    expect(await refusal(listed(strict.port, { user: "plain", become: true }))).toMatch(
      /sudo wants a terminal[\s\S]*Defaults:plain !requiretty/,
    );
    const forced = await sshds.start({
      users,
      config: ["ForceCommand echo Please log in as ubuntu; exit 142"],
    });
    const hanging = await sshds.start({ config: ["ForceCommand echo menu; sleep 60"] });
    for (const become of [true, false]) {
      expect(await refusal(listed(strict.port, { user: "nobody1", become }))).toMatch(
        /nologin[\s\S]*not available/,
      );
      expect(await refusal(listed(forced.port, { user: "plain", become }))).toMatch(
        /something else runs in its place[\s\S]*log in as ubuntu[\s\S]*ForceCommand/,
      );
    }
    expect(await refusal(listed(hanging.port), { ...options, commandTimeoutMs: 1500 })).toMatch(
      /something else runs in its place[\s\S]*menu/,
    );
  });
});

describe.sequential("algorithms", () => {
  const old = "diffie-hellman-group1-sha1";

  inFull("a server with none in common is named with what it offers, and the advice works", async () => {
    const hosts = {
      old: await sshds.start({ config: [`KexAlgorithms ${old}`] }),
      odd: await sshds.start({ config: ["KexAlgorithms sntrup4591761x25519-sha512@tinyssh.org"] }),
      cbc: await sshds.start({ config: ["Ciphers 3des-cbc"] }),
    };
    expect(await refusal(listed(hosts.old.port))).toMatch(
      new RegExp(`no key exchange in common[\\s\\S]*offers ${old}\\n[\\s\\S]*KexAlgorithms \\+${old}`),
    );
    expect(await refusal(listed(hosts.odd.port))).toMatch(
      /offers sntrup4591761[\s\S]*which causeway has: [\s\S]*sshd_config \(KexAlgorithms\)[\s\S]*install an OpenSSH here/,
    );
    expect(await refusal(listed(hosts.cbc.port))).toMatch(/no cipher in common[\s\S]*Ciphers \+3des-cbc/);
    const at = (name: keyof typeof hosts) => `Host ${name}\n  HostName 127.0.0.1\n  Port ${hosts[name].port}`;
    const way = config("old", `${at("old")}\n  KexAlgorithms +${old}\n${at("cbc")}\n  Ciphers +3des-cbc`);
    expect(await says(named("old"), way)).toBe("sh\n");
    expect(await says(named("cbc"), way)).toBe("sh\n");
  });

  inFull(
    "what OpenSSH's own ssh has in common with a server is used, by it, also behind a jump host; a password is not",
    async () => {
      const umac = await sshds.start({ config: ["MACs umac-64-etm@openssh.com", "Ciphers aes128-ctr"] });
      expect(await says(listed(umac.port), options)).toBe("sh\n");
      const { privateKeyFile: _, ...withPassword } = listed(umac.port, { password: "secret" });
      expect(await refusal(withPassword)).toMatch(
        /no MAC in common[\s\S]*offers umac-64[\s\S]*instead of ansible_password/,
      );
      const config761 = {
        config: ["KexAlgorithms sntrup761x25519-sha512@openssh.com"],
        image: "trixie",
      } as const;
      const [gate, inner] = [await sshds.start(config761), await sshds.start(config761)];
      const way = config(
        "newer",
        `Host gate\n  HostName 127.0.0.1\n  Port ${gate.port}\nHost inner\n  HostName 127.0.0.1\n  Port ${inner.port}\n  ProxyJump gate`,
      );
      const tried = () => inner.count(/no matching key exchange method found/);
      const session = await connectSsh(named("inner"), way);
      expect((await session.run("echo here")).stdout).toBe("here\n");
      // For the jump host it is found out twice: the host behind it needs a connection there that ssh holds.
      expect([gate.count(accepted), inner.count(accepted), tried()]).toEqual([2, 1, 1]);
      // What was found out once is not tried again.
      await says(named("inner"), { ...way, anew: true });
      expect([inner.count(accepted), tried()]).toEqual([2, 1]);
      await session.close();
    },
  );

  inFull("a server of today that offers the newest key exchange alone", async () => {
    const newest = "mlkem768x25519-sha256";
    const host = await sshds.start({ config: [`KexAlgorithms ${newest}`], image: "trixie" });
    const isKnown = execFileSync("ssh", ["-Q", "kex"], { encoding: "utf8" }).split("\n").includes(newest);
    if (isKnown) expect(await says(listed(host.port), options)).toBe("sh\n");
    else
      expect(await refusal(listed(host.port))).toMatch(
        new RegExp(`no key exchange in common[\\s\\S]*offers ${newest}\\n[\\s\\S]*install an OpenSSH here`),
      );
  });

  inFull("what ssh_config lists is all that is offered", async () => {
    const host = await sshds.start({ config: ["LogLevel DEBUG2"] });
    const way = config(
      "listed",
      `Host here\n  HostName 127.0.0.1\n  Port ${host.port}\n  KexAlgorithms ecdh-sha2-nistp384\n  Ciphers aes256-ctr\n  MACs hmac-sha2-512\nHost none\n  HostName 127.0.0.1\n  Port ${host.port}\n  KexAlgorithms sntrup761x25519-sha512@openssh.com`,
    );
    expect(await says(named("here"), way)).toBe("sh\n");
    expect(host.log()).toMatch(/kex: client->server cipher: aes256-ctr MAC: hmac-sha2-512/);
    expect(host.log()).toMatch(/kex: algorithm: ecdh-sha2-nistp384/);
    expect(await refusal(named("none"), way)).toMatch(
      /KexAlgorithms of ssh_config leaves none[\s\S]*correct KexAlgorithms/,
    );
  });

  inFull("a host that is known by one of its keys is asked for that one", async () => {
    const host = await sshds.start({ config: [`HostKey ${join(folder, "host_key")}`], hostKey: "rsa" });
    const known = join(folder, "known-rsa");
    writeFileSync(known, `[127.0.0.1]:${host.port} ${host.publicKey}\n`);
    expect(await says(listed(host.port, { knownHostsFiles: [known] }), options)).toBe("sh\n");
  });
});

describe.sequential("names and addresses", () => {
  inFull(
    "HostKeyAlias without a port, hashed names, Include and Match, and a control socket that is not ours",
    async () => {
      const host = await sshds.start({ hostKey: "ecdsa" });
      const known = join(folder, "known-alias");
      writeFileSync(known, `web-one ${host.publicKey}\n[127.0.0.1]:${host.port} ${host.publicKey}\n`);
      execFileSync("ssh-keygen", ["-H", "-f", known], { stdio: "ignore" });
      writeFileSync(join(folder, "included"), `Host web\n  HostName 127.0.0.1\n  HostKeyAlias web-one\n`);
      const way = config(
        "alias",
        `Include ${join(folder, "included")}\nMatch host 127.0.0.1\n  Port ${host.port}\nHost *\n  UserKnownHostsFile ${known}\n  ControlMaster auto\n  ControlPath ${join(folder, "control")}`,
      );
      expect(await says(named("web"), way)).toBe("sh\n");
      expect(await says(named("127.0.0.1"), way)).toBe("sh\n");
      expect(existsSync(join(folder, "control"))).toBe(false);
    },
  );

  inFull("IPv6, directly and through a jump host", async () => {
    const [host, gate] = [await sshds.start({ address: "::1" }), await sshds.start({ address: "::1" })];
    expect(await says(listed(host.port, { address: "::1" }), options, "echo $SSH_CONNECTION")).toMatch(
      /^::1 /,
    );
    const way = config(
      "six",
      `Host inner\n  HostName ::1\n  Port ${host.port}\n  ProxyJump root@[::1]:${gate.port}`,
    );
    expect(await says(named("inner"), way)).toBe("sh\n");
    expect(gate.count(accepted)).toBe(1);
  });
});

describe.sequential("certificates, by OpenSSH's own ssh", () => {
  const authority = sshds.makeKey("authority");

  inFull("of users: one connection a host, one to their jump host, and nothing stays", async () => {
    const user = sshds.makeKey("certified");
    const sign = (...valid: string[]) =>
      execFileSync("ssh-keygen", [
        "-q",
        "-s",
        authority,
        "-I",
        "me",
        "-n",
        "root",
        "-V",
        ...valid,
        `${user}.pub`,
      ]);
    sign("+1h");
    const trusting = { config: [`TrustedUserCAKeys ${authority}.pub`, "AuthorizedKeysFile none"] };
    const [gate, inner] = [await sshds.start(trusting), await sshds.start(trusting)];
    const at = (port: number) => `HostName 127.0.0.1\n  Port ${port}\n  IdentityFile ${user}`;
    const way = config(
      "certified",
      `Host gate\n  ${at(gate.port)}\nHost inner-*\n  ${at(inner.port)}\n  ProxyJump gate`,
    );
    const sessions = await Promise.all([1, 2, 3].map((i) => connectSsh(named(`inner-${i}`), way)));
    const [one] = sessions as [Session];
    expect(await one.run("echo out; echo err >&2; exit 7")).toEqual({
      stdout: "out\n",
      stderr: "err\n",
      code: 7,
    });
    await expect(one.run("sleep 60", { timeoutMs: 500 })).rejects.toMatchObject({
      message: "a command did not end within 0.5 s; it was killed on the host",
    });
    await one.push(`${user}.pub`, join(folder, "pushed"));
    expect(readFileSync(join(folder, "pushed"), "utf8")).toBe(readFileSync(`${user}.pub`, "utf8"));
    expect([gate.count(accepted), inner.count(accepted)]).toEqual([1, 3]);
    for (const session of sessions) await session.close();
    await vi.waitFor(() => expect(gate.count(/^Disconnected from/)).toBe(1), 5000);
    sign("-2h:-1h");
    const text = await refusal(listed(inner.port, { privateKeyFile: user }));
    expect(text).toMatch(/ssh did not log in[\s\S]*ssh-keygen -L -f[\s\S]*Permission denied/);
  });

  inFull("of hosts: a known_hosts that knows an authority alone", async () => {
    const key = join(folder, "host_key");
    execFileSync("ssh-keygen", ["-q", "-s", authority, "-h", "-I", "host", "-n", "127.0.0.1", `${key}.pub`]);
    const host = await sshds.start({ config: [`HostCertificate ${key}-cert.pub`] });
    const knownBy = (name: string, by: string) => {
      const file = join(folder, name);
      writeFileSync(file, `@cert-authority * ${readFileSync(`${by}.pub`, "utf8")}`);
      return listed(host.port, { knownHostsFiles: [file] });
    };
    expect(await says(knownBy("known-authority", authority), options, "id -un")).toBe("root\n");
    expect(await refusal(knownBy("known-other", sshds.keyFile))).toMatch(/Host key verification failed/);
  });
});
