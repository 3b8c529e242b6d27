import { chmodSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { CausewayError } from "../../src/errors.ts";
import { parseExtraVars } from "../../src/inventory/extra-vars.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { select } from "../../src/inventory/patterns.ts";
import { expandRange } from "../../src/inventory/ranges.ts";
import { asAnsibleList, asGraph, shownVars } from "../../src/inventory/show.ts";
import { refuseFaulty, refuseUnaddressed } from "../../src/inventory/taking-part.ts";
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

  test("group_vars of all win over every group of the file, as in Ansible", async () => {
    const own = folderWith({
      "i.yaml": "web:\n  hosts:\n    h1: { mine: host }\n  vars: { color: web, size: web, mine: web }\n",
      "group_vars/all.yaml": "color: all-file\nsize: all-file\nmine: all-file\n",
      "group_vars/web/b.yaml": "size: web-file\n",
    });
    const { hosts } = await loadInventory([join(own, "i.yaml")]);
    expect(hosts[0]?.vars).toEqual({ color: "all-file", size: "web-file", mine: "host" });
  });

  test("groups of one depth by priority, then by name", async () => {
    const text = (b: string) =>
      `a:\n  hosts: {h1: }\n  vars: {color: a${b}}\nb:\n  hosts: {h1: }\n  vars: {color: b}\n`;
    const own = folderWith({ "i.yaml": text(""), "j.yaml": text(", ansible_group_priority: 9") });
    expect((await loadInventory([join(own, "i.yaml")])).hosts[0]?.vars.color).toBe("b");
    expect((await loadInventory([join(own, "j.yaml")])).hosts[0]?.vars.color).toBe("a");
  });

  test("a later inventory wins, a folder is all its files, and one host is one host", async () => {
    const own = folderWith({
      "d/1.yaml": "web:\n  hosts: {h1: {x: 1, y: 1}}\n",
      "d/2.yaml": "web:\n  hosts: {h1: {x: 2}, h2: }\n",
      "d/README.md": "# not an inventory\n",
      "d/2.yaml.bak": "nonsense\n",
      "3.yaml": "all:\n  hosts: {h1: {x: 3}}\n",
    });
    const { hosts } = await loadInventory([join(own, "d"), join(own, "3.yaml"), "h1,h9"]);
    expect(hosts.map((h) => [h.name, h.vars])).toEqual([
      ["h1", { x: 3, y: 1 }],
      ["h2", {}],
      ["h9", {}],
    ]);
    expect(hosts[0]?.groups).toEqual(["web"]);
  });

  test("YAML's merge key", async () => {
    const own = folderWith({
      "i.yaml": "web:\n  hosts:\n    h1: &base { x: 1, y: 1 }\n    h2: { <<: *base, y: 2 }\n",
    });
    expect((await loadInventory([join(own, "i.yaml")])).hosts[1]?.vars).toEqual({ x: 1, y: 2 });
  });

  test("a key file is looked for beside the inventory, file or folder; ~ is the home", async () => {
    const key = (path: string) => `all:\n  hosts: {h1: {ansible_ssh_private_key_file: ${path}}}\n`;
    const own = folderWith({
      "i.yaml": key("keys/one"),
      "d/i.yaml": key("keys/one"),
      "h.yaml": key("~/.ssh/k"),
    });
    const path = async (given: string) => (await loadInventory([given])).hosts[0]?.connection.privateKeyFile;
    expect(await path(join(own, "i.yaml"))).toBe(join(own, "keys/one"));
    expect(await path(join(own, "d"))).toBe(join(own, "d/keys/one"));
    expect(await path(join(own, "h.yaml"))).toBe(join(homedir(), ".ssh/k"));
    const extra = parseExtraVars(["ansible_ssh_private_key_file=key"]);
    expect((await loadInventory(["h1,"], extra)).hosts[0]?.connection.privateKeyFile).toBe(
      join(process.cwd(), "key"),
    );
  });

  test.each([
    ["ansible_become: yes", { become: true }],
    ['ansible_port: "2222"', { port: 2222 }],
    ["ansible_connection: local", { kind: "local" }],
    ["ansible_ssh_pass: x", { password: "x" }],
    ["ansible_python_interpreter: /usr/bin/python3", { address: "h1" }],
    [
      "ansible_ssh_common_args: -C -J ops@gate -oIdentitiesOnly=yes -o ControlMaster=auto",
      { sshArguments: ["-J", "ops@gate", "-o", "IdentitiesOnly=yes"] },
    ],
    [
      `ansible_ssh_args: '-o ProxyCommand="ssh -W %h:%p gate"'`,
      { sshArguments: ["-o", "ProxyCommand=ssh -W %h:%p gate"] },
    ],
  ])("%s", async (line, expected) => {
    const own = folderWith({ "i.yaml": `all:\n  hosts:\n    h1:\n      ${line}\n` });
    expect((await loadInventory([join(own, "i.yaml")])).hosts[0]?.connection).toMatchObject(expected);
  });

  test.each([
    ["ansible_ssh_host: 10.0.0.2", { address: "10.0.0.2" }, /read as ansible_host/],
    ["ansible_ssh_port: 22", { port: 22 }, /read as ansible_port/],
    ["ansible_usr: root", { address: "h1" }, /did you mean ansible_user\?/],
    [
      "ansible_ssh_common_args: -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
      {},
      /--host-key-checking off/,
    ],
  ])("%s is read, with a remark and no fault", async (line, target, words) => {
    const own = folderWith({ "i.yaml": `all:\n  hosts:\n    h1:\n      ${line}\n` });
    const [host] = (await loadInventory([join(own, "i.yaml")])).hosts;
    expect(host?.connection).toMatchObject(target);
    expect(host?.faults).toEqual([]);
    expect(host?.remarks).toEqual([expect.objectContaining({ text: expect.stringMatching(words) })]);
  });

  test("what does not fit is an error only for a host that takes part", async () => {
    const own = folderWith({ hosts: "a\nb ansible_connection=winrm\nc ansible_host={{ip}}\n" });
    const { hosts } = await loadInventory([join(own, "hosts")]);
    const [a, b, c] = hosts.map((host) => [host]);
    expect(() => refuseFaulty(a ?? [])).not.toThrow();
    expect(() => refuseFaulty(b ?? [])).toThrow(/ansible_connection/);
    expect(() => refuseUnaddressed(b ?? [])).not.toThrow();
    expect(() => refuseUnaddressed(c ?? [])).toThrow(/ansible_host is a template/);
  });

  test("a password of digits in INI is a text", async () => {
    const own = folderWith({ hosts: "a ansible_password=1234\n" });
    expect((await loadInventory([join(own, "hosts")])).hosts[0]?.connection.password).toBe("1234");
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

  test("a script that prints no _meta is asked for each host", async () => {
    const own = folderWith({
      "inv.sh": `#!/bin/sh\n[ "$1" = --list ] && echo '{"docker": ["a", "b"]}' || echo "{\\"name\\": \\"$2\\"}"\n`,
    });
    chmodSync(join(own, "inv.sh"), 0o755);
    const { hosts } = await loadInventory([join(own, "inv.sh")]);
    expect(hosts.map((h) => [h.name, h.vars.name])).toEqual([
      ["a", "a"],
      ["b", "b"],
    ]);
  });

  test("a list of hosts on the command line", async () => {
    const { hosts } = await loadInventory(["10.0.0.1,10.0.0.2"]);
    expect(hosts.map((h) => h.name)).toEqual(["10.0.0.1", "10.0.0.2"]);
  });
});

describe("ranges", () => {
  test.each([
    ["h[01:03]", "h01 h02 h03"],
    ["h[8:11]", "h8 h9 h10 h11"],
    ["h[098:101]", "h098 h099 h100 h101"],
    ["h[a:c]", "ha hb hc"],
    ["h[0:10:5]", "h0 h5 h10"],
    ["r[1:2]-h[a:b].lan", "r1-ha.lan r1-hb.lan r2-ha.lan r2-hb.lan"],
    ["h[5:5]", "h5"],
    ["plain", "plain"],
  ])("%s", (name, expected) => {
    expect(expandRange(name).join(" ")).toBe(expected);
  });

  test.each(["h[3:1]", "h[a:3]", "h[c:a]", "h[0:9:0]", "h[aa:bb]"])("%s is none", (name) => {
    expect(() => expandRange(name)).toThrow(expect.objectContaining({ code: "inventory" }));
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
    ["docker[1-2]", "h02 h03"],
    ["docker[1:0]", "h02"],
    ["h*[1]", "h02"],
    ["h0[!12]", "h03"],
    ["special:h01", "special h01"],
    ["doc*:!h01", "h02 h03 special"],
    ["docker:&~h0[12]:!h02", "h01"],
    ["&etcd:docker", "h02"],
    ["prod", "h01 h02 h03 special"],
    ["~h0[12]:!h02", "h01"],
    ["~h(?:01|02)", "h01 h02"],
    ["~h\\d{1,2}$", "h01 h02 h03"],
    ["~h01,special", "h01 special"],
    ["h01 h02", "h01 h02"],
    ["docker:!~h0[12]", "h03 special"],
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

  test.each([
    "~h(",
    "~h0[12",
    "h[9-1]",
    "docker[]",
    "docker[9]",
    "docker[-]",
    "",
    "!all",
    "h01:&special",
    "docker:!specal",
    "docker[:1]",
    "h0[1-2]",
    "~0",
    "h01:special,h02",
  ])("%j is an error of the user", async (pattern) => {
    const inventory = await load();
    expect(() => select(inventory, pattern, "--limit")).toThrow(expect.objectContaining({ code: "usage" }));
  });

  test("a group's hosts count in its own order, then level by level, as in Ansible; a host hides a group of its name", async () => {
    const own = folderWith({
      "i.yaml": `all:
  hosts: {a: , b: , c: , d: , web: }
web:
  hosts: {c: , a: }
  children: {sub: {hosts: {d: , b: }}}
`,
    });
    const inventory = await loadInventory([join(own, "i.yaml")]);
    const at = (pattern: string) => select(inventory, pattern, "hosts").map((h) => h.name);
    expect([at("web[0]"), at("web[1]"), at("web[2]"), at("web[-1]")]).toEqual([["c"], ["a"], ["d"], ["b"]]);
    expect(at("web[0:2]:!web[1]")).toEqual(["c", "d"]);
    expect([at("web"), at("web*"), at("all:!web")]).toEqual([["web"], ["c", "a", "d", "b", "web"], ["web"]]);
  });

  test("a misspelt exclusion is an error, and a subscript that finds nothing says how it is written", async () => {
    const inventory = await load();
    const advice = (pattern: string) => {
      try {
        select(inventory, pattern, "--limit");
      } catch (error) {
        return (error as CausewayError).detail.advice;
      }
      return undefined;
    };
    expect(advice("all:!specal")).toBe("did you mean special?");
    expect(advice("docker[7-9]")).toMatch(/^a subscript counts from 0/);
    expect(advice("h0[1-2]")).toMatch(/such as h0\[12\]$/);
    expect(advice("h01:special,h02")).toMatch(/only commas/);
  });

  test("@file", async () => {
    const own = folderWith({ retry: "h02\n# no\n\nh01\n" });
    expect(select(await load(), `@${join(own, "retry")}`, "--limit").map((h) => h.name)).toEqual([
      "h02",
      "h01",
    ]);
    expect(() => parseExtraVars([`@${join(own, "gone")}`])).toThrow(/does not exist/);
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

describe("ungrouped", () => {
  const own = folderWith({
    "i.yaml":
      "all:\n  hosts: {h1: , h2: , h3: }\n  children:\n    web: {hosts: {h2: }}\ndb: {hosts: {h3: }}\nempty:\n",
    "group_vars/ungrouped.yaml": "x: 1\n",
  });

  test("a host of all alone is in it, with its variables; one of another group is not", async () => {
    const inventory = await loadInventory([join(own, "i.yaml")]);
    expect(inventory.hosts.map((h) => [h.name, h.groups, h.vars.x])).toEqual([
      ["h1", ["ungrouped"], 1],
      ["h2", ["web"], undefined],
      ["h3", ["db"], undefined],
    ]);
    expect(select(inventory, "ungrouped", "hosts").map((h) => h.name)).toEqual(["h1"]);
  });

  test("--graph and --list put every host below its own group, and every group below all", async () => {
    const inventory = await loadInventory([join(own, "i.yaml")]);
    expect(asGraph(inventory)).toBe(`@all:
  |--@ungrouped:
  |  |--h1
  |--@web:
  |  |--h2
  |--@db:
  |  |--h3`);
    expect(asAnsibleList(inventory)).toMatchObject({
      all: { children: ["ungrouped", "web", "db", "empty"] },
      ungrouped: { hosts: ["h1"] },
      web: { hosts: ["h2"] },
    });
    expect(asAnsibleList(inventory).all).not.toHaveProperty("hosts");
  });

  test("what --list prints can be read again", async () => {
    const inventory = await loadInventory([join(own, "i.yaml")]);
    const again = folderWith({
      "s.sh": `#!/bin/sh\ncat <<'E'\n${JSON.stringify(asAnsibleList(inventory))}\nE\n`,
    });
    chmodSync(join(again, "s.sh"), 0o755);
    const { hosts } = await loadInventory([join(again, "s.sh")]);
    const shape = (all: typeof hosts) => Object.fromEntries(all.map((h) => [h.name, [h.groups, h.vars]]));
    expect(shape(hosts)).toEqual(shape(inventory.hosts));
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
  expect(() => parseExtraVars(["nonsense"])).toThrow(/-e is not valid/);
});
