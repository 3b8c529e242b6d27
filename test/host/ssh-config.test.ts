import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { sshConfigFor, tellsHostsApart } from "../../src/host/ssh-config.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-ssh-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

function written(text: string): string {
  const file = join(folder, `config-${Math.random()}`);
  writeFileSync(file, text);
  return file;
}

describe("one answer of ssh -G serves all hosts only where no line can tell them apart", () => {
  test.each([
    ["nothing", "", false],
    ["options alone", "User deploy\nPort 2222\n", false],
    ["a section for every host", "Host *\n  User deploy\n", false],
    ["Match all", "Match all\n  User deploy\n", false],
    ["comments", "# Host web\n  # %h\nUser deploy\n", false],
    ["a section for one host", "Host web\n  User deploy\n", true],
    ["a section for every host but one", "Host * !web\n  User deploy\n", true],
    ["in capitals, with an equals sign", "HOST=web\n  User deploy\n", true],
    ["a match", "Match host web\n  User deploy\n", true],
    ["another file", "Include conf.d/*\n", true],
    ["a token", "HostName %h.example.com\n", true],
    ["canonical names", "CanonicalizeHostname yes\n", true],
  ])("%s", (_name, text, expected) => {
    expect(tellsHostsApart(written(text))).toBe(expected);
  });

  test("a file that is not there says nothing", () => {
    expect(tellsHostsApart(join(folder, "none"))).toBe(false);
  });
});

test("hosts get what their own section says, and the same where there is none", async () => {
  const apart = written("Host web\n  User deploy\nHost *\n  User root\n");
  expect((await sshConfigFor("web", apart)).user).toBe("deploy");
  expect((await sshConfigFor("db", apart)).user).toBe("root");
  const same = written("Host *\n  User deploy\n  UserKnownHostsFile /tmp/known\n");
  for (const host of ["web", "db"]) {
    const config = await sshConfigFor(host, same);
    expect(config).toMatchObject({ user: "deploy", userKnownHostsFiles: ["/tmp/known"] });
    expect(config.hostName).toBeUndefined();
  }
});
