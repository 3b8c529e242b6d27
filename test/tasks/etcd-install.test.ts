import { describe, expect, test } from "vitest";
import { parseListeners } from "../../src/peer-ports/listeners.ts";
import { etcdInstall } from "../../tasks/etcd-install.ts";
import { fileWith, noFile } from "./files.ts";
import { closedPorts, noFirewall, openFirewall } from "./firewall.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof etcdInstall.definition.present>[0];
type Wanted = Parameters<typeof etcdInstall.definition.present>[1];

const unitPath = "/etc/systemd/system/etcd.service";
const nothing = { etcd: "", etcdctl: "" };
const archive = {
  url: "https://example.org/etcd.tar.gz",
  sha256: "a".repeat(64),
  fetch: "controller",
} as const;
const programs = {
  note: noFile("/usr/local/lib/causeway/etcd.source"),
  files: [noFile("/usr/local/bin/etcd"), noFile("/usr/local/bin/etcdctl")],
};

const alone = [{ name: "a", address: "10.0.0.200" }];
const three = [...alone, { name: "b", address: "10.0.0.201" }, { name: "c", address: "10.0.0.202" }];
const wanted: Wanted = {
  name: "a",
  members: alone,
  clients: ["10.0.0.200", "10.0.0.201"],
  data_dir: "/var/lib/etcd/causeway",
  comment: "causeway:flannel",
};

const closed = closedPorts(
  "CAUSEWAY-PORT-2379",
  ["10.0.0.200/32", "10.0.0.201/32"],
  ["-p tcp -m multiport --dports 2379,2380"],
  "causeway:flannel",
);

/** The files as the task itself writes them. */
function written(members = alone) {
  const steps = etcdInstall.definition.present(state({}), { ...wanted, members });
  const after = (path: string) => {
    const step = steps.find((s) => "diff" in s && s.diff?.path === path);
    return step && "diff" in step ? (step.diff?.after ?? "") : "";
  };
  return {
    config: after("/etc/default/etcd"),
    dropIn: after("/etc/systemd/system/etcd.service.d/causeway.conf"),
  };
}

