import { expect, test } from "vitest";
import { type ByHand, parseLook } from "../../playbooks/checks/by-hand.ts";
import { type Claim, conflictingLeftovers, harmlessLeftovers } from "../../playbooks/checks/leftovers.ts";
import { flanneldStarted, flannelOptions } from "../../playbooks/schemes/flannel.ts";
import { bipFlag } from "../../playbooks/schemes/static-route.ts";
import { consulStarted, etcdStarted } from "../../playbooks/schemes/stores.ts";
import { parseRoutes } from "../../src/host/tools/ip.ts";
import { parseRules } from "../../src/host/tools/iptables.ts";
import { Fleet } from "../../src/playbook/fleet.ts";
import { fileWith, noFile } from "../tasks/files.ts";

const daemonJson = "/etc/docker/daemon.json";
const untouched = `# /lib/systemd/system/docker.service
[Unit]
Description=Docker Application Container Engine

[Service]
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS
@flannel-network 
@process 77 consul /system.slice/consul.service
@process 78 etcd /docker/0123456789abcdef`;

/** As far as a test says it, and otherwise a host on which nobody typed anything. */
interface Host {
  look?: string;
  config?: string;
  routes?: string;
  rules?: string;
  standing?: ByHand["standing"];
  groups?: readonly string[];
}

function finds(host: Host, claim: Partial<Claim<object>> = {}) {
  const byHand: ByHand = {
    ...parseLook(host.look ?? untouched),
    config: host.config === undefined ? noFile(daemonJson) : fileWith(daemonJson, host.config),
    routes: parseRoutes(host.routes ?? ""),
    rules: parseRules(host.rules ?? ""),
    standing: host.standing ?? [],
  };
  const view = {
    name: "h",
    address: "10.0.0.200",
    groups: host.groups ?? ["docker"],
    vars: {},
    facts: { byHand },
  };
  const fleet = new Fleet([view], () => new Set(["h"]));
  const whole: Claim<object> = {
    breaks: [bipFlag, flannelOptions, consulStarted, etcdStarted, flanneldStarted],
    keys: ["bip", "mtu", "ip-masq"],
    networks: () => ["192.168.0.0/16"],
    ...claim,
  };
  return [
    ...conflictingLeftovers(fleet, whole).map(({ detail }) => `refused: ${detail.found} | ${detail.advice}`),
    ...harmlessLeftovers(fleet, whole).map(({ text }) => `told: ${text}`),
  ];
}

const stands = (task: string, more: object = {}) => ({
  owner: "x",
  task,
  key: "k",
  what: "w",
  from: null,
  to: null,
  ...more,
});
const edited = (line: string) => untouched.replace(/ExecStart=.*/, line);
const inPlace = "systemctl daemon-reload && systemctl restart docker";
const unit = "/lib/systemd/system/docker.service";

