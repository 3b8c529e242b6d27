import { describe, expect, test } from "vitest";
import { parseRoutes } from "../../src/host/tools/ip.ts";
import { parseRules } from "../../src/host/tools/iptables.ts";
import { flannelNetwork } from "../../tasks/flannel-network.ts";
import { flanneldConfig } from "../../tasks/flanneld-config.ts";
import { fileWith, noFile } from "./files.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof flanneldConfig.definition.present>[0];
type Wanted = Parameters<typeof flanneldConfig.definition.present>[1];

const wanted: Wanted = {
  endpoints: ["http://10.0.0.200:2379"],
  prefix: "/atomic.io/network",
  network: "192.168.0.0/16",
  subnet_len: 24,
  backend: "vxlan",
  address: "10.0.0.200",
  interrupt_containers: false,
  comment: "causeway:flannel",
};

const unit = (name: string, over: Partial<State["docker"]>): State["docker"] => ({
  name,
  present: true,
  active: "active",
  sub: "running",
  enabled: "enabled",
  needsReload: false,
  fragmentPath: "",
  dropIns: [],
  mainPid: 1,
  execStart: "",
  ...over,
});

const address = (dev: string, cidr: string) => ({
  dev,
  cidr,
  address: cidr.replace(/\/.*/, ""),
  prefix: Number(cidr.replace(/.*\//, "")),
});
const rule = "-s 192.168.0.0/16 -d 192.168.0.0/16 -m comment --comment causeway:flannel -j ACCEPT";
const lease = (mtu = 1450) =>
  `FLANNEL_NETWORK=192.168.0.0/16\nFLANNEL_SUBNET=192.168.81.1/24\nFLANNEL_MTU=${mtu}\nFLANNEL_IPMASQ=true\n`;
const options = (mtu = 1450) =>
  `DOCKER_OPT_BIP="--bip=192.168.81.1/24"\nDOCKER_OPT_IPMASQ="--ip-masq=false"\nDOCKER_OPT_MTU="--mtu=${mtu}"\nDOCKER_NETWORK_OPTIONS=" --bip=192.168.81.1/24 --ip-masq=false --mtu=${mtu}"\n`;

const paths = {
  binary: "/usr/local/bin/flanneld",
  packaged: "/usr/bin/flanneld",
  unit: "/etc/systemd/system/flanneld.service",
  options: "/usr/local/lib/causeway/flannel-docker-options",
  link: "/etc/systemd/network/10-flannel.link",
  dropIn: "/etc/systemd/system/docker.service.d/50-causeway-flannel.conf",
  daemon: "/etc/docker/daemon.json",
  lease: "/run/flannel/subnet.env",
  docker: "/run/flannel/docker",
};

/** A host with Docker and a flanneld binary, and nothing of ours. */
function bare(over: Partial<State> = {}): State {
  const files = Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, noFile(path)]));
  return {
    files: { ...files, binary: { ...fileWith(paths.binary, ""), mode: "755" } } as State["files"],
    settings: noFile("/etc/default/flanneld"),
    backup: noFile("/etc/default/flanneld.bak"),
    local: undefined,
    versions: { binary: { code: 0, said: "v0.13.0" }, packaged: { code: 0, said: "" } },
    store: { version: "3.3.25", withoutV2: false },
    replaced: false,
    flanneld: unit("flanneld.service", { present: false, active: "inactive", enabled: "" }),
    docker: unit("docker.service", { execStart: "/usr/sbin/dockerd -H fd:// $DOCKER_OPTS" }),
    daemon: { state: "running", version: "20.10.5", networks: [], containers: [] },
    addresses: [address("eth0", "10.0.0.200/24"), address("docker0", "172.17.0.1/16")],
    links: [{ name: "eth0", index: 2, mtu: 1500, up: true }],
    routes: [],
    rules: parseRules(`*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER ${rule}`),
    kept: { enabled: true, lines: [`filter -I DOCKER-USER ${rule}`] },
    forwarding: "1",
    said: "",
    ...over,
  };
}

const diffs = (s: State, want = wanted) =>
  new Map(
    flanneldConfig.definition
      .present(s, want)
      .flatMap((i) => ("diff" in i && i.diff ? [[i.diff.path, i.diff.after] as const] : [])),
  );

