import { chmodSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseExtraVars } from "../../src/inventory/extra-vars.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { select } from "../../src/inventory/patterns.ts";
import { asAnsibleList, asGraph, shownVars } from "../../src/inventory/show.ts";
import { folderWith } from "./files.ts";

const text = `
all:
  vars: { color: all, only_all: 1 }
  children:
    prod:
      vars: { color: prod }
      children:
        docker:
    docker:
      vars: { color: docker, ansible_user: ops }
      hosts:
        h[01:03]:
        special:
          color: own
          ansible_host: 10.0.0.9
          ansible_port: 2222
          ansible_become: true
          ansible_become_password: hunter2
    etcd:
      hosts:
        h02:
`;

const folder = folderWith({
  "inventory.yaml": text,
  "group_vars/docker.yml": "from_file: docker\ncolor: group-file\n",
  "group_vars/all/main.yaml": "from_all_file: yes-it-is\n",
  "host_vars/h03.yaml": "color: host-file\n",
});
const load = (extra: string[] = []) => loadInventory([join(folder, "inventory.yaml")], parseExtraVars(extra));

describe("Ansible's layout and precedence", () => {
  test("all < parent < child < host, files over the inventory's own, -e over all", async () => {
    const { hosts } = await load();
    const color = Object.fromEntries(hosts.map((h) => [h.name, h.vars.color]));
    expect(color).toEqual({ h01: "group-file", h02: "group-file", h03: "host-file", special: "own" });
    expect(hosts[0]?.vars).toMatchObject({ only_all: 1, from_file: "docker", from_all_file: "yes-it-is" });
    const withExtra = await load(["color=extra"]);
    expect(withExtra.hosts.map((h) => h.vars.color)).toEqual(["extra", "extra", "extra", "extra"]);
  });

  test("connection variables become the target", async () => {
    const { hosts } = await load();
    expect(hosts.find((h) => h.name === "special")?.connection).toEqual({
      name: "special",
      kind: "ssh",
      address: "10.0.0.9",
      port: 2222,
      user: "ops",
      become: true,
      becomePassword: "hunter2",
    });
  });

  test("groups reach down through children", async () => {
    const { hosts } = await load();
    expect([...(hosts.find((h) => h.name === "h02")?.groups ?? [])].sort()).toEqual([
      "docker",
      "etcd",
      "prod",
    ]);
  });

  test("where a variable was written", async () => {
    const { hosts } = await load();
    expect(hosts.find((h) => h.name === "special")?.whereIs("color")).toMatchObject({ line: 14, column: 18 });
  });

  test("a script with --list", async () => {
    const list = {
      docker: { hosts: ["a", "b"], vars: { x: 1 } },
      _meta: { hostvars: { a: { ansible_host: "10.1.1.1" } } },
    };
    const own = folderWith({ "inv.sh": `#!/bin/sh\n[ "$1" = --list ] && echo '${JSON.stringify(list)}'\n` });
    chmodSync(join(own, "inv.sh"), 0o755);
    const { hosts } = await loadInventory([join(own, "inv.sh")]);
    expect(hosts.map((h) => [h.name, h.connection.address, h.vars.x])).toEqual([
      ["a", "10.1.1.1", 1],
      ["b", "b", 1],
    ]);
  });

  test("a list of hosts on the command line", async () => {
    const { hosts } = await loadInventory(["10.0.0.1,10.0.0.2"]);
    expect(hosts.map((h) => h.name)).toEqual(["10.0.0.1", "10.0.0.2"]);
  });
});

describe("patterns", () => {
  test.each([
    ["all", "h01 h02 h03 special"],
    ["docker", "h01 h02 h03 special"],
    ["h01:special", "h01 special"],
    ["h01,h02", "h01 h02"],
    ["docker:&etcd", "h02"],
    ["docker:!etcd", "h01 h03 special"],
    ["!etcd", "h01 h03 special"],
    ["h*", "h01 h02 h03"],
    ["~h0[12]", "h01 h02"],
    ["docker[0]", "h01"],
    ["docker[-1]", "special"],
    ["docker[0:1]", "h01 h02"],
    ["docker[2:]", "h03 special"],
  ])("%s", async (pattern, expected) => {
    expect(
      select(await load(), pattern, "hosts")
        .map((h) => h.name)
        .join(" "),
    ).toBe(expected);
  });

  test("one that names nothing is an error with the nearest name", async () => {
    const inventory = await load();
    expect(() => select(inventory, "specal", "--limit")).toThrow(
      expect.objectContaining({
        code: "usage",
        detail: expect.objectContaining({ advice: "did you mean special?" }),
      }),
    );
    expect(() => select(inventory, "docker:&h9*", "--limit")).toThrow();
  });

  test("@file", async () => {
    const own = folderWith({ retry: "h02\n# no\n\nh01\n" });
    expect(select(await load(), `@${join(own, "retry")}`, "--limit").map((h) => h.name)).toEqual([
      "h01",
      "h02",
    ]);
    expect(() => parseExtraVars([`@${join(own, "gone")}`])).toThrow(/not there/);
  });
});

describe("what run inventory prints", () => {
  test("--list is Ansible's JSON; passwords are masked", async () => {
    const list = asAnsibleList(await load()) as {
      _meta: { hostvars: Record<string, unknown> };
      docker: unknown;
    };
    expect(list.docker).toEqual({ hosts: ["h01", "h02", "h03", "special"] });
    expect(JSON.stringify(list)).not.toContain("hunter2");
  });

  test("--host and --graph", async () => {
    const inventory = await load();
    const special = inventory.hosts.find((h) => h.name === "special");
    expect(special && shownVars(special)).toMatchObject({
      color: "own",
      ansible_become_password: "********",
    });
    expect(asGraph(inventory)).toContain("  |--@prod:\n  |  |--@docker:\n  |  |  |--h01");
  });
});

test("-e takes pairs, JSON and files", () => {
  const own = folderWith({ "v.yaml": "b: 2\n" });
  const vars = parseExtraVars(["a=1 t='x y'", '{"c": [1]}', `@${join(own, "v.yaml")}`, "a=2"]);
  expect(Object.fromEntries([...vars].map(([k, v]) => [k, v.value]))).toEqual({
    a: "2",
    t: "x y",
    c: [1],
    b: 2,
  });
  expect(() => parseExtraVars(["nonsense"])).toThrow(/not understood/);
});
