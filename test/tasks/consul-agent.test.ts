import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { consulAgent, strayProcesses } from "../../tasks/consul-agent.ts";
import { fileWith, noFile } from "./files.ts";
import { closedPorts, noFirewall, openFirewall } from "./firewall.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof consulAgent.definition.present>[0];
type Wanted = Parameters<typeof consulAgent.definition.present>[1];

const config = "/etc/consul.d/causeway.json";
const dropIn = "/etc/systemd/system/consul.service.d/causeway.conf";
const unitPath = "/etc/systemd/system/consul.service";
const archive = { url: "https://example.org/consul.zip", sha256: "a".repeat(64), fetch: "host" } as const;
const programs = {
  note: noFile("/usr/local/lib/causeway/consul.source"),
  files: [noFile("/usr/local/bin/consul")],
};
const key = "cg8StVXbQJ0gPvMd9o7yrg==";
const wanted: Wanted = {
  name: "a",
  address: "10.0.0.200",
  server: true,
  servers: ["10.0.0.200"],
  clients: ["10.0.0.200", "10.0.0.201"],
  ui: false,
  data_dir: "/var/lib/consul/causeway",
  comment: "causeway:overlay",
};

const closed = closedPorts(
  "CAUSEWAY-PORT-8300",
  ["10.0.0.200/32", "10.0.0.201/32"],
  ["-p tcp -m multiport --dports 8300,8301", "-p udp -m multiport --dports 8301"],
  "causeway:overlay",
);

function state(over: Partial<State> & { active?: string; enabled?: string } = {}): State {
  const { active = "inactive", enabled = "disabled", ...rest } = over;
  return {
    program: "/usr/bin/consul",
    programs: undefined,
    listeners: [],
    hasUser: true,
    unitFile: noFile(unitPath),
    config: noFile(config),
    dropIn: noFile(dropIn),
    unit: {
      name: "consul.service",
      present: true,
      active,
      sub: "",
      enabled,
      needsReload: false,
      fragmentPath: "",
      dropIns: [],
      sets: [],
      mainPid: 0,
      execStart: "",
      commandLine: "",
    },
    hasData: false,
    unmanaged: [],
    leader: { there: false, said: "connection refused" },
    peers: [],
    listed: new Map(),
    alive: [],
    firewall: closed.firewall,
    ...rest,
  };
}

const steps = (s: State, over: Partial<Wanted> = {}) =>
  consulAgent.definition.present(s, { ...wanted, ...over });
const plan = (s: State, over: Partial<Wanted> = {}) => planWords(steps(s, over));

/** The files as the task itself writes them. */
function written(over: Partial<Wanted> = {}) {
  const after = (path: string) => {
    const item = steps(state(), over).find((s) => "diff" in s && s.diff?.path === path);
    return item && "diff" in item ? (item.diff?.after ?? "") : "";
  };
  return { config: after(config), dropIn: after(dropIn) };
}

const running = (over: Parameters<typeof state>[0] = {}) =>
  state({
    config: { ...fileWith(config, written().config), mode: "640" },
    dropIn: fileWith(dropIn, written().dropIn),
    active: "active",
    enabled: "enabled",
    hasData: true,
    leader: { there: true, said: "" },
    alive: ["10.0.0.200", "10.0.0.201"],
    ...over,
  });