test.each<[string, Host, string[]]>([
  ["a host on which nobody typed anything", {}, []],
  [
    "a --bip in the unit",
    { look: edited("ExecStart=/usr/bin/dockerd -H fd:// \\\n  --bip=192.168.1.1/24") },
    [
      `refused: --bip=192.168.1.1/24 in ${unit} | sed -i -e 's| *--bip=192\\.168\\.1\\.1/24||g' ${unit} && ${inPlace}`,
    ],
  ],
  [
    "one that a later drop-in takes away, one in a comment, and causeway's own",
    {
      look: edited(
        [
          "ExecStart=/usr/bin/dockerd --bip=192.168.1.1/24",
          "# /etc/systemd/system/docker.service.d/50-causeway-flannel.conf",
          "EnvironmentFile=/run/flannel/docker",
          "ExecStart=",
          "ExecStart=/usr/bin/dockerd --bip=192.168.2.1/24 --cluster-store=x $DOCKER_NETWORK_OPTIONS",
          "# /etc/systemd/system/docker.service.d/60-mine.conf",
          "[Service]",
          "#ExecStart=/usr/bin/dockerd --bip=192.168.3.1/24",
          "ExecStart=",
          "ExecStart=/usr/bin/dockerd",
        ].join("\n"),
      ).concat('\n@variable /run/flannel/docker DOCKER_NETWORK_OPTIONS=" --bip=192.168.2.1/24 --mtu=1450"'),
    },
    [],
  ],
  [
    "a --bip out of a file of variables, and one in a variable that nobody uses",
    {
      look: `${untouched}
@variable /etc/default/docker DOCKER_OPTS="--bip=192.168.2.1/24 --dns 10.0.0.1"
@variable /etc/default/docker #OLD_OPTS="--bip=192.168.4.1/24"
@variable /etc/default/docker OTHER_OPTS="--bip=192.168.3.1/24"`,
    },
    [
      `refused: --bip=192.168.2.1/24 in /etc/default/docker | sed -i -e 's| *--bip=192\\.168\\.2\\.1/24||g' /etc/default/docker && ${inPlace}`,
    ],
  ],
  [
    "the article's edit for flannel",
    {
      look: edited(
        "EnvironmentFile=/run/flannel/docker\nExecStart=/usr/bin/dockerd -H fd:// $DOCKER_NETWORK_OPTIONS",
      ),
    },
    [
      `refused: EnvironmentFile=/run/flannel/docker in ${unit} | sed -i -e '\\|^EnvironmentFile=/run/flannel/docker|d' -e 's| *\\$DOCKER_NETWORK_OPTIONS||g' ${unit} && ${inPlace}`,
    ],
  ],
  [
    "what CentOS's own packages have",
    {
      look: edited(
        "EnvironmentFile=-/etc/sysconfig/docker-network\nEnvironmentFile=-/run/flannel/docker\nExecStart=/usr/bin/dockerd $DOCKER_NETWORK_OPTIONS",
      ).concat('\n@variable /run/flannel/docker DOCKER_NETWORK_OPTIONS=" --bip=192.168.2.1/24 --mtu=1450"'),
      standing: [stands("flanneld-config")],
    },
    [],
  ],
  [
    "the article's edit for consul",
    {
      look: edited(
        "ExecStart=/usr/bin/dockerd -H tcp://0.0.0.0:2375 -H unix:///var/run/docker.sock --cluster-store consul://10.0.0.200:8500 --cluster-advertise 10.0.0.200:2375",
      ),
    },
    [
      `told: Docker uses a cluster store that causeway did not set (--cluster-store consul://10.0.0.200:8500 --cluster-advertise 10.0.0.200:2375 in ${unit}); to remove it: sed -i -e 's| *--cluster-store consul://10\\.0\\.0\\.200:8500||g' -e 's| *--cluster-advertise 10\\.0\\.0\\.200:2375||g' ${unit} && ${inPlace}`,
      `told: Docker's API is open without TLS: anyone who can reach the port is root (-H tcp://0.0.0.0:2375 in ${unit}); to remove it: sed -i -e 's| *-H tcp://0\\.0\\.0\\.0:2375||g' ${unit} && ${inPlace}`,
    ],
  ],
  [
    "an API port with TLS",
    { look: edited("ExecStart=/usr/bin/dockerd -H tcp://0.0.0.0:2376 --tlsverify") },
    [],
  ],
  [
    "keys of the user's in daemon.json: the first, the last, and the only one",
    { config: '{\n  "bip": "10.9.0.1/24",\n  "debug": true,\n  "mtu": 1400\n}\n' },
    [
      `refused: "bip": "10.9.0.1/24", "mtu": 1400 | sed -i -z -e 's|\\n  "bip": "10\\.9\\.0\\.1/24",||' -e 's|,\\n  "mtu": 1400||' ${daemonJson} && systemctl restart docker`,
    ],
  ],
  ["a daemon.json that is not JSON", { config: '{ "bip": ' }, []],
  [
    "a bip that causeway set, over nothing",
    {
      config: '{"bip":"192.168.100.1/24"}',
      standing: [
        stands("docker-bip", {
          what: `keys of ${daemonJson}`,
          keys: { bip: "192.168.100.1/24" },
          from: null,
        }),
      ],
    },
    [],
  ],
  [
    "a bip that causeway set, over the user's",
    {
      config: '{"bip":"192.168.100.1/24"}',
      standing: [
        stands("docker-bip", {
          what: `keys of ${daemonJson}`,
          keys: { bip: "192.168.100.1/24" },
          from: 'bip "10.9.0.1/24"',
        }),
      ],
    },
    [
      `refused: "bip": "192.168.100.1/24" | sed -i -z -e 's|"bip":"192\\.168\\.100\\.1/24"||' ${daemonJson} && systemctl restart docker`,
    ],
  ],
  [
    "routes: the article's, and an operator's that are wider, elsewhere, a bridge's, or causeway's",
    {
      routes: `default via 10.0.0.1 dev ens33
10.1.0.0/16 via 10.0.0.1 dev ens33
192.0.0.0/8 via 10.0.0.1 dev ens33
192.168.7.0/24 dev br-1 proto kernel scope link src 192.168.7.1
192.168.210.0/24 via 10.0.0.202 dev ens33 proto 202
192.168.200.0/24 via 10.0.0.201 dev ens33`,
    },
    [
      "refused: 192.168.200.0/24 via 10.0.0.201 dev ens33 | ip route del 192.168.200.0/24 via 10.0.0.201 dev ens33",
    ],
  ],
  [
    "routes of the flanneld that causeway set up",
    {
      look: untouched.replace("@flannel-network ", "@flannel-network 192.168.0.0/16"),
      routes: "192.168.5.0/24 via 192.168.5.0 dev flannel.1 onlink\n192.168.6.0/24 via 10.0.0.201 dev ens33",
      rules: "*filter\n-A FORWARD -s 192.168.0.0/16 -j ACCEPT",
      standing: [stands("flanneld-config")],
    },
    [],
  ],
  [
    "the article's rules, and those that are somebody's on purpose",
    {
      rules: `*filter
:FORWARD DROP [0:0]
-A FORWARD -s 10.0.0.0/24 -j ACCEPT
-A FORWARD -s 10.0.0.0/24 -m comment --comment "the office" -j ACCEPT
-A FORWARD -s 10.77.0.0/24 -j ACCEPT
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 2379 -m state --state NEW,ESTABLISHED -j ACCEPT
-A INPUT -s 10.0.0.0/24 -p tcp -m tcp --dport 2380 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT`,
    },
    [
      "told: a rule that causeway did not make opens etcd to everyone (-A INPUT -p tcp -m tcp --dport 2379 -m state --state NEW,ESTABLISHED -j ACCEPT); to remove it: iptables -D INPUT -p tcp -m tcp --dport 2379 -m state --state NEW,ESTABLISHED -j ACCEPT",
      "told: a rule that causeway did not make accepts every packet of a network (-A FORWARD -s 10.0.0.0/24 -j ACCEPT); to remove it: iptables -D FORWARD -s 10.0.0.0/24 -j ACCEPT",
    ],
  ],
  [
    "a host that only keeps the store: its Docker is its own affair, an etcd by hand is in the way",
    {
      groups: ["etcd"],
      look: `${edited("ExecStart=/usr/bin/dockerd --bip=192.168.1.1/24")}\n@process 102 etcd /\n@started 102 yes /usr/bin/etcd `,
      config: '{"bip":"10.99.0.1/24"}',
      routes: "192.168.200.0/24 via 10.0.0.9 dev ens33",
    },
    ["refused: process 102, /usr/bin/etcd | kill 102"],
  ],
  [
    "a consul from a login, one beside it, an etcd under sshd's own group, and units of somebody's",
    {
      look: `${untouched}
@process 100 consul /user.slice/user-0.slice/session-3.scope
@started 100 yes /usr/local/bin/consul agent
@process 101 consul /
@started 101 yes /opt/consul agent
@process 102 etcd /system.slice/ssh.service
@started 102 yes /usr/bin/etcd 
@process 103 flanneld /system.slice/my-flannel.service
@started 103 no /usr/bin/flanneld `,
    },
    [
      "refused: process 102, /usr/bin/etcd | kill 102",
      "refused: process 100, /usr/local/bin/consul; process 101, /opt/consul | kill 100 101",
    ],
  ],
  [
    "programs that have no more than the name of one: etcd serves nobody, consul is no agent, flanneld takes a command",
    {
      look: `${untouched}
@process 100 consul /user.slice/user-0.slice/session-3.scope
@started 100 no /usr/local/bin/consul watch
@process 102 etcd /user.slice/user-0.slice/session-3.scope
@started 102 no /home/me/etcd 
@process 103 flanneld /user.slice/user-0.slice/session-3.scope
@started 103 no /home/me/flanneld build`,
    },
    [],
  ],
])("%s", (_, host, expected) => {
  expect(finds(host)).toEqual(expected);
});

test("a route that the scheme makes itself is told, and replaced", () => {
  const host = {
    routes: "192.168.200.0/24 via 10.0.0.9 dev ens33\n192.168.200.128/25 via 10.0.0.9 dev ens33",
  };
  const networks = () => ["192.168.100.0/24", "192.168.200.0/24"];
  expect(finds(host, { networks, replaces: () => ["192.168.200.0/24"] })).toEqual([
    "refused: 192.168.200.128/25 via 10.0.0.9 dev ens33 | ip route del 192.168.200.128/25 via 10.0.0.9 dev ens33",
    "told: the route to 192.168.200.0/24 was not made by causeway; it is replaced, and a reset restores it (192.168.200.0/24 via 10.0.0.9 dev ens33); to remove it: ip route del 192.168.200.0/24 via 10.0.0.9 dev ens33",
  ]);
});
