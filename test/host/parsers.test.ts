import { describe, expect, test } from "vitest";
import { parseDocker, parseMembers, versionParts } from "../../src/host/tools/docker.ts";
import { parseFile } from "../../src/host/tools/file.ts";
import { parseAddresses, parseLinks, parseRoutes } from "../../src/host/tools/ip.ts";
import { canonicalRule, parseRules } from "../../src/host/tools/iptables.ts";
import { parsePackages } from "../../src/host/tools/packages.ts";
import { parseSerf } from "../../src/host/tools/serf.ts";
import { isBehindSysctl, parseSysctlFiles } from "../../src/host/tools/sysctl.ts";
import { parseUnit } from "../../src/host/tools/systemd.ts";

/** As bullseye's iproute2 prints it; the long tail of a line is shortened. */
const bullseyeLinks = String.raw`1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0 minmtu 0 maxmtu 0 addrgenmode eui64 numtxqueues 1 
2: br-cache: <BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000\    link/ether 1a:ee:33:6b:a7:88 brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 68 maxmtu 65535 \    bridge forward_delay 1500 hello_time 200 vlan_filtering 0 bridge_id 8000.1a:ee:33:6b:a7:88 
3: veth1@veth0: <BROADCAST,MULTICAST> mtu 1450 qdisc noqueue state DOWN mode DEFAULT group default qlen 1000\    link/ether 7e:14:66:f5:31:84 brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 68 maxmtu 65535 \    veth addrgenmode eui64 numtxqueues 2 
4: veth0@if3: <NO-CARRIER,BROADCAST,MULTICAST,UP,M-DOWN> mtu 1500 qdisc noqueue master br-cache state LOWERLAYERDOWN mode DEFAULT group default qlen 1000\    link/ether 1a:ee:33:6b:a7:89 brd ff:ff:ff:ff:ff:ff promiscuity 1 minmtu 68 maxmtu 65535 \    veth \    bridge_slave state disabled priority 32 vlan_tunnel off isolated off 
5: vx1: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN mode DEFAULT group default qlen 1000\    link/ether aa:06:aa:02:d5:74 brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 68 maxmtu 65535 \    vxlan id 7 local 127.0.0.1 srcport 0 0 dstport 4789 ttl auto 
6: mv0@eth0: <BROADCAST,MULTICAST,M-DOWN> mtu 1500 qdisc noop state DOWN mode DEFAULT group default qlen 1000\    link/ether 2e:da:67:c1:37:b0 brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 68 maxmtu 65535 \    macvlan mode bridge addrgenmode eui64 
7: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc pfifo_fast state UP mode DEFAULT group default qlen 1000\    link/ether 02:fc:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 68 maxmtu 65535 addrgenmode eui64 numtxqueues 1 \    alias the vlan bridge here
8: eth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq master br-cache state UP mode DEFAULT group default qlen 1000\    link/ether 02:fc:00:00:00:02 brd ff:ff:ff:ff:ff:ff promiscuity 1 minmtu 68 maxmtu 65535 \    bridge_slave state forwarding priority 32 designated_bridge 8000.1a:ee:33:6b:a7:88 
9: eth0.5@eth0: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN mode DEFAULT group default qlen 1000\    link/ether 02:fc:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 0 maxmtu 65535 \    vlan protocol 802.1Q id 5 <REORDER_HDR> addrgenmode eui64 
10: tun0: <POINTOPOINT,MULTICAST,NOARP> mtu 1500 qdisc noop state DOWN mode DEFAULT group default qlen 500\    link/none  promiscuity 0 minmtu 68 maxmtu 65535 \    tun type tun pi off vnet_hdr off persist on addrgenmode random 
11: sit0@NONE: <NOARP> mtu 1480 qdisc noop state DOWN mode DEFAULT group default qlen 1000\    link/sit 0.0.0.0 brd 0.0.0.0 promiscuity 0 minmtu 1280 maxmtu 65555 \    sit ip6ip remote any local any ttl 64 
`;

