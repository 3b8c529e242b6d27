import { chmodSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "../../src/cli/arguments.ts";
import { reachable } from "../../src/cli/fleet-of.ts";
import { insteadOf } from "../../src/cli/instead.ts";
import { judgeValues } from "../../src/cli/judged.ts";
import { playbookOptions } from "../../src/cli/playbook-options.ts";
import { reachOf } from "../../src/cli/reach.ts";
import { type CausewayError, describeError } from "../../src/errors.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { folderWith } from "../inventory/files.ts";

const folder = folderWith({
  login: "one\n",
  root: "#!/bin/sh\necho two\n",
  blank: "\n",
  broken: "#!/bin/sh\necho no key >&2\nexit 3\n",
  "hosts.yaml":
    "all:\n  hosts:\n    plain:\n    own: {ansible_user: me, ansible_connection: local, ansible_password: mine, ansible_become_method: doas}\n",
});
for (const program of ["root", "broken"]) chmodSync(join(folder, program), 0o755);
const at = (name: string) => join(folder, name);

const errorOf = async (work: () => unknown) => {
  try {
    await work();
  } catch (error) {
    return describeError(error as CausewayError);
  }
  throw new Error("it was no error");
};

test("Ansible's short options, and its other names", () => {
  const line = "web -D -C -vvv -b -K -k -u me -i hosts -l web -f 5 -e a=1 -t x,y -c local -T 5";
  expect(parse(playbookOptions, line.split(" "))).toEqual({
    positionals: ["web"],
    values: {
      diff: true,
      check: true,
      verbose: true,
      become: true,
      "ask-become-pass": true,
      "ask-pass": true,
      user: "me",
      inventory: ["hosts"],
      limit: "web",
      forks: "5",
      "extra-vars": ["a=1"],
      tags: ["x,y"],
      connection: "local",
      timeout: "5",
    },
  });
  const others = ["--key-file=a", "--conn-pass-file", "b", "--become-pass-file", "c"];
  expect(parse(playbookOptions, others).values).toEqual({
    "private-key": "a",
    "connection-password-file": "b",
    "become-password-file": "c",
  });
});

describe("an option that is none says what there is instead", () => {
  const names = [
    "-m",
    "-a",
    "--connect-timeout",
    "--flush-cache",
    "--ssh-extra-args",
    "--su",
    "--module-path",
  ];
  test.each(names)("%s", async (name) => {
    const text = await errorOf(() => parse(playbookOptions, ["web", name, "x"]));
    expect(text).toContain(`unknown option ${name}\n`);
    expect(text).toContain(insteadOf(name));
  });

  test("a beginning that is one option's, and a misspelt one", async () => {
    expect(await errorOf(() => parse(playbookOptions, ["--syntax"]))).toMatch(
      /did you mean --syntax-check\?/,
    );
    expect(await errorOf(() => parse(playbookOptions, ["--lmit"]))).toMatch(/did you mean --limit\?/);
  });
});

test.each([
  ["--output jsn", /did you mean json\?/],
  ["--forks many", /--forks takes a number/],
  ["--forks 2.5", /--forks takes a whole number/],
  ["--timeout 0", /--timeout takes a number of at least 0\.1/],
  ["--command-timeout x", /--command-timeout takes a number/],
  ["--run-timeout -1", /looks like an option|--run-timeout takes a number/],
  ["--run-timeout=-1", /--run-timeout takes a number of at least 0/],
  ["--host-key-checking no", /--host-key-checking takes strict, accept-new, off/],
  ["-c winrm", /--connection takes ssh, local/],
  ["--become-method runas", /--become-method takes sudo, su, doas/],
  ["--become-user ops", /a session works as root alone[\s\S]*runuser -u ops/],
  ["--serial 0%", /not a number of hosts/],
  ["--order up", /--order takes/],
  ["--gate maybe", /--gate takes/],
  ["--strict-gate --gate off", /contradict/],
  ["--settle soon", /--settle takes a number/],
  ["--on-failure go", /--on-failure takes/],
  ["--max-fail-percentage 101", /not a percentage/],
  ["--max-gap 2", /--max-gap takes a time/],
  ["--confirm-timeout 1", /too short/],
])("%s is judged whatever else is asked for", async (line, words) => {
  const judge = () => judgeValues(parse(playbookOptions, line.split(" ")).values);
  expect(await errorOf(judge)).toMatch(words);
});

describe("how hosts are reached", () => {
  const connections = async (line: string) => {
    const { values } = parse(playbookOptions, line.split(" ").filter(Boolean));
    const { hosts } = await reachable(await loadInventory([at("hosts.yaml")]), values, () => {});
    return Object.fromEntries(hosts.map((host) => [host.name, host.connection]));
  };

  test("the command line's word counts where the inventory says nothing", async () => {
    const line = `-u you -c ssh -b --become-method su --connection-password-file ${at("login")} --become-password-file ${at("root")}`;
    const { plain, own } = await connections(line);
    const become = { become: true, becomePassword: "two" };
    expect(plain).toMatchObject({
      kind: "ssh",
      user: "you",
      password: "one",
      becomeMethod: "su",
      ...become,
    });
    expect(own).toMatchObject({
      kind: "local",
      user: "me",
      password: "mine",
      becomeMethod: "doas",
      ...become,
    });
    expect((await connections("-c local")).plain).toMatchObject({ kind: "local", become: false });
  });

  test.each([
    ["-k", /there is no terminal[\s\S]*--connection-password-file FILE/],
    ["-K", /there is no terminal[\s\S]*--become-password-file FILE/],
    [`--become-password-file ${at("gone")}`, /the file does not exist/],
    [`--become-password-file ${folder}`, /this is a folder/],
    [`--become-password-file ${at("blank")}`, /gives no password/],
    [`--become-password-file ${at("broken")}`, /program that should print the password failed[\s\S]*no key/],
  ])("%s", async (line, words) => {
    expect(await errorOf(() => connections(line))).toMatch(words);
  });
});

test("what reaches the same hosts in another command can be pasted", () => {
  const line = [
    ..."-i hosts -l web -k -b -T 5 --vault-password-file pass --vault-id a@b -e x=1 -t conf".split(" "),
    "-e",
    "ansible_user=ops ansible_port=22",
    "-e",
    "ansible_user=ops x=1",
    "-u",
    "it's me",
  ];
  expect(reachOf(parse(playbookOptions, line).values)).toBe(
    "-i hosts -u 'it'\\''s me' -k -b -T 5 --vault-password-file pass --vault-id a@b -e 'ansible_user=ops ansible_port=22'",
  );
});
