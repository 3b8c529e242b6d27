import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { CausewayError, describeError } from "../../src/errors.ts";
import { parseExtraVars } from "../../src/inventory/extra-vars.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { refuseFaulty } from "../../src/inventory/taking-part.ts";
import { folderWith } from "./files.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-malformed-"));
afterAll(() => rmSync(folder, { recursive: true }));

const hosts = "all:\n  hosts:\n    h1:\n      ansible_host: 10.0.0.1\n";

/** Name, text, the position that the error names, and words that it has to say. */
const cases: [string, string, string, RegExp][] = [
  ["an empty file", "", "1:1", /empty/],
  ["a list", "- h1\n- h2\n", "1:1", /mapping of groups/],
  ["a text", "hosts\n", "1:1", /mapping of groups/],
  ["bad YAML", "all:\n  hosts: [h1\n", "", /./],
  ["a tab", "all:\n\thosts:\n", "2:1", /tab/i],
  ["a key twice", "all:\n  hosts:\n    h1:\n    h1:\n", "", /twice: remove one/],
  ["no hosts at all", "all:\n  vars:\n    a: 1\n", "", /no hosts/],
  ["a misspelt key of a group", "all:\n  host:\n    h1:\n", "2:3", /did you mean hosts\?/],
  ["hosts as a list", "all:\n  hosts:\n    - h1\n", "3:5", /not a mapping/],
  ["vars as a list", `${hosts}  vars:\n    - a\n`, "6:5", /not a mapping/],
  ["children as a list", `${hosts}  children:\n    - web\n`, "6:5", /not a mapping/],
  ["a host's variables as a text", "all:\n  hosts:\n    h1: 10.0.0.1\n", "3:9", /not a mapping/],
  [
    "children in a circle",
    "a:\n  children:\n    b:\nb:\n  children:\n    a:\n  hosts:\n    h1:\n",
    "",
    /a → b → a|b → a → b/,
  ],
  ["a port that is none", `${hosts}      ansible_port: ssh\n`, "5:21", /whole number/],
  ["a port out of range", `${hosts}      ansible_port: 70000\n`, "5:21", /65535/],
  ["become that is neither", `${hosts}      ansible_become: perhaps\n`, "5:23", /true or false/],
  ["an unknown connection", `${hosts}      ansible_connection: winrm\n`, "5:27", /ssh.*local/],
  ["ssh arguments", `${hosts}      ansible_ssh_common_args: -w any\n`, "5:32", /ssh\/config/],
  ["a range backwards", "all:\n  hosts:\n    h[09:01]:\n", "3:5", /range/],
  [
    "a lab outside its subnet",
    `lab: {name: x, subnet: 10.9.0.0/24, hosts: [h1]}\n${hosts}`,
    "1:45",
    /10\.9\.0\.0\/24/,
  ],
  [
    "a lab with host bits",
    `lab: {name: x, subnet: 10.0.0.7/24, hosts: [h1]}\n${hosts}`,
    "1:24",
    /10\.0\.0\.0\/24/,
  ],
  ["a lab with an unknown host", `lab: {name: x, subnet: 10.0.0.0/24, hosts: [h9]}\n${hosts}`, "1:45", /h9/],
  [
    "a lab with an unknown key",
    `lab: {name: x, subnet: 10.0.0.0/24, hsts: [h1]}\n${hosts}`,
    "1:37",
    /did you mean hosts\?/,
  ],
  [
    "a lab of no known image",
    `lab: {name: x, image: focal, subnet: 10.0.0.0/24, hosts: [h1]}\n${hosts}`,
    "1:23",
    /bullseye/,
  ],
  ["a star without quotes", "all:\n  hosts: *all\n", "2:10", /quote it: "\*all"/],
  ["an anchor that is not there", `${hosts}      x: *base\n`, "5:10", /no anchor/],
  ["two documents", `${hosts}---\n${hosts}`, "", /multiple documents/],
  ["a tag of YAML that is not read", `${hosts}      x: !mytag 5\n`, "5:17", /tags other than/],
  ["a tag of Python", `${hosts}      x: !!python/name:os.system x\n`, "5:", /!!python/],
  ["a host's name that is no text", "all:\n  hosts:\n    on:\n", "3:5", /put it in quotes/],
  [
    "a template as an address",
    "all:\n  hosts:\n    h1: {ansible_host: '{{ ip }}'}\n",
    "3:24",
    /templates are not read/,
  ],
  [
    "a plugin's configuration",
    "plugin: constructed\nstrict: false\n",
    "1:1",
    /plugin constructed is not read/,
  ],
  ["a whole file of Ansible Vault", "$ANSIBLE_VAULT;1.1;AES256\n3031\n", "1:1", /Ansible Vault/],
  [
    "a variable beside a host's name",
    "all:\n  hosts:\n    h1 ansible_host=10.0.0.1:\n",
    "3:5",
    /below the name/,
  ],
  ["a range that is not closed", "all:\n  hosts:\n    h[1:3:\n", "3:5", /range such as/],
  ["a range with a dash", "all:\n  hosts:\n    h[1-3]:\n", "3:5", /range such as/],
  ["a range of mixed kinds", "all:\n  hosts:\n    h[a:3]:\n", "3:5", /range/],
  ["a range with step 0", "all:\n  hosts:\n    h[1:3:0]:\n", "3:5", /range/],
  ["a group as a text", "web: h1\n", "1:6", /not a mapping/],
  ["a key that is no group's", "all:\n  ansible_user: root\n", "2:3", /variable under vars:/],
  ["another user to become", `${hosts}      ansible_become_user: oracle\n`, "5:28", /root/],
  ["port 0", `${hosts}      ansible_port: 0\n`, "5:21", /at least 1/],
  [
    "a group's port, told once",
    `all:\n  hosts:\n    h[01:40]:\n  vars: {ansible_port: ssh}\n`,
    "4:24",
    /whole number/,
  ],
  [
    "a lab without a subnet",
    `lab: {name: x, hosts: [h1]}\n${hosts}`,
    "1:6",
    /subnet is missing[\s\S]*expected .*\/24/,
  ],
  ["a lab without hosts", `lab: {name: x, subnet: 10.0.0.0/24, hosts: []}\n${hosts}`, "1:44", /at least 1/],
  [
    "a lab whose name is none",
    `lab: {name: My Lab, subnet: 10.0.0.0/24, hosts: [h1]}\n${hosts}`,
    "1:13",
    /that matches/,
  ],
  [
    "a lab host at this machine's address",
    `lab: {name: x, subnet: 10.0.0.0/24, hosts: [h1]}\n${hosts}`,
    "1:45",
    /this machine's/,
  ],
  [
    "a lab host at the broadcast address",
    `lab: {name: x, subnet: 10.0.0.0/31, hosts: [h1]}\n${hosts}`,
    "1:45",
    /does not fit the lab/,
  ],
  [
    "two lab hosts of one address",
    `lab: {name: x, subnet: 10.0.0.0/24, hosts: [h1, h2]}\nall:\n  hosts:\n    h1: {ansible_host: 10.0.0.7}\n    h2: {ansible_host: 10.0.0.7}\n`,
    "1:49",
    /h2 has the same address as h1/,
  ],
  ["a line of INI that is no host", "[docker]\nh1 x\n", "2:4", /name=value/],
  ["a section of INI that is none", "[docker:host]\nh1\n", "1:1", /:children\] or \[GROUP:vars/],
  ["a section with a space", "[the docker]\nh1\n[x]\n", "1:1", /no spaces/],
  ["children of INI that are not there", "[docker]\nh1\n[all:children]\nweb\n", "4:1", /a section \[web\]/],
  ["variables of a group that is not there", "[docker]\nh1\n[web:vars]\nx=1\n", "3:1", /a section \[web\]/],
  ["a quote of INI that is not closed", "[docker]\nh1 x='a b\n", "2:1", /quote/],
  ["an INI file of a host with a colon", "[docker]\nh1:\n", "2:1", /not a host's name/],
  ["a range of two widths", "[docker]\nh[01:100]\n", "2:1", /\[001:100\]|\[01:100\]/],
];

const asIs = (error: unknown) => error;

function thrownBy(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

test.each(cases)("%s", async (name, text, position, words) => {
  const file = join(folder, `${name.replaceAll(/\W+/g, "-")}.yaml`);
  writeFileSync(file, text);
  // A fault of a connection is one once its host takes part.
  const error = await loadInventory([file]).then(({ hosts: all }) => thrownBy(() => refuseFaulty(all)), asIs);
  expect(error).toBeInstanceOf(CausewayError);
  const told = describeError(error as CausewayError);
  expect((error as CausewayError).code).toBe("inventory");
  expect(told).toMatch(words);
  if (position) expect(told).toContain(`${file}:${position}`);
  expect(told).toMatch(/^ {2}(expected|do) /m);
  expect(told.split("\n").length).toBeLessThanOrEqual(24);
  expect(told).not.toMatch(/\bat .*\.ts:\d+/);
});

test.each([
  ["prints nothing", "true", /is not an inventory/],
  ["prints a list", "echo '[]'", /is not an inventory/],
  ["prints a text for a group", `echo '{"web": "h1"}'`, /web: "h1"/],
  ["prints hosts that are no list", `echo '{"web": {"hosts": {"h1": {}}}}'`, /expected/],
  ["prints null for a group", `echo '{"web": null}'`, /web: null/],
  ["prints no JSON", "echo '{'", /not valid YAML/],
  ["fails", "echo no inventory today >&2; exit 3", /no inventory today/],
])("a script that %s", async (name, body, words) => {
  const file = join(folder, `${name.replaceAll(/\W+/g, "-")}.sh`);
  writeFileSync(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  const error = await loadInventory([file]).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: "inventory" });
  const told = describeError(error as CausewayError);
  expect(told).toMatch(words);
  expect(told).toContain(file);
  expect(told).not.toMatch(/\bat .*\.ts:\d+/);
});

test("a script whose _meta.hostvars is null is asked for each host", async () => {
  const own = folderWith({
    "inv.sh": `#!/bin/sh\n[ $1 = --host ] && echo '{"x": 1}' || echo '{"web": ["a"], "_meta": {"hostvars": null}}'\n`,
  });
  chmodSync(join(own, "inv.sh"), 0o755);
  const { hosts: all } = await loadInventory([join(own, "inv.sh")]);
  expect(all.map((host) => [host.name, host.vars])).toEqual([["a", { x: 1 }]]);
});

test("a script that may not be executed", async () => {
  const own = folderWith({ "inv.sh": "#!/bin/sh\necho '{}'\n" });
  const error = await loadInventory([join(own, "inv.sh")]).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: "inventory", detail: { advice: `chmod +x ${join(own, "inv.sh")}` } });
});