describe("ip link", () => {
  const links = new Map(parseLinks(bullseyeLinks).map((link) => [link.name, link]));

  test.each([
    ["lo", { index: 1, mtu: 65536, up: true }],
    ["br-cache", { index: 2, mtu: 1500, up: true, mac: "1a:ee:33:6b:a7:88", kind: "bridge" }],
    ["veth1", { index: 3, mtu: 1450, up: false, mac: "7e:14:66:f5:31:84", kind: "veth", parent: "veth0" }],
    [
      "veth0",
      {
        index: 4,
        mtu: 1500,
        up: true,
        mac: "1a:ee:33:6b:a7:89",
        kind: "veth",
        parent: "if3",
        master: "br-cache",
      },
    ],
    ["vx1", { index: 5, mtu: 1500, up: false, mac: "aa:06:aa:02:d5:74", kind: "vxlan" }],
    ["mv0", { index: 6, mtu: 1500, up: false, mac: "2e:da:67:c1:37:b0", kind: "macvlan", parent: "eth0" }],
    ["eth0", { index: 7, mtu: 1400, up: true, mac: "02:fc:00:00:00:01" }],
    ["eth1", { index: 8, mtu: 1500, up: true, mac: "02:fc:00:00:00:02", master: "br-cache" }],
    ["eth0.5", { index: 9, mtu: 1500, up: false, mac: "02:fc:00:00:00:01", kind: "vlan", parent: "eth0" }],
    ["tun0", { index: 10, mtu: 1500, up: false, kind: "tun" }],
    ["sit0", { index: 11, mtu: 1480, up: false, kind: "sit" }],
  ])("%s", (name, expected) => {
    expect(links.get(name)).toEqual({ name, ...expected });
  });

  test("every line is a device, nothing else is", () => {
    expect(links.size).toBe(11);
    expect(parseLinks("")).toEqual([]);
  });
});

test("ip addr, several of a device and one with a peer", () => {
  const text = String.raw`1: lo    inet 127.0.0.1/8 scope host lo\       valid_lft forever preferred_lft forever
2: br-cache    inet 10.1.0.1/24 scope global br-cache\       valid_lft forever preferred_lft forever
2: br-cache    inet 10.1.1.1/16 brd 10.1.255.255 scope global secondary br-cache:1\       valid_lft forever preferred_lft forever
5: tun0    inet 10.8.0.1 peer 10.8.0.2/32 scope global tun0\       valid_lft forever preferred_lft forever
7: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global dynamic eth0\       valid_lft 8000sec preferred_lft 8000sec
`;
  expect(parseAddresses(text)).toEqual([
    { dev: "lo", address: "127.0.0.1", prefix: 8, cidr: "127.0.0.1/8" },
    { dev: "br-cache", address: "10.1.0.1", prefix: 24, cidr: "10.1.0.1/24" },
    { dev: "br-cache", address: "10.1.1.1", prefix: 16, cidr: "10.1.1.1/16" },
    { dev: "tun0", address: "10.8.0.1", prefix: 32, cidr: "10.8.0.1/32" },
    { dev: "eth0", address: "192.0.2.2", prefix: 24, cidr: "192.0.2.2/24" },
  ]);
});

test("ip -6 addr", () => {
  const text = String.raw`2: eth0    inet6 fd00:10::200/64 scope global nodad \       valid_lft forever preferred_lft forever
3: docker0    inet6 fe80::1/64 scope link tentative \       valid_lft forever preferred_lft forever
`;
  expect(parseAddresses(text)).toEqual([
    { dev: "eth0", address: "fd00:10::200", prefix: 64, cidr: "fd00:10::200/64" },
    { dev: "docker0", address: "fe80::1", prefix: 64, cidr: "fe80::1/64" },
  ]);
});

test("what every IPv6 route has is left out; a metric of its own is not", () => {
  const text = `fd00:30:100::/64 dev docker0 proto kernel metric 256 linkdown pref medium
fd00:30:200::/64 via fd00:10::201 dev host0 proto 202 metric 1024 pref medium
default via fe80::1 dev eth0 proto ra metric 1024 expires 1799sec hoplimit 64 pref medium
fd00:30:200::2 from :: via fd00:10::201 dev host0 proto 202 src fd00:10::200 metric 1024 pref medium`;
  expect(parseRoutes(text).map(({ line }) => line)).toEqual([
    "fd00:30:100::/64 dev docker0 proto kernel metric 256",
    "fd00:30:200::/64 via fd00:10::201 dev host0 proto 202",
    "default via fe80::1 dev eth0 proto ra expires 1799sec hoplimit 64",
    "fd00:30:200::2 from :: via fd00:10::201 dev host0 proto 202 src fd00:10::200",
  ]);
});

