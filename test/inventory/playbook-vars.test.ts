import { join } from "node:path";
import { Type } from "typebox";
import { expect, test } from "vitest";
import { describeError } from "../../src/errors.ts";
import { parseExtraVars } from "../../src/inventory/extra-vars.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { resolveVars, unknownExtraVars } from "../../src/inventory/playbook-vars.ts";
import { remarkLines } from "../../src/inventory/taking-part.ts";
import { InterfaceCidr, secret } from "../../src/schema/types.ts";
import { folderWith } from "./files.ts";

const schema = Type.Object({
  bip: InterfaceCidr({ description: "the address of docker0" }),
  mtu: Type.Optional(Type.Integer({ minimum: 576, default: 1500 })),
  token: Type.Optional(secret(Type.String({ minLength: 8 }))),
});

async function resolved(vars: string, extra: string[] = []) {
  const folder = folderWith({ "i.yaml": `all:\n  hosts:\n    h1:\n${vars}` });
  const { hosts } = await loadInventory([join(folder, "i.yaml")], parseExtraVars(extra));
  const [host] = hosts;
  if (!host) throw new Error("no host");
  const { vars: found, errors, remarks } = resolveVars(schema, host);
  return { found, remarks, told: errors.map((e) => describeError(e).replaceAll(`${folder}/`, "")) };
}

test("values of the inventory and of -e, typed, with defaults; foreign variables are nobody's", async () => {
  const { found, told } = await resolved("      bip: 192.168.100.1/24\n      color: red\n", ["mtu=1400"]);
  expect(told).toEqual([]);
  expect(found).toEqual({ bip: "192.168.100.1/24", mtu: 1400 });
  expect((await resolved("      bip: 192.168.100.1/24\n")).found).toEqual({
    bip: "192.168.100.1/24",
    mtu: 1500,
  });
});

test.each([
  [
    "missing: at the host",
    "      color: red\n",
    ["i.yaml:3:5 h1: variables: bip is missing", "the address of docker0"],
  ],
  [
    "host bits: at the value",
    "      bip: 192.168.100.0/24\n",
    ["i.yaml:4:12 h1:", "inside 192.168.100.0/24"],
  ],
  ["a wrong type", "      bip: 192.168.100.1/24\n      mtu: much\n", ["i.yaml:5:12 h1:", "a whole number"]],
  [
    "misspelt, told once",
    "      bipp: 192.168.100.1/24\n",
    ["i.yaml:4:13 h1: bipp looks misspelt", "mean bip?"],
  ],
  [
    "a secret is not shown",
    "      bip: 192.168.100.1/24\n      token: abc123\n",
    ["i.yaml:5:14 h1:", "(secret)"],
  ],
])("%s", async (_name, vars, words) => {
  const { told } = await resolved(vars);
  expect(told).toHaveLength(1);
  for (const word of words) expect(told[0]).toContain(word);
  expect(told[0]).not.toContain("abc123");
});

test("what looks like a variable that need not be set is a remark, once for all hosts", async () => {
  const { told, remarks } = await resolved("      bip: 192.168.100.1/24\n      mtuu: 1400\n");
  expect(told).toEqual([]);
  expect(remarks).toEqual([
    expect.objectContaining({ text: expect.stringMatching(/mtuu looks misspelt: did you mean mtu/) }),
  ]);
  const [own, host] = [remarks[0] ?? { text: "" }, { remarks }];
  expect(remarkLines({ remarks: [own] }, [host, host] as never)).toHaveLength(1);
});

test.each([
  ["a template", "      bip: '{{ base }}.1/24'\n", /^i\.yaml:4:12 h1: bip is a template[\s\S]*with -e/],
  ["a template inside of a value", "      bip: {a: ['{{ base }}']}\n", /^i\.yaml:4:17 h1: bip is a template/],
  ["a vault", "      bip: !vault |\n        $ANSIBLE_VAULT;1.1\n", /h1: bip is encrypted with Ansible Vault/],
])("%s is an error where it is asked for, and only there", async (_name, line, words) => {
  const { told } = await resolved(line);
  expect(told).toEqual([expect.stringMatching(words)]);
  const other = await resolved(line.replace("bip", "color"), ["bip=192.168.100.1/24"]);
  expect(other.told).toEqual([]);
  expect((await resolved(line, ["bip=192.168.100.1/24"])).told).toEqual([]);
});

test("!unsafe is the text itself", async () => {
  const { found, told } = await resolved(
    "      bip: 192.168.100.1/24\n      token: !unsafe '{{ not me }}'\n",
  );
  expect([found.token, told]).toEqual(["{{ not me }}", []]);
});

test("a whole number that would be rounded is none", async () => {
  const { told } = await resolved("      bip: 192.168.100.1/24\n      mtu: 9007199254740993\n");
  expect(told).toEqual([expect.stringMatching(/mtu has the wrong type/)]);
});

test("-e of a name that the playbook does not have", () => {
  const errors = unknownExtraVars(schema, parseExtraVars(["mtuu=1", "ansible_user=x", "mtu=1"]));
  expect(errors.map(describeError)).toEqual([
    expect.stringMatching(/-e mtuu[\s\S]*bip, mtu, token[\s\S]*did you mean mtu\?/),
  ]);
});
