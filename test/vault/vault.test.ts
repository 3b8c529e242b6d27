import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type CausewayError, describeError } from "../../src/errors.ts";
import { Secret, Type } from "../../src/index.ts";
import { parseExtraVars } from "../../src/inventory/extra-vars.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { resolveVars } from "../../src/inventory/playbook-vars.ts";
import { asAnsibleList } from "../../src/inventory/show.ts";
import { neverShow, shown, shownData } from "../../src/vault/never-shown.ts";
import { Vault, type VaultPassword } from "../../src/vault/vault.ts";
import { folderWith } from "../inventory/files.ts";
import { noAnsible } from "../run/ansible/oracle.ts";
import { asValue, prod, right, vaults } from "./vaults.ts";

const textOf = (work: () => unknown) => {
  try {
    return String(work());
  } catch (error) {
    return describeError(error as CausewayError);
  }
};
const open = (text: string, ...passwords: VaultPassword[]) =>
  textOf(() => new Vault(passwords).open(text, "x", "inventory"));

describe("a vault opens", () => {
  test.each([
    ["file 1.1", [right]],
    ["file 1.2", [prod]],
    ["file 1.2", [right, prod]],
    ["file 1.2", [{ ...prod, label: "default" }]],
  ] as const)("%s", (name, passwords) => {
    expect(open(vaults[name], ...passwords)).toContain('db_password: hunter22\nport: 5432\nnote: "ü and');
  });

  test("with its lines' ends as Windows writes them", () => {
    expect(open(vaults["value 1.1"].replaceAll("\n", "\r\n"), right)).toBe("hunter22");
  });
});

describe("a vault that does not open says why", () => {
  const [header = "", ...body] = vaults["value 1.2"].split("\n");
  test.each<[string, string, VaultPassword[], RegExp]>([
    [
      "no password",
      vaults["value 1.1"],
      [],
      /no password is given[\s\S]*--vault-password-file FILE, or --ask/,
    ],
    ["no password of a label", vaults["value 1.2"], [], /password of prod[\s\S]*--vault-id prod@FILE, or/],
    ["a wrong password", vaults["value 1.1"], [prod], /no given password opens it[\s\S]*tried: prod/],
    ["another format", "$ANSIBLE_VAULT;1.0;AES\n61\n", [right], /broken\n.*format is 1\.0, not 1\.1 or 1\.2/],
    ["another cipher", "$ANSIBLE_VAULT;1.1;AES\n61\n", [right], /cipher is AES, not AES256/],
    ["one that is cut off", [header, ...body.slice(0, 2)].join("\n"), [prod], /cut off or changed/],
    [
      "one with a changed letter",
      vaults["value 1.1"].replace(/\d{4}\n?$/, "3039"),
      [right],
      /no given|cut off/,
    ],
  ])("%s", (_, text, passwords, words) => {
    expect(open(text, ...passwords)).toMatch(words);
  });
});

const schema = Type.Object({
  db_password: Type.Optional(Type.String()),
  port: Type.Optional(Type.Integer()),
  deep: Type.Optional(Type.Object({ list: Type.Array(Type.String()) })),
});

/** An inventory of one host with these files beside it: what a playbook gets, and what a listing shows. */
async function read(
  files: Record<string, string>,
  { passwords = [right, prod], extra = [] }: { passwords?: VaultPassword[]; extra?: string[] } = {},
) {
  const folder = folderWith({ "hosts.yaml": "all:\n  hosts:\n    h1:\n", ...files });
  const vault = new Vault(passwords);
  const extraVars = parseExtraVars(
    extra.map((one) => one.replace("@", `@${folder}/`)),
    vault,
  );
  const inventory = await loadInventory([join(folder, "hosts.yaml")], extraVars, undefined, vault);
  const [host] = inventory.hosts;
  if (!host) throw new Error("no host");
  const { vars, errors } = resolveVars(schema, host);
  return {
    host,
    vars,
    told: errors.map(describeError).join("\n"),
    listed: JSON.stringify(asAnsibleList(inventory)),
  };
}

