import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import type { TObject } from "typebox";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { Cidr, InterfaceCidr, LocalPath, secret, Type } from "../../src/index.ts";
import { inventorySchema, varsSchema } from "../../src/inventory/vars-schema.ts";
import { packageDir } from "../../src/package-dir.ts";
import { withLeave } from "../../src/playbook/leave.ts";

const read = (path: string) => readFileSync(join(packageDir, path), "utf8");

/** What an editor finds: ajv checks the schema itself, too, and knows no format. */
function check(schema: object) {
  const validate = new Ajv({
    allErrors: true,
    strict: true,
    strictTypes: false,
    allowUnionTypes: true,
  }).compile(schema);
  return (yaml: string) => {
    validate(parse(yaml));
    return [...new Set((validate.errors ?? []).map(({ instancePath }) => instancePath))];
  };
}

const playbooks = readdirSync(join(packageDir, "playbooks")).filter((file) => file.endsWith(".ts"));

test.each(playbooks)("the schema of %s is one, and takes the inventories that are there", async (file) => {
  const { default: playbook } = (await import(join(packageDir, "playbooks", file))) as {
    default: { vars: TObject; name: string };
  };
  const errorsIn = check(inventorySchema(withLeave(playbook.vars), playbook.name));
  for (const name of readdirSync(join(packageDir, "inventory")))
    expect(errorsIn(read(`inventory/${name}`)), name).toEqual([]);
});

const vars = Type.Object({
  bip: InterfaceCidr(),
  network: Type.Optional(Cidr({ description: "all of them" })),
  port: Type.Integer({ minimum: 1, maximum: 65535, default: 80 }),
  loud: Type.Boolean({ default: false }),
  mode: Type.Union([Type.Literal("udp"), Type.Literal("vxlan")], { default: "udp" }),
  aux: Type.Record(Type.String(), Cidr()),
  names: Type.Array(Type.String()),
  token: secret(Type.String()),
  binary: LocalPath(),
});
const ofHost = (body: string) => `all:\n  hosts:\n    a:\n      ${body}\n`;
const errorsIn = check(inventorySchema(vars, "x"));

describe("an editor takes", () => {
  test.each([
    ["bip: 10.0.0.1/24"],
    ["port: 443"],
    ["port: '443'"],
    ["loud: yes"],
    ["loud: true"],
    ["mode: vxlan"],
    ["aux: { a: 10.0.0.0/24 }"],
    ["names: [a, b]"],
    ["token: '$ANSIBLE_VAULT;1.1;AES256\\n61'"],
    ["port: '$ANSIBLE_VAULT;1.1;AES256\\n61'"],
    ["binary: ../flanneld"],
    ["another_playbooks: '{{ anything }}'"],
    ["ansible_port: 2222"],
    ["ansible_password: 12345"],
    ["ansible_become: yes"],
  ])("%s", (body) => expect(errorsIn(ofHost(body))).toEqual([]));

  test("groups and hosts with nothing in them, and a name alone", () => {
    expect(errorsIn("all:\n  hosts:\n    a:\n  children:\n    web:\n    db: { hosts: c }\nodd:\n")).toEqual(
      [],
    );
  });
});

describe("an editor marks", () => {
  test.each([
    ["bip: 10.0.0.1", "bip"],
    ["bip: 10.0.0.1/24x", "bip"],
    ["bip: '{{ bip_of_group }}'", "bip"],
    ["bip:", "bip"],
    ["port: 70000", "port"],
    ["port: http", "port"],
    ["loud: maybe", "loud"],
    ["mode: vxlna", "mode"],
    ["aux: { a: here }", "aux/a"],
    ["names: { a: b }", "names"],
    ["ansible_port: ssh", "ansible_port"],
    ["ansible_connection: winrm", "ansible_connection"],
  ])("%s", (body, place) => expect(errorsIn(ofHost(body))).toContain(`/all/hosts/a/${place}`));

  test.each([
    ["a host beside hosts:", "all:\n  web1:\n", "/all"],
    ["a variable beside vars:", "all:\n  bip: 10.0.0.1/24\n", "/all"],
    [
      "a variable of a group",
      "all:\n  children:\n    web:\n      vars: { port: 0 }\n",
      "/all/children/web/vars/port",
    ],
    ["a list of hosts", "all:\n  hosts: [a, b]\n", "/all/hosts"],
    ["a lab without its hosts", "lab: { name: x, subnet: 10.0.0.0/24 }\n", "/lab"],
  ])("%s", (_, yaml, place) => expect(errorsIn(yaml)).toContain(place));
});

test("of a file of variables, only these are checked", () => {
  const inFile = check(varsSchema(vars, "x"));
  expect(inFile("port: 80\nother: [1]\n")).toEqual([]);
  expect(inFile("port: 0\n")).toContain("/port");
});

test("what an editor shows beside a value: the words and the default of the playbook", () => {
  const { properties } = varsSchema(vars, "x") as { properties: Record<string, object> };
  expect(properties.network).toMatchObject({ description: "all of them" });
  expect(properties.port).toMatchObject({ default: 80 });
});