test("the tables of ip6tables have names of their own", () => {
  const rules = parseRules("*filter\n:FORWARD DROP [0:0]\n-A FORWARD -j DOCKER-USER\nCOMMIT", 6);
  expect([...rules.policies]).toEqual([["ip6:filter FORWARD", "DROP"]]);
  expect(rules.rules).toEqual([{ table: "ip6:filter", chain: "FORWARD", spec: "-j DOCKER-USER" }]);
});

describe("ip route", () => {
  test.each([
    ["default via 192.0.2.1 dev eth0 ", { dst: "default", via: "192.0.2.1", dev: "eth0" }],
    [
      "10.213.0.0/24 dev eth0 proto kernel scope link src 10.213.0.200 metric 100 ",
      { dst: "10.213.0.0/24", dev: "eth0", proto: "kernel", src: "10.213.0.200", metric: 100 },
    ],
    [
      "192.168.200.0/24 via 10.213.0.201 dev eth0 proto 201 onlink ",
      { dst: "192.168.200.0/24", via: "10.213.0.201", dev: "eth0", proto: "201" },
    ],
    [
      "10.1.0.0/24 dev br-cache proto kernel scope link",
      { dst: "10.1.0.0/24", dev: "br-cache", proto: "kernel" },
    ],
    ["blackhole 172.31.0.0/16 ", { dst: "172.31.0.0/16" }],
    ["unreachable default metric 4278198272 ", { dst: "default", metric: 4278198272 }],
    ["10.213.0.7 dev eth0 src 10.213.0.200 uid 0 ", { dst: "10.213.0.7", dev: "eth0", src: "10.213.0.200" }],
    ["local 10.1.0.1 dev lo src 10.1.0.1 uid 0 ", { dst: "10.1.0.1", dev: "lo", src: "10.1.0.1" }],
  ])("%s", (line, expected) => {
    expect(parseRoutes(line)).toEqual([{ ...expected, line: line.trim() }]);
  });

  test("the state of the link is not part of the line", () => {
    const [route] = parseRoutes(
      "192.168.100.0/24 dev docker0 proto kernel scope link src 192.168.100.1 linkdown \n",
    );
    expect(route?.line).toBe("192.168.100.0/24 dev docker0 proto kernel scope link src 192.168.100.1");
    expect(parseRoutes("10.0.0.0/8 via 10.1.1.1 dev eth9 dead linkdown ")[0]?.line).toBe(
      "10.0.0.0/8 via 10.1.1.1 dev eth9",
    );
  });

  test("the lines below a route are not routes of their own", () => {
    const many =
      "192.168.8.0/24 \n\tnexthop via 10.1.1.3 dev eth0 weight 1 \n\tnexthop via 10.1.1.4 dev eth0 weight 2 \n";
    expect(parseRoutes(many).map((r) => r.dst)).toEqual(["192.168.8.0/24"]);
    expect(parseRoutes("10.1.0.7 dev eth0 src 10.1.0.1 uid 0 \n    cache \n")).toHaveLength(1);
    expect(parseRoutes("")).toEqual([]);
  });
});

