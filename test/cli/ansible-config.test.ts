import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ansibleSettings } from "../../src/cli/ansible-config.ts";
import { folderWith } from "../inventory/files.ts";

const folder = folderWith({
  "ansible.cfg":
    "# ours\n[privilege_escalation]\nforks = 1\n[defaults]\ninventory = a, b\nremote_user: ops\nprivate_key_file = keys/one\nforks = 7 ; few\nhost_key_checking = no\n",
  a: "",
  b: "",
});
const config = join(folder, "ansible.cfg");

test("what ansible.cfg says, its paths from where it lies", () => {
  expect(ansibleSettings({}, { ANSIBLE_CONFIG: config })).toEqual({
    inventory: [join(folder, "a"), join(folder, "b")],
    user: "ops",
    privateKey: join(folder, "keys/one"),
    forks: 7,
    notes: [
      `inventory a, b, because of inventory in ${config}; -i names another`,
      expect.stringMatching(/host_key_checking in .* is not followed: .*--host-key-checking off/),
    ],
  });
});

test("the environment wins over the file, and the command line over both", () => {
  const env = {
    ANSIBLE_CONFIG: folder,
    ANSIBLE_INVENTORY: "h1,h2",
    ANSIBLE_REMOTE_USER: "me",
    ANSIBLE_FORKS: "3",
  };
  expect(ansibleSettings({}, env)).toMatchObject({ inventory: ["h1,h2"], user: "me", forks: 3 });
  const given = {
    inventory: ["x"],
    user: "you",
    "private-key": "k",
    forks: "2",
    "host-key-checking": "strict",
  };
  expect(ansibleSettings(given, env)).toEqual({ notes: [] });
});

test("a number of forks that is none", () => {
  expect(() => ansibleSettings({}, { ANSIBLE_CONFIG: config, ANSIBLE_FORKS: "many" })).toThrow(
    /ANSIBLE_FORKS is not/,
  );
});

test("settings that change how hosts are reached, and are not followed, are named with what says the same", () => {
  const file = join(
    folderWith({
      "ansible.cfg":
        "[privilege_escalation]\nbecome = True\nbecome_user = root\nbecome_method = doas\n[ssh_connection]\nssh_args = -C -o ControlMaster=auto -o ControlPersist=60s\n[defaults]\ntimeout = 30\nvault_password_file = secret\nremote_port = 2222\n",
    }),
    "ansible.cfg",
  );
  const { notes, ...taken } = ansibleSettings(
    {},
    { ANSIBLE_CONFIG: file, ANSIBLE_SSH_EXTRA_ARGS: "-J gate" },
  );
  expect(taken).toEqual({ timeout: 30, vaultPasswordFile: file.replace("ansible.cfg", "secret") });
  expect(notes.map((note) => note.replaceAll(file, "FILE"))).toEqual([
    "become in FILE is not followed: give -b, or ansible_become in the inventory",
    "become_method in FILE is not followed: give --become-method, or ansible_become_method in the inventory",
    "remote_port in FILE is not followed: set ansible_port in the inventory, or Port in ~/.ssh/config",
    "ANSIBLE_SSH_EXTRA_ARGS is not followed: write it into ~/.ssh/config, or give --ssh-config FILE",
  ]);
});

test("the file is read once in a run, however many ask", () => {
  const own = join(folderWith({ "ansible.cfg": "[defaults]\nremote_user = first\n" }), "ansible.cfg");
  const env = { ANSIBLE_CONFIG: own };
  const before = ansibleSettings({}, env);
  writeFileSync(own, "[defaults]\nremote_user = second\n");
  expect(ansibleSettings({}, env)).toEqual(before);
  expect(ansibleSettings({}, { ...env })).toMatchObject({ user: "second" });
});
