import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { folderWith } from "../inventory/files.ts";
import { asValue, vaults } from "../vault/vaults.ts";
import { runIn } from "./run.ts";
import { ShellServers, unchecked } from "./shell-servers.ts";
import { Terminal } from "./terminal.ts";

// Each command is a process of its own, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 120_000 });

const servers = new ShellServers(2, "sesame77");
const folder = folderWith({
  "vaulted.yaml": `all:\n  hosts:\n    h1:\n      token: ${asValue(vaults["value 1.1"], 8)}\n`,
  "all.yaml": vaults["file 1.1"],
  "show.ts": `import { definePlaybook, Type } from "causeway";
export default definePlaybook({ name: "show", summary: "x", vars: Type.Object({ token: Type.String() }),
  check: ({ hosts }) => { console.error("of", hosts[0].vars.token.length, "letters"); return []; },
  plays: [{ title: "P", hosts: "all", tasks: () => [] }] });`,
});
const exec = `run exec all -i hosts.json ${unchecked.join(" ")}`;

beforeAll(async () => {
  await servers.listen();
  const hosts = Object.fromEntries(
    servers.names.map((name) => {
      const { ansible_password: _, ...vars } = servers.vars(name);
      return [name, vars];
    }),
  );
  writeFileSync(join(folder, "hosts.json"), JSON.stringify({ all: { hosts } }));
});
afterAll(() => servers.close());

/** Each option that asks: a command with it, what is asked, the right answer, and what is to be seen then. */
const asking: [option: string, command: string, question: string, right: string, then: RegExp][] = [
  ["-k", `${exec} -k -- echo hello`, "SSH password: ", "sesame77", /h1, h2 \(2 hosts\)\s+hello/],
  [
    "-J",
    "run show.ts -i vaulted.yaml -J --syntax-check",
    "Vault password: ",
    "right",
    /of 8 letters\s+show\.ts: OK/,
  ],
  [
    "--vault-id",
    "run show.ts -i vaulted.yaml --vault-id x@prompt --syntax-check",
    "Vault password (x): ",
    "right",
    /OK/,
  ],
];

/** Who needs no password to become root: whether one is asked for is another matter. */
const becoming = `${exec} -k -K -- echo hello`;

describe("a password that is asked for in a terminal", () => {
  test.each(asking)(
    "%s: it is taken, not shown, and the terminal is as before",
    async (_, command, question, right, then) => {
      const terminal = new Terminal(`${command}; echo code $?; stty -a; read line; echo "<$line>"`, folder);
      await terminal.sees(question);
      terminal.types(`${right}\r`);
      await terminal.sees("iexten");
      terminal.types("typed\r");
      await terminal.sees("<typed>");
      expect(await terminal.ended, terminal.shown).toBe(0);
      expect(terminal.shown).toMatch(then);
      expect(terminal.shown).toMatch(/code 0\s/);
      expect(terminal.shown).not.toContain(right);
      // What is typed behind it is shown as ever.
      expect(terminal.shown).toMatch(/ echo /);
      expect(terminal.shown).toMatch(/typed\r\n<typed>/);
    },
  );

  test("-k and -K: the second is asked for with the first as its default", async () => {
    const terminal = new Terminal(becoming, folder);
    await terminal.sees("SSH password: ");
    terminal.types("sesame77\r");
    await terminal.sees("BECOME password [the same as for SSH]: ");
    terminal.types("\r");
    expect(await terminal.ended, terminal.shown).toBe(0);
    expect(terminal.shown).toMatch(/hello/);
    expect(terminal.shown).not.toContain("sesame77");
  });

  test.each([
    ...asking,
    ["-K", `${exec} -K -- echo hello`, "BECOME password: ", "", /x/] as (typeof asking)[0],
  ])("%s: Ctrl-C there is 130, with words, and nothing is done", async (_, command, question, right) => {
    const before = servers.logins;
    const terminal = new Terminal(command, folder);
    await terminal.sees(question);
    terminal.types(`${right}\x03`);
    expect(await terminal.ended, terminal.shown).toBe(130);
    expect(terminal.shown).toContain("stopped before anything was done");
    expect(terminal.shown).not.toMatch(/hello|OK|sesame77/);
    expect(servers.logins).toBe(before);
  });

  test.each<[string, string, string, string, number, RegExp]>([
    [
      "-k",
      `${exec} -k -- echo hello`,
      "SSH password: ",
      "sesame78",
      4,
      /refused the login of me[\s\S]*tried password[\s\S]*check the password \(-k/,
    ],
    [
      "-J",
      "run show.ts -i vaulted.yaml -J",
      "Vault password: ",
      "wrong",
      6,
      /vaulted\.yaml:4:\d+.*(vault|password)/,
    ],
    ["-J", "run show.ts -i all.yaml -J", "Vault password: ", "wrong", 6, /all\.yaml.*(vault|password)/],
  ])("%s: a wrong one is named", async (_, command, question, wrong, code, words) => {
    const terminal = new Terminal(command, folder);
    await terminal.sees(question);
    terminal.types(`${wrong}\r`);
    expect(await terminal.ended, terminal.shown).toBe(code);
    expect(terminal.shown).toMatch(words);
    expect(terminal.shown).not.toContain(wrong === "wrong" ? "right" : wrong);
  });
});

test.each([
  [
    "-k",
    ["exec", "all", "-i", "hosts.json", "-k", "--", "true"],
    /-k asks for a password, and there is no terminal[\s\S]*--connection-password-file/,
  ],
  [
    "-K",
    ["exec", "all", "-i", "hosts.json", "-K", "--", "true"],
    /-K asks for a password, and there is no terminal[\s\S]*--become-password-file/,
  ],
  [
    "-J",
    ["show.ts", "-i", "vaulted.yaml", "-J"],
    /--ask-vault-pass asks for a password, and there is no terminal[\s\S]*--vault-password-file/,
  ],
  [
    "--vault-id",
    ["show.ts", "-i", "vaulted.yaml", "--vault-id", "x@prompt"],
    /--vault-id asks for a password[\s\S]*--vault-password-file/,
  ],
])("%s without a terminal is exit 5, with the way out", async (_, args, words) => {
  const before = servers.logins;
  const { code, stderr } = await runIn(folder, ...args);
  expect({ code, stderr }).toEqual({ code: 5, stderr: expect.stringMatching(words) });
  expect(servers.logins).toBe(before);
});