describe("values", () => {
  test("of an inventory are opened when a playbook asks for them, and listed as they are written", async () => {
    const value = asValue(vaults["value 1.1"], 8);
    const { vars, told, listed } = await read({
      "hosts.yaml": `all:\n  hosts:\n    h1:\n      db_password: ${value}\n`,
      "group_vars/all.yaml": `deep:\n  list:\n    - ${asValue(vaults["value 1.2"], 6)}\n    - plain\n`,
    });
    expect([vars, told]).toEqual([{ db_password: "hunter22", deep: { list: ["sesame99", "plain"] } }, ""]);
    expect(listed).toContain('"db_password":{"__ansible_vault":"$ANSIBLE_VAULT;1.1;AES256\\n');
    expect(listed).not.toMatch(/hunter22|sesame99/);
  });

  test("as Ansible's own listing has them in JSON", async () => {
    const sealed = { db_password: { __ansible_vault: vaults["value 1.1"] } };
    expect((await read({ "host_vars/h1.json": JSON.stringify(sealed) })).vars).toEqual({
      db_password: "hunter22",
    });
  });

  test("of a connection", async () => {
    const { host } = await read({
      "group_vars/all.yaml": `ansible_password: ${asValue(vaults["value 1.1"], 4)}\n`,
    });
    expect(host.connection.password).toBe("hunter22");
    const closed = await read(
      { "group_vars/all.yaml": `ansible_password: ${asValue(vaults["value 1.1"], 4)}\n` },
      { passwords: [] },
    );
    expect(closed.host.faults.map((fault) => fault.message)).toEqual([
      "ansible_password is encrypted with Ansible Vault, and no password is given",
    ]);
  });

  test("that cannot be opened are an error, with its place, where they are asked for and only there", async () => {
    const files = { "group_vars/all.yaml": `port: ${asValue(vaults["value 1.1"], 4)}\n` };
    expect((await read(files, { passwords: [] })).told).toMatch(/all\.yaml:1:14 h1: port is encrypted/);
    const other = { "group_vars/all.yaml": `other: ${asValue(vaults["value 1.1"], 4)}\n` };
    expect((await read(other, { passwords: [] })).told).toBe("");
  });

  test("that do not fit are not shown", async () => {
    const { told } = await read({ "group_vars/all.yaml": `port: ${asValue(vaults["value 1.1"], 4)}\n` });
    expect(told).toMatch(/port has the wrong type\n {2}found {5}\(secret\)/);
  });
});

describe("whole files", () => {
  test.each(["group_vars/all.yml", "host_vars/h1", "group_vars/all/vault.yml"])("%s", async (name) => {
    const { vars, listed } = await read({ [name]: vaults["file 1.1"] });
    expect(vars).toEqual({ db_password: "hunter22", port: 5432 });
    expect(listed).toContain('"port":"********"');
    expect(listed).not.toContain("hunter22");
  });

  test("an inventory, and -e @FILE", async () => {
    expect((await read({ "v.yml": vaults["file 1.2"] }, { extra: ["@v.yml"] })).vars).toMatchObject({
      port: 5432,
    });
    const { told } = await read({ "v.yml": vaults["file 1.2"] }, { extra: ["@v.yml"] });
    expect(told).toBe("");
  });

  test("without their password are an error at once, with the file", async () => {
    const error = await read({ "group_vars/all.yml": vaults["file 1.2"] }, { passwords: [right] }).catch(
      (e) => e,
    );
    expect(describeError(error)).toMatch(/^(\S+all\.yml):1:1: \1 is encrypted .*\n.*prod; tried: default/);
  });
});

describe("variables through a program", () => {
  const folder = folderWith({});
  const program = (name: string, text: string) => {
    const file = join(folder, name);
    writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return file;
  };

  test("what it prints is read, and shown nowhere", async () => {
    const vault = new Vault();
    const file = program("vars", "echo 'db_password: from-program'\necho port: 8123");
    const inventory = await loadInventory(["h1,"], parseExtraVars([`@${file}`], vault), undefined, vault);
    const vars = inventory.hosts.map((host) => resolveVars(schema, host).vars);
    expect(vars).toEqual([{ db_password: "from-program", port: 8123 }]);
    expect(JSON.stringify(asAnsibleList(inventory))).not.toMatch(/from-program|8123/);
  });

  test.each([
    ["one that fails", "echo 'no gpg key' >&2; exit 2", /program that should print[\s\S]*no gpg key/],
    ["one whose output is no YAML", "echo 'a: b: from-program'", /is not valid YAML/],
    ["one that prints no mapping", "echo from-program", /the variables are not a mapping/],
  ])("%s", (name, text, words) => {
    const told = textOf(() => parseExtraVars([`@${program(name, text)}`]));
    expect(told).toMatch(words);
    expect(told).not.toContain("from-program");
  });
});

test("what is never shown is masked in words and in data, but for what data is told apart by", () => {
  neverShow({ a: ["deep-secret"], b: 123456, c: "abc", d: true, e: new Secret("x") });
  expect(shown("x deep-secret, it's 123456, abc")).toBe("x ********, it's ********, abc");
  expect(shownData({ type: "deep-secret", list: [{ text: "deep-secret!" }], n: 1 })).toEqual({
    type: "deep-secret",
    list: [{ text: "********!" }],
    n: 1,
  });
});

test.runIf(process.env.CAUSEWAY_TEST_FULL)("what ansible-vault makes now opens, too", async (context) => {
  const why = await noAnsible();
  if (why) return context.skip(why);
  const folder = folderWith({ pass: "öne two\n", plain: `${"x".repeat(31)}é\n` });
  const args = [
    "encrypt",
    "--vault-id",
    `me@${join(folder, "pass")}`,
    "--output",
    "-",
    join(folder, "plain"),
  ];
  const sealed = execFileSync("ansible-vault", args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  expect(open(sealed, { label: "me", password: "öne two" })).toBe(`${"x".repeat(31)}é\n`);
});