describe("iptables-save", () => {
  const rules = parseRules(String.raw`# Generated by iptables-save v1.8.7 on Tue Nov 24 01:55:41 2026
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [12:840]
-A POSTROUTING -s 192.168.100.0/24 ! -o docker0 -j MASQUERADE
COMMIT
# Completed on Tue Nov 24 01:55:41 2026
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -s 192.168.0.0/16 -m comment --comment "say \"hi\" \\ there" -j ACCEPT
-A DOCKER-USER -m comment --comment plain -j RETURN
COMMIT
`);

  test("rules with their tables, chains and comments, in their order", () => {
    expect(rules.present).toBe(true);
    expect(rules.rules).toEqual([
      { table: "nat", chain: "POSTROUTING", spec: "-s 192.168.100.0/24 ! -o docker0 -j MASQUERADE" },
      { table: "filter", chain: "FORWARD", spec: "-j DOCKER-USER" },
      {
        table: "filter",
        chain: "DOCKER-USER",
        spec: String.raw`-s 192.168.0.0/16 -m comment --comment "say \"hi\" \\ there" -j ACCEPT`,
        comment: 'say "hi" \\ there',
      },
      {
        table: "filter",
        chain: "DOCKER-USER",
        spec: "-m comment --comment plain -j RETURN",
        comment: "plain",
      },
    ]);
  });

  test("policies, and a chain of one's own", () => {
    expect(Object.fromEntries(rules.policies)).toEqual({
      "nat PREROUTING": "ACCEPT",
      "nat POSTROUTING": "ACCEPT",
      "filter INPUT": "ACCEPT",
      "filter FORWARD": "DROP",
      "filter DOCKER-USER": "-",
    });
  });

  test("no iptables, and no rules", () => {
    expect(parseRules("missing\n")).toMatchObject({ present: false, rules: [] });
    expect(parseRules("")).toMatchObject({ present: true, rules: [] });
  });

  test("two spellings of one rule", () => {
    expect(canonicalRule('-m comment  --comment "plain" -j RETURN ')).toBe(
      "-m comment --comment plain -j RETURN",
    );
  });
});

describe("systemctl show", () => {
  test("a running unit with drop-ins", () => {
    const text = `ExecStart={ path=/bin/sh ; argv[]=/bin/sh -c true ; exec dockerd -H fd:// ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
MainPID=4711
LoadState=loaded
ActiveState=active
FragmentPath=/lib/systemd/system/docker.service
DropInPaths=/etc/systemd/system/docker.service.d/a.conf /etc/systemd/system/docker.service.d/b.conf
UnitFileState=enabled
NeedDaemonReload=yes
SubState=running
Sets /etc/systemd/system/docker.service.d/a.conf ExecStart=
Sets /etc/systemd/system/docker.service.d/b.conf ExecStart = dockerd -H fd://
CommandLine=dockerd\0-H\0fd://\0
`;
    expect(parseUnit("docker", text)).toEqual({
      name: "docker",
      present: true,
      active: "active",
      sub: "running",
      enabled: "enabled",
      needsReload: true,
      fragmentPath: "/lib/systemd/system/docker.service",
      dropIns: ["/etc/systemd/system/docker.service.d/a.conf", "/etc/systemd/system/docker.service.d/b.conf"],
      sets: [
        { path: "/etc/systemd/system/docker.service.d/a.conf", key: "ExecStart", value: "" },
        { path: "/etc/systemd/system/docker.service.d/b.conf", key: "ExecStart", value: "dockerd -H fd://" },
      ],
      mainPid: 4711,
      execStart: "/bin/sh -c true ; exec dockerd -H fd://",
      commandLine: "dockerd -H fd://",
    });
  });

  test.each([
    [
      "not there",
      "LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\nMainPID=0\n",
      false,
      "",
    ],
    [
      "masked",
      "LoadState=masked\nActiveState=inactive\nSubState=dead\nUnitFileState=masked\n",
      true,
      "masked",
    ],
    ["nothing at all", "", false, ""],
  ])("a unit that is %s", (_name, text, present, enabled) => {
    expect(parseUnit("x", text)).toMatchObject({ present, enabled, dropIns: [], mainPid: 0, execStart: "" });
  });
});