function state(over: Partial<State> & { active?: string; enabled?: string }): State {
  const { active = "inactive", enabled = "enabled", ...rest } = over;
  return {
    family: "apt",
    tools: { etcd: "/usr/bin/etcd", etcdctl: "/usr/bin/etcdctl" },
    programs: undefined,
    hasUser: true,
    unitFile: noFile(unitPath),
    key: "written and read by causeway",
    answering: [],
    listeners: [],
    config: { ...fileWith("/etc/default/etcd", "# ETCD_NAME\n"), mode: "644" },
    dropIn: noFile("/etc/systemd/system/etcd.service.d/causeway.conf"),
    unit: {
      name: "etcd.service",
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
    running: { members: [], healthy: false, said: "connection refused" },
    firewall: closed.firewall,
    ...rest,
  };
}

const configured = (members = alone, more: Parameters<typeof state>[0] = {}) =>
  state({
    config: fileWith("/etc/default/etcd", written(members).config),
    dropIn: fileWith("/etc/systemd/system/etcd.service.d/causeway.conf", written(members).dropIn),
    hasData: true,
    active: "active",
    running: { members: ["a=http://10.0.0.200:2380"], healthy: true, said: "" },
    ...more,
  });

const plan = (s: State, over: Partial<Wanted> = {}) =>
  planWords(etcdInstall.definition.present(s, { ...wanted, ...over }));

describe("etcd-install plans", () => {
  test("a bare host: the package and the closed ports, the rest once it is there", () => {
    const bare = state({ tools: nothing, firewall: openFirewall });
    const words = plan({ ...bare, unit: { ...bare.unit, present: false } });
    expect(words[0]).toBe("package etcd-server, etcd-client: — → installed");
    expect(words[1]).toBe("chain filter CAUSEWAY-PORT-2379: — → 4 rules");
    expect(words[2]).toContain("INPUT -p tcp -m multiport --dports 2379,2380 -j CAUSEWAY-PORT-2379");
    expect(words).toHaveLength(4);
    expect(words.at(-1)).toBe("later: etcd is configured and started once its package is installed");
  });

  test("an installed one: configuration, data folder, start", () => {
    expect(plan(state({})).map((w) => w.replace(/:.*/, ""))).toEqual([
      "file /etc/default/etcd",
      "file /etc/systemd/system/etcd.service.d/causeway.conf",
      "folder /var/lib/etcd/causeway",
      "unit etcd.service",
      "later",
    ]);
    expect(written().config).toContain(
      'ETCD_LISTEN_CLIENT_URLS="http://10.0.0.200:2379,http://127.0.0.1:2379"',
    );
    expect(written().config).toContain('ETCD_DATA_DIR="/var/lib/etcd/causeway"');
  });

  test("Red Hat's places", () => {
    const config = noFile("/etc/etcd/etcd.conf");
    expect(plan(state({ family: "rpm", config }))[0]).toContain("file /etc/etcd/etcd.conf");
  });

  test("Red Hat's package has both programs; of Debian's two only the missing one is installed", () => {
    const without = { etcd: "/usr/bin/etcd", etcdctl: "" };
    expect(plan(state({ family: "rpm", tools: nothing }))[0]).toBe("package etcd: — → installed");
    expect(plan(state({ tools: without }))[0]).toBe("package etcd-client: — → installed");
  });

  test("Red Hat's package finds its user, so that it goes again; Debian's brings its own and takes it along", () => {
    const bare = { tools: nothing, hasUser: false };
    expect(plan(state({ family: "rpm", ...bare })).slice(0, 2)).toEqual([
      "user etcd: — → system user, no login",
      "package etcd: — → installed",
    ]);
    expect(plan(state(bare))[0]).toBe("package etcd-server, etcd-client: — → installed");
  });

  test("out of an archive: it comes first, and user and unit with it", () => {
    const bare = state({ tools: nothing, programs, hasUser: false, firewall: openFirewall });
    const now = { ...bare, unit: { ...bare.unit, present: false, enabled: "" } };
    const words = plan(now, { archive });
    expect(words.map((w) => w.replace(/:.*/, "")).filter((w) => !/^(rule|chain)/.test(w))).toEqual([
      "file /usr/local/bin/etcd",
      "file /usr/local/bin/etcdctl",
      "file /usr/local/lib/causeway/etcd.source",
      "user etcd",
      "file /etc/default/etcd",
      `file ${unitPath}`,
      "folder /var/lib/etcd/causeway",
      "unit etcd.service",
      "later",
    ]);
    const text = unitTextOf(now, { archive });
    expect(text).toContain("\nUser=etcd\nEnvironmentFile=/etc/default/etcd\nExecStart=/usr/local/bin/etcd\n");
  });

  test("one that is there without a unit gets ours, and is used where it is", () => {
    const tools = { etcd: "/opt/bin/etcd", etcdctl: "/opt/bin/etcdctl" };
    const there = state({ tools });
    const now = { ...there, unit: { ...there.unit, present: false, enabled: "" } };
    expect(plan(now).map((w) => w.replace(/:.*/, ""))).toContain(`file ${unitPath}`);
    expect(unitTextOf(now)).toContain("ExecStart=/opt/bin/etcd\n");
  });

  test("of several members none waits for the others", () => {
    const steps = etcdInstall.definition.present(state({}), { ...wanted, members: three });
    const start = steps.find((s) => "what" in s && s.what === "unit etcd.service");
    expect(start && "perform" in start && start.perform.text).toContain("--no-block");
  });

  test.each<[string, State, string[]]>([
    ["nothing, when the members are the ones wanted and a quorum answers", configured(), []],
    [
      "patience without a quorum",
      configured(alone, { running: { members: [], healthy: false, said: "context deadline exceeded" } }),
      ["later: etcd has no quorum yet: context deadline exceeded"],
    ],
    [
      "one that was stopped",
      configured(alone, { active: "inactive" }),
      [
        "unit etcd.service: enabled, inactive → enabled, active",
        "later: etcd is verified by its members and a key once it runs",
      ],
    ],
    [
      "one that runs and has never been written to",
      configured(alone, { key: "" }),
      ["etcd key /causeway/etcd-install/a: — → written and read by causeway"],
    ],
    [
      "a chain that lets somebody else in, and nothing that leads to it",
      configured(alone, { firewall: closed.without(0, 0) }),
      [
        "chain filter CAUSEWAY-PORT-2379: other rules (3) → 4 rules",
        "rule filter INPUT -p tcp -m multiport --dports 2379,2380 -j CAUSEWAY-PORT-2379: — → first in its chain",
      ],
    ],
  ])("%s", (_name, s, expected) => expect(plan(s)).toEqual(expected));

  test("the members in whatever order: nothing, also where an older one stands in another", () => {
    const running = {
      members: three.map(({ name, address }) => `${name}=http://${address}:2380`),
      healthy: true,
      said: "",
    };
    const swapped = [three[2], three[0], three[1]] as typeof three;
    expect(plan(configured(three, { running }), { members: swapped })).toEqual([]);
    const { config } = written(three);
    const older = config.replace(/(INITIAL_CLUSTER=")([^,]+),([^,]+),([^"]+)/, "$1$4,$2,$3");
    expect(older).not.toBe(config);
    const now = configured(three, { running, config: fileWith("/etc/default/etcd", older) });
    expect(plan(now, { members: three })).toEqual([]);
  });

  const pair = three.slice(0, 2);
  const c = three.slice(2);
  const urls = (members: typeof three) =>
    members.map(({ name, address }) => `${name}=http://${address}:2380`);
  const ofThree = (answering: typeof three) =>
    configured(three, {
      running: { members: urls(three), healthy: true, said: "" },
      answering: answering.map(({ address }) => address),
    });

  test("a member that leaves is taken out, and nobody restarts for it", () => {
    const words = plan(ofThree(pair), { members: pair, leaving: c });
    expect(words).toEqual([
      expect.stringMatching(/^file \/etc\/default\/etcd: [^⇒]*$/),
      "etcd member c: a member → —",
    ]);
    const after = configured(pair, { running: { members: urls(pair), healthy: true, said: "" } });
    expect(plan(after, { members: pair, leaving: c })).toEqual([]);
  });
  test("none is taken out where the rest would be no quorum, nor while there is none", () => {
    const out = { members: pair, leaving: c };
    expect(() => plan(ofThree(pair.slice(0, 1)), out)).toThrow(/without c etcd would have no quorum/);
    const silent = configured(three, { running: { members: [], healthy: false, said: "deadline" } });
    expect(plan(silent, out)).toEqual(["later: etcd has no quorum yet: deadline"]);
  });

  test("an etcd of somebody else's with these members is taken as it is", () => {
    expect(plan({ ...configured(), config: fileWith("/etc/default/etcd", "ETCD_NAME=a\n") })).toEqual([]);
  });
});