/** The same host with everything in its place; `mtu` is what the running flanneld's lease says. */
function joined(over: Partial<State> = {}, mtu = 1450): State {
  const first = diffs(bare());
  const has = (path: string, mode = "644") => ({ ...fileWith(path, first.get(path) ?? ""), mode });
  const running = unit("flanneld.service", {});
  const files: State["files"] = {
    ...bare().files,
    unit: has(paths.unit),
    options: has(paths.options, "755"),
    link: has(paths.link),
    lease: fileWith(paths.lease, lease(mtu)),
    docker: fileWith(paths.docker, options(mtu)),
  };
  const most: State = {
    ...bare(),
    settings: has("/etc/default/flanneld"),
    files,
    flanneld: running,
    links: [...bare().links, { name: "flannel.1", index: 5, mtu: 1450, up: true, kind: "vxlan" }],
  };
  const dropIn =
    diffs({
      ...most,
      ...(mtu === 1450
        ? {}
        : {
            files: {
              ...files,
              lease: fileWith(paths.lease, lease()),
              docker: fileWith(paths.docker, options()),
            },
          }),
    }).get(paths.dropIn) ?? "";
  return {
    ...most,
    files: { ...files, dropIn: fileWith(paths.dropIn, dropIn) },
    addresses: [address("eth0", "10.0.0.200/24"), address("docker0", "192.168.81.1/24")],
    ...over,
  };
}

const plan = (s: State, over: Partial<Wanted> = {}) =>
  planWords(flanneldConfig.definition.present(s, { ...wanted, ...over }));
const web = { id: "1", name: "web", state: "running", networks: ["bridge"] };

describe("flanneld-config plans", () => {
  test("a bare host: flanneld is started, and Docker waits for the lease", () => {
    expect(plan(bare()).map((w) => w.replace(/: — .*/, ""))).toEqual([
      "file /etc/default/flanneld",
      "file /usr/local/lib/causeway/flannel-docker-options",
      "file /etc/systemd/system/flanneld.service",
      "file /etc/systemd/network/10-flannel.link",
      "flannel's devices, routes and rules",
      "unit flanneld.service: not there → enabled, active",
      "later: no lease yet",
    ]);
  });

  test("the settings lie where the distribution has them", () => {
    expect(plan(bare({ settings: noFile("/etc/sysconfig/flanneld") }))[0]).toContain(
      "/etc/sysconfig/flanneld",
    );
  });

  test("with a lease Docker is joined, its command as it was", () => {
    const s = {
      ...joined(),
      addresses: bare().addresses,
      files: { ...joined().files, dropIn: noFile(paths.dropIn) },
    };
    expect(plan(s)).toEqual([
      "address of docker0: 172.17.0.1/16 → 192.168.81.1/24, with the restart",
      `file ${paths.dropIn}: — → 11 lines, mode 644 ⇒ daemon-reload, restart docker`,
    ]);
    expect(joined().files.dropIn.content).toMatch(/^EnvironmentFile=\/run\/flannel\/docker$/m);
    expect(joined().files.dropIn.content).toContain(
      "ExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS $DOCKER_NETWORK_OPTIONS\n",
    );
  });

  test("nothing, when docker0 has the leased address", () => expect(plan(joined())).toEqual([]));

  test.each<[string, State, Partial<Wanted>, string[]]>([
    [
      "patience, with flanneld's own words",
      joined({
        files: { ...joined().files, lease: noFile(paths.lease) },
        said: "no configuration",
        addresses: joined().addresses,
      }),
      {},
      ["later: no lease yet: flanneld says “no configuration”"],
    ],
    [
      "the restart of Docker that is owed",
      joined({ addresses: bare().addresses }),
      {},
      ["owed: restart docker (docker0 has 172.17.0.1/16, the lease is 192.168.81.1/24)"],
    ],
    [
      "a lease that changed while flanneld ran: its options are made anew",
      joined({ files: { ...joined().files, docker: fileWith(paths.docker, "old") } }),
      {},
      ["owed: restart flanneld (/run/flannel/docker is not of this lease)"],
    ],
    [
      "vxlan → host-gw: the device goes",
      joined(),
      { backend: "host-gw" },
      [
        "link flannel.1: vxlan, mtu 1450 → — ⇒ restart flanneld",
        "owed: restart flanneld (flanneld runs with an MTU of 1450, and host-gw has 1500 here)",
      ],
    ],
    [
      "host-gw → vxlan: the routes go, and nobody else's",
      joined(
        {
          links: bare().links,
          routes: parseRoutes(
            "default via 10.0.0.1 dev eth0\n192.168.82.0/24 via 10.0.0.201 dev eth0\n192.168.9.0/24 via 10.0.0.9 dev eth0 proto 202\n192.168.81.0/24 dev docker0 proto kernel",
          ),
        },
        1500,
      ),
      {},
      [
        "route 192.168.82.0/24: via 10.0.0.201 dev eth0 → — ⇒ restart flanneld",
        "owed: restart flanneld (flanneld runs with an MTU of 1500, and vxlan has 1450 here)",
      ],
    ],
  ])("%s", (_name, s, over, expected) => expect(plan(s, over)).toEqual(expected));

  test("a container on docker0 is the operator's to decide, unless nothing is restarted", () => {
    const daemon = { ...bare().daemon, containers: [web] };
    expect(plan(joined({ daemon }))).toEqual([]);
    expect(() => plan(bare({ daemon }))).toThrow(/cut running containers off/);
    expect(plan(bare({ daemon }), { interrupt_containers: true })).toContain("later: no lease yet");
  });
});