describe("consul-agent: state read → exact steps", () => {
  test.each<[string, boolean, Parameters<typeof state>[0], Partial<Wanted>]>([
    ["a server of three, of which another is away", true, {}, {}],
    ["when all are there", false, { alive: ["10.0.0.200", "10.0.0.201", "10.0.0.202"] }, {}],
    ["when there is no quorum to lose", false, { leader: { there: false, said: "" } }, {}],
    ["a client", false, {}, { server: false }],
    ["when nothing restarts", false, { active: "inactive" }, {}],
  ])("a restart that would end the quorum is refused: %s", (_, isRefused, over, more) => {
    const servers = ["10.0.0.200", "10.0.0.201", "10.0.0.202"];
    const changed = running({ alive: ["10.0.0.200", "10.0.0.201"], config: noFile(config), ...over });
    const planned = () => plan(changed, { servers, ...more });
    if (isRefused) expect(planned).toThrow(/would end the quorum/);
    else expect(planned).not.toThrow();
  });

  test("a bare host: the package and the closed ports, the rest once it is there", () => {
    const words = plan(state({ program: "", firewall: openFirewall }));
    expect(words[0]).toBe("package consul: — → installed");
    expect(words[1]).toBe("chain filter CAUSEWAY-PORT-8300: — → 4 rules");
    expect(words[2]).toContain("INPUT -p tcp -m multiport --dports 8300,8301 -j CAUSEWAY-PORT-8300");
    expect(words[3]).toContain("INPUT -p udp -m multiport --dports 8301 -j CAUSEWAY-PORT-8300");
    expect(words).toHaveLength(5);
    expect(words.at(-1)).toMatch(/^later: /);
  });

  test("an installed one: configuration, data folder, start", () => {
    expect(plan(state()).map((w) => w.replace(/:.*/, ""))).toEqual([
      `file ${config}`,
      `file ${dropIn}`,
      "folder /var/lib/consul/causeway",
      "unit consul.service",
      "later",
    ]);
  });

  test("out of an archive: it comes first, and user and unit with it", () => {
    const bare = state({ program: "", programs, hasUser: false, firewall: openFirewall });
    const now = { ...bare, unit: { ...bare.unit, present: false, enabled: "" } };
    const items = steps(now, { archive });
    expect(
      planWords(items)
        .map((w) => w.replace(/:.*/, ""))
        .filter((w) => !/^(rule|chain)/.test(w)),
    ).toEqual([
      "file /usr/local/bin/consul",
      "file /usr/local/lib/causeway/consul.source",
      "user consul",
      `file ${config}`,
      `file ${unitPath}`,
      "folder /var/lib/consul/causeway",
      "unit consul.service",
      "later",
    ]);
    const unit = items.find((s) => "diff" in s && s.diff?.path === unitPath);
    expect(unit && "diff" in unit && unit.diff?.after).toContain(
      `\nUser=consul\nExecStart=/usr/local/bin/consul agent -config-file=${config}\n`,
    );
  });

  test("a program that was replaced is unpacked anew, and consul restarted", () => {
    const words = plan(
      running({ programs, unitFile: fileWith(unitPath, "# Written by causeway (consul-agent).") }),
      {
        archive,
      },
    );
    expect(words[0]).toMatch(/^file \/usr\/local\/bin\/consul: .* ⇒ restart consul$/);
  });

  test("a server expects as many as there are; a client none; loopback alone is answered", () => {
    const three = ["10.0.0.200", "10.0.0.201", "10.0.0.202"];
    expect(JSON.parse(written({ servers: three }).config)).toMatchObject({
      server: true,
      bootstrap_expect: 3,
      bind_addr: "10.0.0.200",
      client_addr: "127.0.0.1",
      retry_join: three,
    });
    expect(JSON.parse(written({ server: false }).config)).not.toHaveProperty("bootstrap_expect");
  });

  test("the servers in another order are the same cluster", () => {
    const [a, b, c] = ["10.0.0.200", "10.0.0.201", "10.0.0.202"] as const;
    const older = written({ servers: [a, b, c] }).config.replace(
      /("retry_join": \[\s*)("[^"]*"),/,
      `$1"${c}",`,
    );
    const swapped = older.replace(/"10\.0\.0\.202"\s*\]/, `"${a}"\n  ]`);
    expect(JSON.parse(swapped).retry_join).toEqual([c, b, a]);
    const now = running({ config: { ...fileWith(config, swapped), mode: "640" }, alive: [a, b, c] });
    for (const servers of [
      [a, b, c],
      [b, c, a],
    ])
      expect(plan(now, { servers })).toEqual([]);
  });

  test("an agent that leaves is taken out, and nobody restarts for it; not where no quorum would be left", () => {
    const [a, b, c] = ["10.0.0.200", "10.0.0.201", "10.0.0.202"] as const;
    const three = written({ servers: [a, b, c] }).config;
    const now = running({
      config: { ...fileWith(config, three), mode: "640" },
      alive: [a, b],
      peers: [a, b, c],
      listed: new Map([[c, "failed"]]),
    });
    const leaving = [{ name: "docker-202", address: c }];
    expect(plan(now, { servers: [a, b], leaving })).toEqual([
      expect.stringMatching(/^file \/etc\/consul\.d\/causeway\.json: [^⇒]*$/),
      "consul member docker-202: failed → —",
    ]);
    expect(() => plan({ ...now, alive: [a] }, { servers: [a, b], leaving })).toThrow(/no quorum/);
    const client = running({ listed: new Map([[c, "left"]]) });
    expect(plan(client, { leaving })).toEqual([]);
  });

  test("the gossip key is written, and in no word of the plan", () => {
    const items = steps(state(), { gossip_key: key });
    const write = items.find((s) => "what" in s && s.what === `file ${config}`);
    expect(write && "perform" in write && write.perform.text).toContain(key);
    expect(write && "perform" in write && write.perform.secrets.join()).toContain(key);
    expect(planWords(items).join("\n")).not.toContain(key);
    expect(write && "diff" in write && write.diff).toBeFalsy();
  });

  test.each([
    ["all as it should be", running(), []],
    ["no leader", running({ leader: { there: false, said: "No cluster leader" } }), /No cluster leader/],
    ["it is not alive in the list", running({ alive: ["10.0.0.201"] }), /not alive.*10\.0\.0\.200/],
    ["a rule is gone", running({ firewall: closed.without(0, 9) }), /CAUSEWAY-PORT-8300: other rules/],
    [
      "a file was edited",
      running({ dropIn: fileWith(dropIn, "# Written by causeway (consul-agent).\n") }),
      /causeway\.conf/,
    ],
  ])("%s", (_name, now, expected) => {
    const words = plan(now);
    if (Array.isArray(expected)) expect(words).toEqual(expected);
    else {
      expect(words).toHaveLength(1);
      expect(words[0]).toMatch(expected);
    }
  });

  test.each([
    ["one started by hand", state({ unmanaged: ["51445 consul agent -server"] }), {}, /no unit started/],
    ["somebody else's", state({ active: "active" }), {}, /did not configure/],
    [
      "other servers",
      running(),
      { servers: ["10.0.0.200", "10.0.0.7", "10.0.0.8"] },
      /servers of this consul/,
    ],
    [
      "that it is to be no server of its cluster any more",
      running(),
      { server: false, servers: ["10.0.0.7"] },
      /servers of this/,
    ],
    ["another gossip key", running(), { gossip_key: key }, /gossip key changed/],
    [
      "an archive, and a unit of somebody else's",
      state({ programs, unitFile: fileWith(unitPath, "[Service]\nExecStart=/opt/consul\n") }),
      { archive },
      /causeway did not write the consul.service/,
    ],
    ["no iptables", state({ firewall: noFirewall }), {}, /iptables is not installed/],
  ])("refused: %s", (_name, now, over, message) => {
    expect(() => plan(now, over)).toThrow(message);
  });
});

describe("an agent that somebody started by hand", () => {
  test.each([
    [["-encrypt", "aGVsbG8="], "-encrypt …"],
    [["--encrypt=aGVsbG8=", "-ui"], "--encrypt=… -ui"],
  ])("is read without its gossip key: %j", (given, words) => {
    const folder = mkdtempSync(join(tmpdir(), "causeway-consul-"));
    const consul = join(folder, "consul");
    writeFileSync(consul, "#!/bin/sh\nread -r line\n", { mode: 0o755 });
    const agent = spawn(consul, ["agent", "-server", ...given], { stdio: ["pipe", "ignore", "ignore"] });
    try {
      const mine = () =>
        spawnSync("sh", ["-c", strayProcesses.text], { encoding: "utf8" })
          .stdout.split("\n")
          .filter((line) => line.includes(consul));
      expect(mine()).toEqual([`${agent.pid} /bin/sh ${consul} agent -server ${words} `]);
    } finally {
      agent.kill();
      rmSync(folder, { recursive: true });
    }
  });
});
