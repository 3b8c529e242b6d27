import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type CausewayError, describeError } from "../../src/errors.ts";
import type { ConnectionTarget, SessionOptions } from "../../src/host/session.ts";
import { connectSsh } from "../../src/host/ssh.ts";
import { labConnection, labNetns, labPowerOff, labPowerOn } from "../../src/lab/index.ts";
import { execute, useLab } from "./support.ts";

const lab = useLab("test-ssh", 3, 2);
const options: SessionOptions = {
  hostKeyChecking: "strict",
  connectTimeoutMs: 8000,
  commandTimeoutMs: 20_000,
  sshConfigFile: "none",
};

function target(over: Partial<ConnectionTarget> = {}): ConnectionTarget {
  const { privateKeyFile, knownHostsFile, hosts } = labConnection(lab.spec);
  return {
    name: "docker-200",
    kind: "ssh",
    address: hosts[0]?.address ?? "",
    user: "root",
    become: false,
    privateKeyFile,
    knownHostsFiles: [knownHostsFile],
    ...over,
  };
}

/** The error that a connection ends with, as a person reads it. */
async function refusal(over: Partial<ConnectionTarget>, more: Partial<SessionOptions> = {}): Promise<string> {
  const session = await connectSsh(target(over), { ...options, ...more }).catch((e: CausewayError) => e);
  if (!("code" in session)) throw new Error("it was not refused");
  expect(session.code).toBe("unreachable");
  return describeError(session);
}