describe("flanneld-config refuses", () => {
  test.each<[string, State, RegExp]>([
    [
      "a bip of the user's",
      bare({ files: { ...bare().files, daemon: fileWith(paths.daemon, '{"bip":"10.1.0.1/24"}') } }),
      /bip in \/etc\/docker\/daemon.json/,
    ],
    [
      "a --bip in docker.service",
      bare({ docker: unit("docker.service", { execStart: "/usr/sbin/dockerd --bip=10.1.0.1/24" }) }),
      /--bip of its own/,
    ],
    [
      "a host without flanneld, and none given",
      bare({ files: { ...bare().files, binary: noFile(paths.binary) } }),
      /flanneld is not on this host/,
    ],
    [
      "a host without Docker",
      bare({ daemon: { ...bare().daemon, state: "missing" } }),
      /Docker is not installed/,
    ],
  ])("%s", (_name, s, words) => expect(() => plan(s)).toThrow(words));
});

describe("flannel-network plans", () => {
  const network = {
    endpoint: "http://10.0.0.200:2379",
    prefix: "/atomic.io/network",
    network: "192.168.0.0/16",
    subnet_len: 24,
    backend: "vxlan",
  } as const;
  const value = '{"Network":"192.168.0.0/16","SubnetLen":24,"Backend":{"Type":"vxlan"}}';
  const store = (text: string, answers = true) => ({ answers, value: text, said: "refused" });
  const words = (v2: ReturnType<typeof store>, v3: ReturnType<typeof store>) =>
    planWords(flannelNetwork.definition.present({ "2": v2, "3": v3 }, network));

  test("the key through both APIs, where both answer", () =>
    expect(words(store(""), store(""))).toEqual([
      `etcd key /atomic.io/network/config (API v2): — → ${value}`,
      `etcd key /atomic.io/network/config (API v3): — → ${value}`,
    ]));
  test("through v3 alone, where v2 is switched off", () =>
    expect(words(store("", false), store(""))).toHaveLength(1));
  test("nothing, in whatever spelling it stands there", () => {
    const spelt = '{ "Backend": {"Type":"vxlan","Port":8472}, "Network":"192.168.0.0/16" }';
    expect(words(store(spelt), store(value))).toEqual([]);
  });
  test("a store that does not answer is never an absent key", () =>
    expect(words(store("", false), store("", false))).toEqual([
      "later: etcd at http://10.0.0.200:2379 does not answer: refused",
    ]));
  test("a network too small to be cut is refused", () =>
    expect(() =>
      flannelNetwork.definition.present(
        { "2": store(""), "3": store("") },
        { ...network, network: "192.168.0.0/24" },
      ),
    ).toThrow(/too small/));
});
