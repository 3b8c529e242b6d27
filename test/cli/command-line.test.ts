import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { runIn } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-cli-"));
// Each command is a process of its own, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 30_000 });

afterAll(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]) => runIn(folder, ...args);

function file(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const host = (name: string, address: string, vars: string) =>
  `${name}: { ansible_host: ${address}, ${vars} }`;
const inventory = (...hosts: string[]) =>
  file(
    `inv-${Math.random()}.yaml`,
    `all:\n  children:\n    docker:\n      hosts:\n${hosts.map((h) => `        ${h}\n`).join("")}`,
  );

const head = 'import { definePlaybook, Type } from "causeway";\n';
const book = (body: string) =>
  `${head}export default definePlaybook({ name: "x", summary: "x", vars: Type.Object({}), ${body} });\n`;
const task = `import { defineTask } from "causeway";
const t = defineTask({ name: "t", summary: "x", params: Type.Object({ to: Type.String() }, { additionalProperties: false }), key: () => "k", read: async () => 1, present: () => [] });\n`;

/** Playbooks that cannot be: what is written, the place that the error names, and what it says. */
const playbooks: [string, string, RegExp][] = [
  [
    "a syntax error",
    `${head}export default definePlaybook({\n  name: ,\n});\n`,
    /syntax-error\.ts:3:9: Unexpected ","/,
  ],
  ["no default export", `${head}export const x = 1;\n`, /is not a playbook[\s\S]*definePlaybook/],
  ["something else", "export default { name: 1 };\n", /is not a playbook/],
  [
    "an import that is nowhere",
    `import { a } from "./gone.ts";\nexport default a;\n`,
    /:1:19: Could not resolve "\.\/gone\.ts"/,
  ],
  [
    "a misspelt export",
    'import { definePlaybok } from "causeway";\nexport default definePlaybok({});\n',
    /no export definePlaybok[\s\S]*did you mean definePlaybook\?/,
  ],
  [
    "an error while it is loaded",
    `${head}const x: any = undefined;\nexport default x.y;\n`,
    /:3:\d+: TypeError: /,
  ],
  [
    "a pattern that names nothing",
    book('plays: [{ title: "p", hosts: "dokcer", tasks: () => [] }]'),
    /dokcer matches no host[\s\S]*did you mean docker\?/,
  ],
  [
    "a misspelt parameter",
    `${head}${task}${book('plays: [{ title: "p", hosts: "docker", tasks: () => [t({ too: "x" })] }]').slice(head.length)}`,
    /too is not known here[\s\S]*did you mean to\?/,
  ],
  [
    "a parameter of the wrong type",
    `${head}${task}${book('plays: [{ title: "p", hosts: "docker", tasks: () => [t({ to: 5 })] }]').slice(head.length)}`,
    /to has the wrong type/,
  ],
  [
    "a missing parameter",
    `${head}${task}${book('plays: [{ title: "p", hosts: "docker", tasks: () => [t({})] }]').slice(head.length)}`,
    /to is missing/,
  ],
  [
    "a misspelt key of a play",
    book('plays: [{ title: "p", hosts: "docker", task: () => [] }]'),
    /:2:\d+: play 1: task is not known here[\s\S]*did you mean tasks\?/,
  ],
  [
    "Ansible's word for a key of a play",
    book('plays: [{ title: "p", hosts: "docker", tasks: () => [], max_fail_percentage: 20 }]'),
    /max_fail_percentage is not known here[\s\S]*did you mean maxFailPercentage\?/,
  ],
  [
    "a play that learns what is no fact",
    book(
      'plays: [{ title: "p", hosts: "docker", tasks: () => [], learns: ["kye"] }], facts: { key: fact }',
    ).replace("export", "const fact = { name: 'key', read: async () => 1 };\nexport"),
    /:3:\d+: play “p” learns kye, which is no fact of the playbook[\s\S]*one of key/,
  ],
  [
    "more than all that may fail",
    book('plays: [{ title: "p", hosts: "docker", tasks: () => [], maxFailPercentage: 300 }]'),
    /play “p”: maxFailPercentage is not a percentage of hosts\n.*300\n.*from 0 to 100/,
  ],
  [
    "a missing key",
    `${head}export default definePlaybook({ name: "x" });\n`,
    /:2:8: the playbook: summary is missing/,
  ],
  [
    "variables without a schema",
    `${head}export default definePlaybook({ name: "x", summary: "x", vars: { a: 1 }, plays: [] });\n`,
    /vars is not an object schema/,
  ],
  ["nothing to do", book("plays: []"), /the playbook does nothing/],
  [
    "tasks that are a promise",
    book('plays: [{ title: "p", hosts: "docker", tasks: async () => [] }]'),
    /tasks does not return a list of tasks[\s\S]*a promise/,
  ],
  [
    "tasks that throw",
    book('plays: [{ title: "p", hosts: "docker", tasks: () => { throw new Error("boom"); } }]'),
    /:2:\d+: the tasks of play “p” threw Error: boom/,
  ],
  [
    "a check that throws",
    book("check: () => null.x, plays: [{ title: 'p', hosts: 'docker', tasks: () => [] }]"),
    /:2:\d+: check threw TypeError/,
  ],
  ["a playbook that ends the process", "process.exit(0);\n", /called process.exit/],
  ["a playbook that never ends loading", "await new Promise(() => {});\n", /never settles/],
];

describe("a playbook that cannot be is exit 6, on one screen, without a stack trace", () => {
  test.each(playbooks)("%s", async (name, text, words) => {
    const path = file(`${name.replaceAll(/^an? |\W+/g, (m) => (m.startsWith("a") ? "" : "-"))}.ts`, text);
    const inv = inventory(host("h1", "192.0.2.1", "x: 1"));
    const { code, stdout, stderr } = await run(path, "-i", inv, "--list-tasks");
    expect({ code, stdout }).toEqual({ code: 6, stdout: "" });
    expect(stderr).toMatch(words);
    expect(stderr.split("\n").length).toBeLessThan(24);
    expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
  });
});

describe("a plan that cannot be is exit 6 before any connection", () => {
  const [a, b] = ["192.0.2.1", "192.0.2.2"];
  test.each([
    [
      "two hosts with one subnet",
      [host("h1", a, "bip: 10.1.0.1/24"), host("h2", b, "bip: 10.1.0.2/24")],
      /container subnets of h1 and h2 overlap/,
    ],
    [
      "a subnet inside another",
      [host("h1", a, "bip: 10.1.0.1/16"), host("h2", b, "bip: 10.1.7.1/24")],
      /overlap/,
    ],
    [
      "a network instead of an address",
      [host("h1", a, "bip: 10.1.0.0/24")],
      /10\.1\.0\.0\/24 is the network's own address/,
    ],
    ["no prefix", [host("h1", a, "bip: 10.1.0.1")], /bip is not valid/],
    ["no bip", [host("h1", a, "x: 1")], /bip is missing/],
    [
      "a misspelt variable",
      [host("h1", a, "bipp: 10.1.0.1/24")],
      /bipp looks misspelt[\s\S]*did you mean bip\?/,
    ],
    ["a wrong type", [host("h1", a, "bip: 10.1.0.1/24, interrupt_containers: perhaps")], /true or false/],
    [
      "the network by which the hosts are reached",
      [host("h1", a, "bip: 192.0.2.77/24")],
      /contains the management address of h1/,
    ],
    [
      "a network for all containers that is not for all",
      [
        host("h1", a, "bip: 10.1.0.1/24, container_network: 10.1.0.0/16"),
        host("h2", "192.0.2.2", "bip: 10.2.0.1/24, container_network: 10.0.0.0/8"),
      ],
      /container_network of h1 does not contain the subnet of h2[\s\S]*10\.2\.0\.0\/24 is outside 10\.1\.0\.0\/16/,
    ],
  ])("%s", async (_name, hosts, words) => {
    const { code, stdout, stderr } = await run("static-route", "-i", inventory(...hosts));
    expect({ code, stdout }).toEqual({ code: 6, stdout: "" });
    expect(stderr).toMatch(words);
  });

  test.each([["verify"], ["reset"], ["rollback"]])(
    "%s: two names of one machine, with both places; another port is another machine",
    async (command) => {
      const file = inventory(host("h1", a, "x: 1"), host("h2", a, "x: 1"));
      const { code, stdout, stderr } = await run(command, "-i", file);
      expect({ code, stdout }).toEqual({ code: 6, stdout: "" });
      expect(stderr).toMatch(
        /^\S+:\d+:\d+ h2: h1 and h2 are one machine\n.*both lead to 192\.0\.2\.1 port 22\n +h2: address \S+ \(\S+:\d+:\d+\)\n +h1: address/,
      );
      const other = inventory(host("h1", a, "x: 1"), host("h2", a, "ansible_port: 2222"));
      if (command === "verify") expect((await run(command, "-i", other, "--syntax-check")).code).toBe(0);
    },
  );

  test("a play for hosts that the inventory does not have: where it is written, and which inventory", async () => {
    const { code, stderr } = await run("overlay", "-i", "h1,h2");
    expect(code).toBe(6);
    expect(stderr).toMatch(
      /^\S*playbooks\/overlay\.ts:\d+:\d+: play “Start the servers.*matches no host of the inventory -i\n/,
    );
    const [, line = ""] = /overlay\.ts:(\d+)/.exec(stderr) ?? [];
    const written = readFileSync(join(packageDir, "playbooks/overlay.ts"), "utf8").split("\n");
    expect(written[Number(line) - 1]).toContain("hosts: dockerOrStore");
  });
});

describe("the command line", () => {
  const inv = () =>
    inventory(host("h1", "192.0.2.1", "bip: 10.1.0.1/24"), host("h2", "192.0.2.2", "bip: 10.2.0.1/24"));

  test.each<[string, string[], RegExp]>([
    ["an unknown option", ["static-route", "--lmit", "h1"], /did you mean --limit\?/],
    ["a playbook that is not there", ["nowhere.ts"], /nowhere\.ts not found/],
    ["a misspelt playbook", ["playbook/static-rout.ts"], /did you mean static-route\?/],
    ["a misspelt command", ["histry"], /did you mean run history\?/],
    ["two playbooks", ["static-route", "verify"], /run takes one playbook/],
    ["an output that is none", ["static-route", "--output", "jsn"], /did you mean json\?/],
    ["a number that is none", ["static-route", "--forks", "many"], /--forks takes a number/],
    [
      "a variable of the wrong type, told once",
      ["static-route", "-e", "interrupt_containers=perhaps"],
      /^-e:1:1 h1: variables: interrupt_containers has the wrong type\n.*\n.*true or false\n$/,
    ],
    ["a limit that names nothing", ["static-route", "-l", "h9"], /matches no host/],
    [
      "no host at a time",
      ["static-route", "--serial", "0%"],
      /not a number of hosts\n.*0%\n.*from 1% to 100%/,
    ],
    [
      "a value like an option",
      ["static-route", "--serial", "-1"],
      /looks like an option[\s\S]*--serial=VALUE/,
    ],
    [
      "more than all",
      ["static-route", "--max-fail-percentage", "101"],
      /not a percentage of hosts\n.*101\n.*from 0 to 100/,
    ],
    ["two gates", ["static-route", "--strict-gate", "--gate", "off"], /contradict each other/],
    ["no terminal", ["static-route", "--step"], /asks a person, and there is no terminal[\s\S]*add --yes/],
    ["nothing in batches", ["reset", "--serial", "1"], /reset has no plays that are cut into batches/],
    ["nobody to take out", ["remove", "static-route"], /expected +run remove PLAYBOOK HOST/],
    ["a misspelt host to take out", ["remove", "static-route", "h22"], /did you mean h2\?/],
    ["all hosts taken out", ["remove", "static-route", "h1,h2"], /nobody would be left[\s\S]*run reset/],
    ["a host taken out of nothing", ["remove", "verify", "h1"], /verify builds nothing/],
    ["a limit on who stays", ["remove", "static-route", "h1", "-l", "h2"], /unknown option -l/],
  ])("%s is an error that says what was meant", async (_name, args, words) => {
    const { code, stderr } = await run(...args, "-i", inv());
    expect([5, 6]).toContain(code);
    expect(stderr).toMatch(words);
  });

  test("a playbook and an inventory of this package are found from any directory", async () => {
    const { code, stdout } = await run(
      "playbooks/overlay.ts",
      "-i",
      "inventory/example.yaml",
      "--list-hosts",
    );
    expect({ code, found: stdout.includes("docker-201") }).toEqual({ code: 0, found: true });
  });

  test("--list-hosts, --list-tasks and --syntax-check connect nowhere", async () => {
    expect((await run("static-route", "-i", inv(), "--list-hosts", "-l", "h2")).stdout).toMatch(
      /\(1\)\n {2}h2\n/,
    );
    expect((await run("static-route", "-i", inv(), "--list-tasks")).stdout).toMatch(/static-route peers\n/);
    const plain = inventory(host("h1", "192.0.2.1", ""), host("h2", "192.0.2.2", ""));
    expect((await run("overlay", "-i", plain, "--list-tasks")).stdout).toMatch(
      /overlay-net overlay_1 {3}on h1\n/,
    );
    expect(await run("static-route", "-i", inv(), "--syntax-check")).toMatchObject({
      code: 0,
      stdout: "static-route: OK\n",
    });
  });

  test("--list-tags and --list-tasks show tags, and what is chosen; a tag that is none is an error", async () => {
    const path = file(
      "tagged.ts",
      `${head}${task}${book('plays: [{ title: "P", hosts: "docker", tags: ["web"], tasks: () => [t({ to: "a" }, { tags: ["conf"] }), t({ to: "b" })] }, { title: "Q", hosts: "docker", tasks: () => [t({ to: "c" })] }]').slice(head.length)}`,
    );
    const listed = async (...args: string[]) => (await run(path, "-i", inv(), ...args)).stdout;
    expect(await listed("--list-tags")).toBe("P\n  tags: conf, web\nQ\n  tags: none\n");
    expect(await listed("--list-tasks")).toBe("P\n  t k   tags: web, conf\n  t k   tags: web\nQ\n  t k\n");
    expect(await listed("--list-tasks", "-t", "conf,x", "--skip-tags", "x")).toBe("");
    expect(await listed("--list-tasks", "-t", "conf")).toBe("P\n  t k   tags: web, conf\nQ\n");
    const { code, stderr } = await run(path, "-i", inv(), "--list-tasks", "--skip-tags", "cnof");
    expect({ code, stderr }).toEqual({ code: 5, stderr: expect.stringMatching(/did you mean conf\?/) });
    const failed = await run(path, "-i", inv(), "--timeout", "1", "-t", "conf", "--skip-tags=x y");
    expect(failed.stderr).toMatch(/again: run \S+ .*--tags conf --skip-tags 'x y' --limit @tagged\.retry\n/);
  });

  test("a playbook of one's own, outside of this repository, imports causeway by its name", async () => {
    const path = file("deep/own.ts", book('plays: [{ title: "Mine", hosts: "docker", tasks: () => [] }]'));
    expect(await run(path, "-i", inv(), "--list-tasks")).toMatchObject({ code: 0, stdout: "Mine\n" });
    // Changed, it is never stale.
    writeFileSync(path, book('plays: [{ title: "Changed", hosts: "docker", tasks: () => [] }]'));
    expect((await run(path, "-i", inv(), "--list-tasks")).stdout).toBe("Changed\n");
  });

  test("what is judged before the first connection is judged once", async () => {
    const path = file(
      "judged.ts",
      book(
        'check: () => { console.error("judged"); return []; }, plays: [{ title: "x", hosts: "docker", tasks: () => [] }]',
      ),
    );
    const { code, stderr } = await run(path, "-i", inv(), "--timeout", "1");
    expect({ code, times: stderr.split("judged\n").length - 1 }).toEqual({ code: 4, times: 1 });
  });

  test("unreachable hosts are exit 4 within the connect timeout, and a retry file names them", async () => {
    const { code, stderr } = await run("static-route", "-i", inv(), "--timeout", "1", "--no-verify");
    expect(code).toBe(4);
    expect(stderr).toContain("--limit @static-route.retry");
    expect(
      (await run("static-route", "-i", inv(), "-l", "@static-route.retry", "--list-hosts")).stdout,
    ).toMatch(/\(2\)/);
  });

  test("--help and --version", async () => {
    expect((await run("--help")).stdout).toContain("run rollback [RUN]");
    expect((await run("--version")).stdout).toMatch(/^causeway \d+\.\d+\.\d+\n$/);
  });
});

describe("what people who know Ansible try", () => {
  const web = book('plays: [{ title: "P", hosts: "all", tasks: () => [] }]');

  test("a playbook whose name is near to a command's", async () => {
    file("playbooks/web.ts", web);
    expect(await run("web", "-i", "h1,", "--syntax-check")).toMatchObject({ code: 0, stdout: "web: OK\n" });
    expect((await run("labs")).stderr).toMatch(/did you mean run lab\?/);
  });

  test.each([
    ["playbooks/site.yml", "- hosts: all\n", /site\.yml is no playbook: playbooks are TypeScript/],
    ["nowhere.yml", undefined, /nowhere\.yml not found[\s\S]*playbooks are TypeScript \(run init/],
    ["playbooks", undefined, /^playbooks is a folder/],
    ["/etc/passwd", undefined, /passwd is no playbook/],
    ["hosts", "[web]\nh1\n", /hosts is no playbook: it looks like an inventory[\s\S]*run PLAYBOOK -i hosts/],
    ["inv.yml", "all:\n  hosts:\n    h1:\n", /it looks like an inventory[\s\S]*run PLAYBOOK -i inv\.yml/],
    ["all", undefined, /all is no playbook: it looks like a pattern[\s\S]*-l all/],
    ["web*", undefined, /looks like a pattern[\s\S]*-l 'web\*'/],
  ])("%s as a playbook", async (name, text, words) => {
    if (text !== undefined) file(name, text);
    file("playbooks/web.ts", web);
    const { code, stderr } = await run(name, "-i", "h1,");
    expect(code).toBe(6);
    expect(stderr).toMatch(words);
  });

  test.each([
    ["-m", ["all", "-m", "ping"], 5, /unknown option -m[\s\S]*there are no modules/],
    ["--connect-timeout", ["web", "--connect-timeout", "3"], 5, /it is --timeout \(-T\)/],
    [
      "a playbook as inventory",
      ["web", "-i", "playbooks/web.ts"],
      6,
      /no inventory[\s\S]*comes first: run playbooks\/web\.ts/,
    ],
    [
      "Ansible's playbook as inventory",
      ["web", "-i", "site.yml"],
      6,
      /not a mapping of groups[\s\S]*playbook of Ansible/,
    ],
    [
      "a plugin's configuration",
      ["web", "-i", "aws_ec2.yml"],
      6,
      /plugin aws_ec2 is not read[\s\S]*ansible-inventory -i/,
    ],
    [
      "a wrong value beside a listing",
      ["web", "-i", "h1,", "--list-hosts", "--serial", "0%"],
      5,
      /not a number of hosts/,
    ],
  ] as const)("%s", async (_, args, wanted, words) => {
    file("playbooks/web.ts", web);
    file("site.yml", "- hosts: all\n  tasks: []\n");
    file("aws_ec2.yml", "plugin: aws_ec2\nregions: [x]\n");
    const { code, stdout, stderr } = await run(...args);
    expect({ code, stdout, stderr }).toEqual({
      code: wanted,
      stdout: "",
      stderr: expect.stringMatching(words),
    });
  });

  test("to try again is a command that can be pasted", async () => {
    file("playbooks/web.ts", web);
    const { code, stderr } = await run("web", "-i", "h1.invalid,", "-e", "leave=no");
    expect([code, stderr]).toEqual([6, expect.stringMatching(/-e leave/)]);
    const failed = await run("web", "-i", "h1.invalid,", "--timeout", "2");
    expect(failed.code).toBe(4);
    expect(failed.stderr).toMatch(/again: run web -i h1\.invalid, -T 2 --limit @web\.retry\n/);
  });

  test("Ansible's own settings are taken over, and told; what is not followed is named", async () => {
    const own = file(
      "conf/ansible.cfg",
      "[defaults]\ninventory = hosts\nhost_key_checking = False\nforks = 7 ; few\n",
    );
    file("conf/hosts", "[web]\nh1\n");
    const [code, stderr] = await new Promise<[number, string]>((resolve) => {
      const env = { ...process.env, ANSIBLE_CONFIG: own };
      execFile(
        join(packageDir, "run"),
        ["inventory", "--graph"],
        { cwd: folder, env },
        (error, stdout, told) => resolve([error ? 1 : 0, stdout + told]),
      );
    });
    expect(code).toBe(0);
    expect(stderr).toContain("|--@web:\n  |  |--h1");
    expect(stderr).toMatch(/^inventory hosts, because of inventory in .*ansible\.cfg; -i names another$/m);
    expect(stderr).toMatch(/host_key_checking in .* is not followed/);
  });
});

describe("what is written", () => {
  test("an error has no power over the terminal, whatever is in it", async () => {
    const { code, stderr } = await run("x.ts\x1b[2J\x07");
    expect(code).not.toBe(0);
    expect(stderr).toContain("x.ts\\x07");
    expect(stderr).not.toMatch(/[\x07\x1b]/);
  });

  test("is no success where it cannot be written, and none of anybody's business where nobody reads it", async () => {
    const hosts = inventory(host("h1", "10.0.0.1", "a: 1"));
    const shell = (line: string) =>
      new Promise<{ code: number; stderr: string }>((resolve) =>
        execFile("bash", ["-c", line], { cwd: folder }, (error, _stdout, stderr) =>
          resolve({ code: error ? Number(error.code) : 0, stderr }),
        ),
      );
    const list = `${join(packageDir, "run")} inventory --list -i ${hosts}`;
    expect(await shell(`${list} >/dev/full`)).toEqual({
      code: 1,
      stderr: expect.stringContaining("the output is incomplete: ENOSPC"),
    });
    expect(await shell(`set -o pipefail; ${list} | true`)).toEqual({ code: 0, stderr: "" });
  });
});