function file(name: string, text: string): string {
  const path = join(lab.folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** An ssh_config in which `inner` is the second host, behind the first. */
function jumpConfig(): string {
  const { privateKeyFile, knownHostsFile, hosts } = labConnection(lab.spec);
  return file(
    "jump-config",
    `Host inner\n  HostName ${hosts[1]?.address}\n  ProxyJump gate\nHost gate\n  HostName ${hosts[0]?.address}\nHost *\n  User root\n  IdentityFile ${privateKeyFile}\n  UserKnownHostsFile ${knownHostsFile}\n  GlobalKnownHostsFile none\n`,
  );
}

describe.sequential("host keys", () => {
  test("a wrong one is refused with the command that fixes it", async () => {
    const [, other] = labConnection(lab.spec).hosts;
    const known = readFileSync(labConnection(lab.spec).knownHostsFile, "utf8");
    const key = known
      .split("\n")
      .find((l) => l.startsWith(`${other?.address} `))
      ?.split(" ")
      .slice(1)
      .join(" ");
    const wrong = file("known-wrong", `${target().address} ${key}\n`);
    const text = await refusal({ knownHostsFiles: [wrong] });
    expect(text).toContain("CHANGED");
    expect(text).toContain(`ssh-keygen -R '${target().address}' -f ${wrong}`);
  });

  test("an unknown one is refused; accept-new takes it, and it is known from then on", async () => {
    const empty = file("known-empty", "");
    expect(await refusal({ knownHostsFiles: [empty] })).toContain(
      `ssh-keyscan -p 22 ${target().address} >> ${empty}`,
    );
    const session = await connectSsh(target({ knownHostsFiles: [empty] }), {
      ...options,
      hostKeyChecking: "accept-new",
    });
    await session.close();
    const again = await connectSsh(target({ knownHostsFiles: [empty] }), options);
    await again.close();
  });

  test("a login that is refused says what was tried", async () => {
    expect(await refusal({ user: "nobody" })).toMatch(/refused the login of nobody[\s\S]*tried .*id_ed25519/);
  });
});

describe.sequential("becoming root", () => {
  const asRoot = async (over: Partial<ConnectionTarget>) => {
    const session = await connectSsh(target({ become: true, ...over }), options);
    try {
      return (await session.run("id -u; echo $PPID >/dev/null; id -un")).stdout;
    } finally {
      await session.close();
    }
  };

  test("without a password", async () => {
    expect(await asRoot({ user: "ops-nopass" })).toBe("0\nroot\n");
  });

  test("a password that nobody asks for reaches no shell", async () => {
    const session = await connectSsh(
      target({ become: true, user: "ops-nopass", becomePassword: "touch /tmp/guessed" }),
      options,
    );
    expect((await session.run("id -u; ls /tmp/guessed")).stdout).toBe("0\n");
    await session.close();
  });

  test("with a password", async () => {
    expect(await asRoot({ user: "ops", becomePassword: "ops" })).toBe("0\nroot\n");
  });

  test("with a wrong one: a clear error, and it appears nowhere", async () => {
    const text = await refusal({ become: true, user: "ops", becomePassword: "wrong-one" });
    expect(text).toMatch(/sudo refused/);
    expect(text).not.toContain("wrong-one");
  });

  test("with none where one is asked for: said at once", async () => {
    const began = Date.now();
    expect(await refusal({ become: true, user: "ops" })).toMatch(/asks for a password[\s\S]*-K/);
    expect(Date.now() - began).toBeLessThan(3000);
  });

  test("by su, with root's password", async () => {
    await lab.must("docker-200", "echo root:toor | chpasswd");
    try {
      const su = { user: "ops", becomeMethod: "su" } as const;
      expect(await asRoot({ ...su, becomePassword: "toor" })).toBe("0\nroot\n");
      const wrong = await refusal({ become: true, ...su, becomePassword: "wrong-one" });
      expect(wrong).toMatch(/su refused[\s\S]*Authentication failure/);
      expect(wrong).not.toContain("wrong-one");
      expect(await refusal({ become: true, ...su })).toMatch(/su asks for root's password[\s\S]*-K/);
    } finally {
      await lab.must("docker-200", "passwd -l root");
    }
  });

  test("a password with a second line is refused before sudo sees it", async () => {
    const text = await refusal({ become: true, user: "ops", becomePassword: "ops\ntouch /tmp/injected" });
    expect(text).toMatch(/more than one line/);
    expect(text).not.toContain("injected");
    expect((await lab.on("docker-200", "ls /tmp/injected")).code).not.toBe(0);
  });

  test("a login shell that starts nothing is said, and a restricted or noisy one is no matter", async () => {
    const shellOf = (file: string) => lab.must("docker-200", `usermod -s ${file} ops-nopass`);
    try {
      await shellOf("/usr/sbin/nologin");
      expect(await refusal({ become: true, user: "ops-nopass" })).toMatch(
        /login of ops-nopass did not start sh: .*nologin[\s\S]*not available[\s\S]*getent passwd ops-nopass/,
      );
      expect(
        await connectSsh(target({ user: "ops-nopass" }), options)
          .then((s) => s.run("true"))
          .catch(describeError),
      ).toMatch(/login of ops-nopass did not start sh: .*nologin[\s\S]*not available/);
      for (const shell of ["/bin/rbash", "/bin/bash"]) {
        await shellOf(shell);
        await lab.must("docker-200", "echo 'echo WELCOME; echo to this host >&2' >/home/ops-nopass/.bashrc");
        const session = await connectSsh(target({ become: true, user: "ops-nopass" }), options);
        await expect(session.run("sleep 4244", { timeoutMs: 500 })).rejects.toMatchObject({
          message: "a command did not end within 0.5 s; it was killed on the host",
        });
        expect((await lab.on("docker-200", "ps -eo args | grep '^sleep 424'")).stdout).toBe("");
        expect((await session.run("id -un")).stdout).toBe("root\n");
        await session.close();
      }
    } finally {
      await shellOf("/bin/sh");
      await lab.must("docker-200", "rm -f /home/ops-nopass/.bashrc");
    }
  });

  test("an answer that is too large ends its command, not the session", async () => {
    const session = await connectSsh(target(), options);
    await expect(session.run("yes")).rejects.toMatchObject({
      message: "a command printed more than 64 MiB; it was killed on the host",
    });
    expect((await lab.on("docker-200", "pgrep -x yes")).stdout).toBe("");
    expect((await session.run("echo alive")).stdout).toBe("alive\n");
    await session.close();
  });

  test("root needs no sudo", async () => {
    expect(await asRoot({})).toBe("0\nroot\n");
  });
});

describe.sequential("the way there", () => {
  test("through a jump host, whose key is checked, too", async () => {
    const { hosts } = labConnection(lab.spec);
    const {
      user: _,
      privateKeyFile: __,
      knownHostsFiles: ___,
      ...plain
    } = target({ name: "inner", address: "inner" });
    const session = await connectSsh(plain, { ...options, sshConfigFile: jumpConfig() });
    expect((await session.run("hostname; echo $SSH_CONNECTION")).stdout).toMatch(
      new RegExp(`^docker-201\\n${hosts[0]?.address} `),
    );
    await session.close();
  });

  test("a file of 3 MB arrives whole", async () => {
    const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7919) % 256));
    const local = join(lab.folder, "big");
    writeFileSync(local, bytes);
    const session = await connectSsh(target(), options);
    await session.push(local, "/root/big");
    const { stdout } = await session.run("sha256sum </root/big; stat -c %a /root/big");
    expect(stdout).toBe(`${createHash("sha256").update(bytes).digest("hex")}  -\n600\n`);
    await session.close();
  });

  test("under sudo with a password, a file arrives where only root may write", async () => {
    const local = file("secret-file", "for root\n");
    for (const user of ["ops", "ops-nopass"]) {
      const session = await connectSsh(target({ become: true, user, becomePassword: "ops" }), options);
      await session.push(local, `/root/pushed-${user}`);
      expect(
        (await session.run(`cat /root/pushed-${user}; stat -c '%U %a' /root/pushed-${user}`)).stdout,
      ).toBe("for root\nroot 600\n");
      await session.close();
    }
  });

  test.each([
    ["as root", {}],
    ["under sudo", { become: true, user: "ops-nopass" }],
    ["under sudo with a password", { become: true, user: "ops", becomePassword: "ops" }],
  ])("a command that hangs is ended on the host: %s", async (_name, over) => {
    const session = await connectSsh(target(over), options);
    await expect(session.run("sleep 4242 & sleep 4243", { timeoutMs: 500 })).rejects.toMatchObject({
      code: "host",
    });
    expect((await lab.on("docker-200", "ps -eo args | grep '^sleep 424'")).stdout).toBe("");
    expect((await session.run("echo alive")).stdout).toBe("alive\n");
    await session.close();
  });

  test("docker ps on a daemon that hangs: the command is named, and nothing of it stays", async () => {
    const session = await connectSsh(target(), options);
    await lab.must("docker-200", "kill -STOP $(pidof dockerd)");
    try {
      const error = await session.run("docker ps -q", { timeoutMs: 500 }).catch((e: CausewayError) => e);
      expect(describeError(error as CausewayError)).toMatch(/did not end within 0.5 s[\s\S]*docker ps -q/);
      expect((await lab.on("docker-200", "pgrep -af '[d]ocker ps'")).stdout).toBe("");
    } finally {
      await lab.must("docker-200", "kill -CONT $(pidof dockerd)");
    }
    expect(await session.run("docker ps -q")).toMatchObject({ code: 0 });
    await session.close();
  });

  test("a host that falls silent in the middle is noticed by keep-alive", async () => {
    const at = { name: "docker-201", address: labConnection(lab.spec).hosts[1]?.address ?? "" };
    const index = (await lab.must("docker-201", "cat /sys/class/net/host0/iflink")).trim();
    const netns = ["nsenter", `--net=${labNetns(lab.spec)}`];
    const { stdout: links } = await execute([...netns, "ip", "-o", "link"]);
    const end = new RegExp(`^${index}: ([^@:]+)`, "m").exec(links)?.[1] ?? "";
    const link = (state: string) => execute([...netns, "ip", "link", "set", end, state]);
    const session = await connectSsh(target(at), options);
    const lost = expect(session.run("sleep 100", { timeoutMs: 90_000 })).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("stopped answering"),
    });
    const began = Date.now();
    expect(await link("down")).toMatchObject({ code: 0 });
    await lost;
    expect(Date.now() - began).toBeLessThan(20_000);
    await session.close();
    expect(await link("up")).toMatchObject({ code: 0 });
  });

  test("a host that dies in the middle is noticed; one that is down is given up in time", async () => {
    const session = await connectSsh(
      target({ name: "docker-201", address: labConnection(lab.spec).hosts[1]?.address ?? "" }),
      options,
    );
    const lost = expect(session.run("sleep 100", { timeoutMs: 90_000 })).rejects.toMatchObject({
      code: "unreachable",
    });
    await labPowerOff(lab.spec, ["docker-201"]);
    await lost;
    await session.close();
    const text = await refusal(
      { name: "docker-201", address: labConnection(lab.spec).hosts[1]?.address ?? "" },
      { connectTimeoutMs: 2000 },
    );
    expect(text).toMatch(/cannot be reached/);
    // Through a jump host as well, which would itself wait for long. One that answers "no route" is as good.
    const began = Date.now();
    const { user: _, privateKeyFile: __, knownHostsFiles: ___, ...plain } = target();
    const away = { ...plain, name: "inner", address: "inner" };
    const jumped = await connectSsh(away, {
      ...options,
      sshConfigFile: jumpConfig(),
      connectTimeoutMs: 1500,
    }).catch((e: CausewayError) => e);
    expect(jumped).toMatchObject({ code: "unreachable" });
    expect(Date.now() - began).toBeLessThan(3000);
    await labPowerOn(lab.spec, ["docker-201"]);
  }, 60_000);

  test("nobody listens there", async () => {
    expect(await refusal({ port: 2 }, { connectTimeoutMs: 1500 })).toMatch(
      /nothing listens on its SSH port[\s\S]*ssh .*-p 2 root@/,
    );
  });
});

test("a password is in no output of a run", async () => {
  const inventory = lab.inventory({
    hosts: ["docker-200"],
    vars: { ansible_user: "ops", ansible_become: true, ansible_become_password: "ops" },
  });
  const probe = file(
    "secret.ts",
    `import { definePlaybook, Type } from "causeway";
export default definePlaybook({ name: "secret", summary: "x", vars: Type.Object({}), hosts: "docker", plays: [], verify: () => [] });`,
  );
  const { code, stdout, stderr } = await lab.run(probe, ["-v", "--output", "json", "--no-verify"], inventory);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).not.toMatch(/"ops"/);
  const list = await execute([
    "sh",
    "-c",
    `"$0" inventory -i ${inventory} --list`,
    join(process.cwd(), "run"),
  ]);
  expect(list.stdout).toContain('"ansible_become_password": "********"');
});