test.each([
  ["group_vars/all.yaml", "- a\n", /:1:1: variables of group all: this is not a mapping/],
  ["group_vars/all.yaml", "a: 1\na: 2\n", /:2:1: .*not valid YAML/],
  ["host_vars/h1.yaml", "ansible_port: ssh\n", /h1\.yaml:1:15: .*ansible_port/],
])("%s: %j", async (name, text, words) => {
  const own = folderWith({ "i.yaml": hosts, [name]: text });
  const load = loadInventory([join(own, "i.yaml")]);
  const error = await load.then(({ hosts: all }) => thrownBy(() => refuseFaulty(all)), asIs);
  expect(error).toMatchObject({ code: "inventory" });
  expect(describeError(error as CausewayError)).toMatch(words);
  expect(describeError(error as CausewayError)).toContain(join(own, name));
});

test("an inventory that is not there, and the nearest", async () => {
  const error = await loadInventory(["exampel"]).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: "inventory", detail: { advice: "did you mean example?" } });
});

test.each<[string, RegExp]>([
  ["nonsense", /-e is not valid/],
  ["@/no/such/file", /does not exist/],
  ['{"a": ', /not valid YAML/],
  ['{"a": 1, "a": 2}', /twice/],
])("-e %s", (argument, words) => {
  let error: unknown;
  try {
    parseExtraVars([argument]);
  } catch (e) {
    error = e;
  }
  expect(error).toMatchObject({ code: "variables" });
  expect(describeError(error as CausewayError)).toMatch(words);
});

test.each([
  [
    "Latin-1",
    Buffer.from("all:\n  hosts:\n    h1: {x: \xe9}\n", "latin1"),
    /:3:13: .*not text in UTF-8[\s\S]*iconv -f latin1/,
  ],
  ["a NUL byte", Buffer.from("all:\n  hosts: {h1: , h\0: }\n"), /:2:18: .*not text in UTF-8/],
])("%s in a file", async (name, bytes, words) => {
  const file = join(folder, `${name.replaceAll(/\W+/g, "-")}.yaml`);
  writeFileSync(file, bytes);
  const error = await loadInventory([file]).catch(asIs);
  expect(describeError(error as CausewayError)).toMatch(words);
});

test("-e @FOLDER", () => {
  expect(thrownBy(() => parseExtraVars([`@${folder}`]))).toMatchObject({
    message: expect.stringMatching(/is a folder/),
  });
});
