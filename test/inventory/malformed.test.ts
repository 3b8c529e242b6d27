import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { CausewayError, describeError } from "../../src/errors.ts";
import { loadInventory } from "../../src/inventory/load.ts";

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
  ["a key twice", "all:\n  hosts:\n    h1:\n    h1:\n", "", /twice: take one away/],
  ["no hosts at all", "all:\n  vars:\n    a: 1\n", "", /no hosts/],
  ["a misspelt key of a group", "all:\n  host:\n    h1:\n", "2:3", /did you mean hosts\?/],
  ["hosts as a list", "all:\n  hosts:\n    - h1\n", "3:5", /not a mapping/],
  ["hosts as a text", "all:\n  hosts: h1\n", "2:10", /not a mapping/],
  ["vars as a list", `${hosts}  vars:\n    - a\n`, "6:5", /not a mapping/],
  ["children as a list", `${hosts}  children:\n    - web\n`, "6:5", /not a mapping/],
  ["a host's variables as a text", "all:\n  hosts:\n    h1: 10.0.0.1\n", "3:9", /not a mapping/],
  [
    "children in a circle",
    "a:\n  children:\n    b:\nb:\n  children:\n    a:\n  hosts:\n    h1:\n",
    "",
    /a → b → a|b → a → b/,
  ],
  [
    "a misspelt connection variable",
    `${hosts}      ansible_usr: root\n`,
    "5:20",
    /did you mean ansible_user\?/,
  ],
  ["a port that is none", `${hosts}      ansible_port: ssh\n`, "5:21", /whole number/],
  ["a port out of range", `${hosts}      ansible_port: 70000\n`, "5:21", /65535/],
  ["become that is neither", `${hosts}      ansible_become: perhaps\n`, "5:23", /true or false/],
  ["an unknown connection", `${hosts}      ansible_connection: winrm\n`, "5:27", /ssh.*local/],
  ["ssh arguments", `${hosts}      ansible_ssh_common_args: -J gate\n`, "5:32", /ssh\/config/],
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
  ["an INI file", "[docker]\nh1\n", "1:1", /ansible-inventory/],
];

test.each(cases)("%s", async (name, text, position, words) => {
  const file = join(folder, `${name.replaceAll(/\W+/g, "-")}.yaml`);
  writeFileSync(file, text);
  const error = await loadInventory([file]).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(CausewayError);
  const told = describeError(error as CausewayError);
  expect((error as CausewayError).code).toBe("inventory");
  expect(told).toMatch(words);
  if (position) expect(told).toContain(`${file}:${position}`);
  expect(told).toMatch(/^ {2}(expected|do|found) /m);
  expect(told.split("\n").length).toBeLessThan(24);
  expect(told).not.toMatch(/\bat .*\.ts:\d+/);
});