/** The unit as the task itself writes it. */
function unitTextOf(now: State, over: Partial<Wanted> = {}): string {
  const item = etcdInstall.definition
    .present(now, { ...wanted, ...over })
    .find((s) => "diff" in s && s.diff?.path === unitPath);
  return item && "diff" in item ? (item.diff?.after ?? "") : "";
}

describe("etcd-install refuses", () => {
  test("a unit of somebody else's where an archive brings one", () => {
    const unitFile = fileWith(unitPath, "[Service]\nExecStart=/opt/etcd\n");
    expect(() => plan(state({ unitFile, programs }), { archive })).toThrow(
      /causeway did not write the etcd.service/,
    );
    expect(plan(state({ unitFile }))).not.toEqual([]);
  });
  test("a changed member list, with the reason", () => {
    expect(() => plan(configured(), { members: three })).toThrow(/members of this etcd cluster changed/);
  });
  test.each<[string, number, string[], boolean]>([
    ["a member of three, with both others well", 3, ["10.0.0.201", "10.0.0.202"], false],
    ["one of three, with another away", 3, ["10.0.0.201"], true],
    ["one of five, with another away", 5, ["10.0.0.201", "10.0.0.202", "10.0.0.203"], false],
    ["one of five, with two away", 5, ["10.0.0.201", "10.0.0.202"], true],
    ["the only one", 1, [], false],
  ])("a restart that would end the quorum: %s", (_, count, answering, isRefused) => {
    const members = Array.from({ length: count }, (_, n) => ({
      name: "abcde"[n] ?? "",
      address: `10.0.0.${200 + n}`,
    }));
    const dropIn = fileWith("/etc/systemd/system/etcd.service.d/causeway.conf", "# another\n");
    const now = configured(members, { dropIn, answering });
    const changed = () => plan(now, { members });
    if (isRefused) expect(changed).toThrow(/would end the quorum/);
    else expect(changed().map((words) => words.replace(/:.*/, ""))).toEqual([`file ${dropIn.path}`]);
    // Without a quorum there is none to lose, and the change may bring it.
    const running = { members: [], healthy: false, said: "context deadline exceeded" };
    expect(plan(configured(members, { dropIn, answering, running }), { members })).toHaveLength(1);
  });
  test("another cluster that runs here", () => {
    const foreign = configured(alone, { config: fileWith("/etc/default/etcd", "ETCD_NAME=x\n") });
    expect(() => plan(foreign, { members: three })).toThrow(/another cluster/);
  });
  test("a running member that is alone although its configuration is right: old data won", () => {
    const old = configured(three);
    expect(() => plan(old, { members: three })).toThrow(/another cluster/);
  });
  test("a host without iptables", () => {
    expect(() => plan(state({ firewall: noFirewall }))).toThrow(/iptables is not installed/);
  });
});

test("a port that another program has is refused by that program's name", () => {
  const [line] = parseListeners(
    'LISTEN 0      4096       127.0.0.1:2379       0.0.0.0:*    users:(("k3s-server",pid=812,fd=7))\n',
  );
  expect(line).toBe('127.0.0.1:2379 users:(("k3s-server",pid=812,fd=7))');
  expect(() => etcdInstall.definition.present(state({ listeners: [line ?? ""] }), wanted)).toThrow(
    "another program listens on etcd's ports",
  );
});