describe("docker", () => {
  test("a running daemon", () => {
    const text = `running 20.10.5+dfsg1
aaa bridge local docker0 172.17.0.0/16,- bridge
bbb macvlan local - 10.0.0.0/24,fd00::/64,- my net
0123456789abcdef bridge local - 172.18.0.0/16,- compose
fff host local - - host
--
ccc running web bridge,my net
ddd exited old 
`;
    const state = parseDocker(text);
    expect(state).toMatchObject({
      state: "running",
      version: "20.10.5+dfsg1",
      networks: [
        { id: "aaa", name: "bridge", subnets: ["172.17.0.0/16"], bridge: "docker0" },
        {
          id: "bbb",
          driver: "macvlan",
          scope: "local",
          name: "my net",
          subnets: ["10.0.0.0/24", "fd00::/64"],
        },
        { name: "compose", subnets: ["172.18.0.0/16"], bridge: "br-0123456789ab" },
        { name: "host", driver: "host", subnets: [] },
      ],
    });
    expect(state.containers.map((c) => [c.id, c.state, c.name])).toEqual([
      ["ccc", "running", "web"],
      ["ddd", "exited", "old"],
    ]);
    expect(state.containers[1]?.networks).toEqual([]);
  });

  test("the same, as its API answers", () => {
    const head = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.5+dfsg1 (linux)\r\n\r\n";
    const answers = [
      [
        {
          Name: "my net",
          Id: "bbb",
          Scope: "local",
          Driver: "macvlan",
          IPAM: { Config: null },
          Options: null,
        },
        {
          Name: "shop_default",
          Id: "0123456789abcdef",
          Scope: "local",
          Driver: "bridge",
          IPAM: { Config: [{ Subnet: "172.18.0.0/16", Gateway: "172.18.0.1" }] },
          Options: { "com.docker.network.bridge.name": "shop0" },
        },
      ],
      [
        {
          Id: "ccc",
          State: "running",
          Names: ["/other/alias", "/web"],
          NetworkSettings: { Networks: { "my net": { IPAddress: "10.0.0.2" } } },
        },
        {
          Id: "eee",
          State: "running",
          Names: ["/causeway-watch-1"],
          Labels: { "causeway.probe": "watch-1" },
          NetworkSettings: { Networks: { bridge: { IPAddress: "172.17.0.2" } } },
        },
      ],
    ];
    expect(parseDocker(answers.map((one) => `${head}${JSON.stringify(one)}\n`).join(""))).toEqual({
      state: "running",
      version: "20.10.5+dfsg1",
      networks: [
        { id: "bbb", driver: "macvlan", scope: "local", name: "my net", subnets: [] },
        {
          id: "0123456789abcdef",
          driver: "bridge",
          scope: "local",
          name: "shop_default",
          subnets: ["172.18.0.0/16"],
          bridge: "shop0",
        },
      ],
      containers: [{ id: "ccc", state: "running", name: "web", networks: ["my net"] }],
    });
  });

  test.each([
    ["missing\n", "missing"],
    ["stopped\n", "stopped"],
  ])("%j", (text, state) => {
    expect(parseDocker(text)).toEqual({ state, version: "", networks: [], containers: [] });
  });

  test("no containers at all", () => {
    expect(parseDocker("running 26.1.5\naaa bridge local bridge\n--\n").containers).toEqual([]);
  });

  test("members of a network, running or not, with the address that was asked for", () => {
    expect(
      parseMembers("/web true 192.168.100.2 192.168.100.2\n/old false  \n/any true 192.168.100.3 \n"),
    ).toEqual([
      { name: "web", running: true, address: "192.168.100.2", asked: "192.168.100.2" },
      { name: "old", running: false, address: "", asked: "" },
      { name: "any", running: true, address: "192.168.100.3", asked: "" },
    ]);
    expect(parseMembers("/six true 192.168.100.2  fd00::2 \n/asked false    fd00::3\n")).toEqual([
      {
        name: "six",
        running: true,
        address: "192.168.100.2",
        asked: "",
        six: { address: "fd00::2", asked: "" },
      },
      { name: "asked", running: false, address: "", asked: "", six: { address: "", asked: "fd00::3" } },
    ]);
    expect(parseMembers("")).toEqual([]);
  });

  test.each([
    ["20.10.5+dfsg1", [20, 10, 5]],
    ["26.1.5", [26, 1, 5]],
    ["", [0]],
  ])("the parts of version %j", (text, parts) => {
    expect(versionParts(text)).toEqual(parts);
  });
});

describe("a file", () => {
  const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

  test.each([
    ["with a text", `file 640 0 101 12\n${sum}  -\nfirst\nsecond`, "first\nsecond"],
    ["whose text looks like our own", `file 640 0 101 12\n${sum}  -\nabsent\n`, "absent\n"],
    ["that is empty", `file 640 0 101 12\n${sum}  -\n`, ""],
  ])("%s", (_name, text, content) => {
    expect(parseFile("/x", text)).toEqual({
      path: "/x",
      kind: "file",
      mode: "640",
      uid: 0,
      gid: 101,
      size: 12,
      sha256: sum,
      content,
    });
  });

  test.each(["absent", "folder"])("%s", (kind) => {
    expect(parseFile("/x", `${kind}\n`)).toMatchObject({ kind, sha256: "absent", content: "", mode: "" });
  });
});

