import { describe, expect, test } from "vitest";
import { parseRoutes } from "../../src/host/tools/ip.ts";
import { parseRules } from "../../src/host/tools/iptables.ts";
import { isLater, restart } from "../../src/task/step.ts";
import { flannelNetwork } from "../../tasks/flannel-network.ts";
import { flanneldConfig } from "../../tasks/flanneld-config.ts";
import { fileWith, noFile } from "./files.ts";
import {
  bare,
  diffs,
  joined,
  lease,
  paths,
  plan,
  rule,
  type State,
  unit,
  type Wanted,
  wanted,
  web,
} from "./flannel-host.ts";
import { planWords } from "./words.ts";

describe("flanneld-config plans", () => {
  test("a bare host: flanneld is started, and Docker waits for the lease", () => {
    expect(plan(bare()).map((w) => w.replace(/: — .*/, ""))).toEqual([
      "file /etc/default/flanneld",
      "file /usr/local/lib/causeway/flannel-docker-options",
      "file /usr/local/lib/causeway/flannel-device",
      "file /etc/systemd/network/10-flannel.link",
      "file /etc/systemd/system/flanneld.service",
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

  describe("on Docker 28.2 and newer", () => {
    const daemon = { ...bare().daemon, version: "28.5.2+dfsg4" };
    const key = `keys of ${paths.daemon}: — → allow-direct-routing true ⇒ restart docker`;
    const has = (text: string) => ({ ...joined().files, daemon: fileWith(paths.daemon, text) });

    test("a joined Docker is told to let other hosts' packets in, with one restart", () => {
      expect(plan(joined({ daemon }))).toEqual([key]);
      const files = { ...joined().files, dropIn: noFile(paths.dropIn) };
      expect(plan(joined({ daemon, files, addresses: bare().addresses }))).toEqual([
        "address of docker0: 172.17.0.1/16 → 192.168.81.1/24, with the restart",
        key,
        `file ${paths.dropIn}: — → 11 lines, mode 644 ⇒ daemon-reload, restart docker`,
      ]);
    });

    test("once it has the key there is nothing to do; nor where its command line says it", () => {
      expect(plan(joined({ daemon, files: has('{"allow-direct-routing": true}') }))).toEqual([]);
      const docker = { ...joined().docker, commandLine: "/usr/sbin/dockerd --allow-direct-routing" };
      expect(plan(joined({ daemon, docker }))).toEqual([]);
    });
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
      ["owed: restart flanneld (/run/flannel/docker does not match this lease)"],
    ],
    [
      "vxlan → host-gw: the device goes",
      joined(),
      { backend: "host-gw" },
      [
        "file /etc/systemd/system/flanneld.service: 22 lines, mode 644 → 21 lines, mode 644 ⇒ daemon-reload, restart flanneld",
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

  test("etcd's members in another order are the same ones: nothing is written, nothing restarted", () => {
    const [a, b] = ["http://10.0.0.200:2379", "http://10.0.0.201:2379"] as const;
    const now = joined();
    const older = now.settings.content.replace(`="${a}"`, `="${b},${a}"`);
    const settings = { ...now.settings, content: older };
    for (const endpoints of [
      [a, b],
      [b, a],
    ])
      expect(plan({ ...now, settings }, { endpoints })).toEqual([]);
    expect(diffs(bare(), { ...wanted, endpoints: [b, a] }).get("/etc/default/flanneld")).toContain(
      `="${a},${b}"`,
    );
  });

  test("a check knows that Docker will be restarted before there is a lease", () => {
    const causes = flanneldConfig.definition
      .present(bare(), wanted)
      .flatMap((item) => (isLater(item) ? (item.causes ?? []) : []));
    expect(causes).toEqual([restart("docker")]);
  });

  test("with live-restore docker0 cannot get a lease's address while a container runs", () => {
    const files = { ...bare().files, daemon: fileWith("/etc/docker/daemon.json", '{"live-restore": true}') };
    const daemon = { ...bare().daemon, containers: [web] };
    expect(() => plan(bare({ daemon, files }))).toThrow(/because of live-restore/);
    expect(plan(joined({ daemon }))).toEqual([]);
  });
});

describe("flanneld-config and what was there before", () => {
  test("somebody's own settings are kept beside ours, once", () => {
    const settings = { ...fileWith("/etc/sysconfig/flanneld", 'FLANNEL_ETCD_PREFIX="/own"'), mode: "644" };
    const backup = noFile("/etc/sysconfig/flanneld.bak");
    expect(plan(bare({ settings, backup })).slice(0, 2)).toEqual([
      "file /etc/sysconfig/flanneld.bak: — → 1 line, mode 644",
      "file /etc/sysconfig/flanneld: 1 line, mode 644 → 8 lines, mode 644",
    ]);
    const kept = fileWith("/etc/sysconfig/flanneld.bak", "older");
    expect(plan(bare({ settings, backup: kept }))[0]).toMatch(/^file \/etc\/sysconfig\/flanneld: /);
    expect(plan(joined()).join()).not.toContain(".bak");
  });

  test("a daemon that was started from a file which is another by now is started anew", () =>
    expect(plan(joined({ replaced: true }))).toEqual([
      "owed: restart flanneld (the running flanneld is not the one on disk)",
    ]));

  test("a network before: its device, routes and, once flanneld has let go of them, its rules", () => {
    const masq = ["-s 10.5.0.0/16 -d 10.5.0.0/16 -j RETURN", "-s 10.5.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE"];
    const nat = `*nat\n${masq.map((r) => `-A POSTROUTING ${r}\n`).join("")}-A POSTROUTING -s 172.18.0.0/16 ! -o br-1 -j MASQUERADE\n`;
    const rules = parseRules(
      `${nat}*filter\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER ${rule}`,
    );
    const before = lease().replaceAll("192.168.0.0", "10.5.0.0").replaceAll("192.168.81", "10.5.81");
    const routes = parseRoutes("10.5.82.0/24 via 10.0.0.201 dev eth0\n10.6.0.0/24 via 10.0.0.9 dev eth0");
    expect(
      plan(joined({ rules, routes, files: { ...joined().files, lease: fileWith(paths.lease, before) } })),
    ).toEqual([
      "link flannel.1: vxlan, mtu 1450 → — ⇒ restart flanneld",
      "route 10.5.82.0/24: via 10.0.0.201 dev eth0 → — ⇒ restart flanneld",
      "owed: restart flanneld (flanneld runs with the network 10.5.0.0/16)",
    ]);
    expect(plan(joined({ rules }))).toEqual(masq.map((r) => `rule nat POSTROUTING ${r}: present → —`));
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
      /its own --bip flag/,
    ],
    [
      "a host without flanneld, and none given",
      bare({ files: { ...bare().files, binary: noFile(paths.binary) } }),
      /flanneld is not on this host/,
    ],
    [
      "a flanneld for another machine",
      bare({ versions: { ...bare().versions, binary: { code: 2, said: "1: ELF: not found" } } }),
      /\/usr\/local\/bin\/flanneld does not run on this host/,
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
    planWords(flannelNetwork.definition.present({ "2": v2, "3": v3, leases: [] }, network));

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
  test("the lease of a host that left is given back, and the key stays", () => {
    const lease = { subnet: "192.168.81.0/24", address: "10.0.0.203", backend: "vxlan", mac: undefined };
    const left = { ...network, left: ["10.0.0.203"] };
    const stores = { "2": store(value), "3": store(value), leases: [lease] };
    expect(planWords(flannelNetwork.definition.present(stores, left))).toEqual([
      "lease 192.168.81.0/24: of 10.0.0.203, which left → —",
    ]);
  });
  test("a network too small to be cut is refused", () =>
    expect(() =>
      flannelNetwork.definition.present(
        { "2": store(""), "3": store(""), leases: [] },
        { ...network, network: "192.168.0.0/24" },
      ),
    ).toThrow(/too small/));
});

test.each<[string, Partial<State>, string]>([
  [
    "its interface",
    { links: [{ name: "flannel.1", index: 9, mtu: 1450, up: true, kind: "vxlan" }] },
    "the interface flannel.1 (vxlan, mtu 1450)",
  ],
  [
    "its lease",
    {
      files: {
        ...bare().files,
        lease: fileWith("/run/flannel/subnet.env", "FLANNEL_NETWORK=10.42.0.0/16\n"),
      },
    },
    "/run/flannel/subnet.env: FLANNEL_NETWORK=10.42.0.0/16",
  ],
  [
    "its service",
    { flanneld: unit("flanneld.service", { fragmentPath: "/lib/systemd/system/flanneld.service" }) },
    "flanneld.service is active, from /lib/systemd/system/flanneld.service",
  ],
])("a flannel of somebody's is refused by %s", (_, over, found) => {
  expect(() => flanneldConfig.definition.present(bare(over), wanted)).toThrow(
    expect.objectContaining({ detail: expect.objectContaining({ found }) }),
  );
});