test("packages", () => {
  expect(
    Object.fromEntries(parsePackages("docker.io 20.10.5+dfsg1-1+deb11u2\n\niproute2 5.10.0-4\nbroken\n")),
  ).toEqual({
    "docker.io": "20.10.5+dfsg1-1+deb11u2",
    iproute2: "5.10.0-4",
  });
});

describe("serf, as Docker 20.10's log has it", () => {
  const joins = (name: string) =>
    `time="2026-11-25T19:57:16Z" level=info msg="2026/11/25 19:57:16 [INFO] serf: EventMemberJoin: ${name} 10.0.0.${name.slice(-3)}\\n"`;

  test.each([
    ["no call failed: nothing is read", "", {}],
    ["it met nobody", `1000 1025\n${joins("docker-200")}`, { aloneFor: 25 }],
    ["it met one later", `1000 1025\n${joins("docker-200")}\n${joins("docker-201")}`, {}],
    ["the log no longer has, or never had, its start", "1000 1025\n", {}],
  ])("%s", (_, text, expected) => {
    expect(parseSerf(text)).toEqual(expected);
  });
});

describe("the files of sysctl, in the order of systemd-sysctl", () => {
  const key = "net.ipv4.ip_forward";
  const files = (...found: [path: string, ...lines: string[]][]) =>
    parseSysctlFiles(
      [
        ...found.map(([path]) => `file ${path}`),
        ...found.flatMap(([path, ...lines]) => lines.map((l) => `${path}:${l}`)),
      ].join("\n"),
      key,
    ).map(({ path, value }) => `${path} ${value}`);

  test("by their names, whatever folder they are in, and /etc/sysctl.conf last", () => {
    expect(
      files(
        ["/etc/sysctl.d/99-cis.conf", "net.ipv4.ip_forward=0"],
        ["/run/sysctl.d/50-a.conf", "net/ipv4/ip_forward = 1"],
        ["/usr/lib/sysctl.d/70-b.conf", "-net.ipv4.ip_forward = 2 "],
        ["/etc/sysctl.conf", "  net.ipv4.conf.all.forwarding=3"],
      ),
    ).toEqual([
      "/run/sysctl.d/50-a.conf 1",
      "/usr/lib/sysctl.d/70-b.conf 2",
      "/etc/sysctl.d/99-cis.conf 0",
      "/etc/sysctl.conf 3",
    ]);
  });

  test("one in an earlier folder hides another of its name, also when it says nothing", () => {
    expect(
      files(["/etc/sysctl.d/50-a.conf"], ["/usr/lib/sysctl.d/50-a.conf", "net.ipv4.ip_forward=0"]),
    ).toEqual([]);
  });

  test("a pattern counts, and less than the key itself; comments and other keys do not", () => {
    expect(
      files(
        ["/etc/sysctl.d/10-a.conf", "net.ipv4.ip_forward = 1", "#net.ipv4.ip_forward = 7"],
        ["/etc/sysctl.d/20-b.conf", "net.ipv4.conf.*.forwarding = 0", "net.ipv6.conf.all.forwarding = 0"],
        ["/etc/sysctl.d/30-c.conf", "net.ipv4.ip_forward_use_pmtu = 0"],
      ),
    ).toEqual(["/etc/sysctl.d/20-b.conf 0", "/etc/sysctl.d/10-a.conf 1"]);
  });

  test.each([
    ["/etc/sysctl.d/99-cis.conf", true],
    ["/usr/lib/sysctl.d/95-x.conf", true],
    ["/etc/sysctl.conf", true],
    ["/etc/sysctl.d/89-x.conf", false],
    ["/etc/sysctl.d/90-causeway-net.ipv4.ip_forward.conf", false],
  ])("%s comes behind ours: %s", (path, behind) => {
    expect(isBehindSysctl(path, "/etc/sysctl.d/90-causeway-net.ipv4.ip_forward.conf")).toBe(behind);
  });
});
