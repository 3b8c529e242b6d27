import { expect, test } from "vitest";
import { schemeOf } from "../../playbooks/checks/running.ts";
import { standingTopology } from "../../playbooks/checks/standing-topology.ts";
import type { Running } from "../../playbooks/schemes/scheme.ts";
import { CausewayError } from "../../src/errors.ts";
import { parseDocker } from "../../src/host/tools/docker.ts";
import { parseAddresses, parseLinks, parseRoutes } from "../../src/host/tools/ip.ts";
import { Fleet } from "../../src/playbook/fleet.ts";

/** A host as far as a test says it: its networks, docker0's address, links, routes, and `task key` of what stands. */
interface Host {
  networks?: string;
  docker0?: string;
  lease?: string;
  links?: string;
  routes?: string;
  /** Interfaces of WireGuard's with their ports: `wg0 51820`. */
  encrypted?: readonly string[];
  standing?: readonly string[];
  stopped?: boolean;
  swarm?: boolean;
}

function fleetOf(hosts: readonly Host[]) {
  const views = hosts.map((host, i) => ({
    name: `h${i}`,
    address: `10.0.0.${200 + i}`,
    groups: ["docker"],
    vars: {},
    facts: { running: runningOn(host) },
  }));
  return new Fleet(views, () => new Set(views.map(({ name }) => name)));
}

function told(...hosts: Host[]): string {
  const fleet = fleetOf(hosts);
  const scheme = schemeOf(fleet);
  if (scheme instanceof CausewayError) return `${scheme.message}: ${scheme.detail.found}`;
  const shims = scheme
    .proof(fleet.hosts.map(({ name }) => name))
    .pairs?.filter((p) => p.expected === "reachable");
  return shims ? `${scheme.words}, shims: ${shims.map(({ from }) => from)}` : scheme.words;
}

function runningOn({
  networks = "",
  docker0,
  lease = "",
  links = "",
  routes = "",
  encrypted = [],
  standing = [],
  stopped,
  swarm,
}: Host): Running {
  const named = networks.split("\n").filter(Boolean);
  // No interface is asked of them, and a subnet of some only.
  const lines = ["b bridge local bridge", ...named].map((line) =>
    line.replace(/^(\S+ \S+ \S+) (\S+)$/, "$1 - - $2").replace(/^(\S+ \S+ \S+) (\S+,) (\S+)$/, "$1 - $2 $3"),
  );
  return {
    docker: parseDocker(stopped ? "stopped" : `running 20.10.5\n${lines.join("\n")}\n--\n`),
    said: {
      "flannel-subnet": [lease],
      wireguard: encrypted,
      ...(swarm ? { swarm: ["member"] } : {}),
    },
    addresses:
      docker0 === undefined ? [] : parseAddresses(`3: docker0    inet ${docker0} scope global docker0`),
    links: parseLinks(links),
    routes: parseRoutes(routes),
    standing: standing.map((words) => {
      const [task = "", key = ""] = words.split(" ");
      return { owner: "x", task, key, what: "w", from: null, to: null };
    }),
  };
}

const flannel1 = "5: flannel.1: <BROADCAST,UP> mtu 1450 qdisc noqueue state UNKNOWN";
const shim =
  "6: macvlan-shim@eth0: <BROADCAST,UP> mtu 1500 qdisc noqueue state UP \\    link/ether 0a:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff \\    macvlan mode bridge";
const routed = (i: number) => `192.168.${i}.0/24 via 10.0.0.${i} dev eth0`;

test.each<[string, Host[], string]>([
  ["nothing", [{}, { stopped: true }], "no host runs a scheme: h0: none\nh1: none; Docker is stopped"],
  ["routes by hand to each other", [{ routes: routed(201) }, { routes: routed(200) }], "static-route"],
  [
    "a route of an operator's elsewhere",
    [{ routes: "10.9.0.0/16 via 10.0.0.1 dev eth0" }],
    "no host runs a scheme: h0: none",
  ],
  [
    "what causeway did, although the route was lost since and Docker is down",
    [
      { standing: ["docker-bip docker0", "static-route 192.168.201.0/24"], stopped: true },
      { routes: routed(200) },
    ],
    "static-route",
  ],
  [
    "flannel by hand, in host-gw",
    [
      { docker0: "192.168.5.1/24", lease: "192.168.5.1/24", routes: routed(201) },
      { docker0: "192.168.6.1/24", lease: "192.168.6.1/24", routes: routed(200) },
    ],
    "flannel (host-gw)",
  ],
  [
    "flannel whose device is gone from one host",
    [{ standing: ["flanneld-config flanneld"], links: flannel1 }, { standing: ["flanneld-config flanneld"] }],
    "flannel (vxlan)",
  ],
  [
    "an old lease beside another scheme",
    [{ docker0: "172.17.0.1/16", lease: "192.168.5.1/24", networks: "a macvlan local lan" }],
    "macvlan (lan), shims: ",
  ],
  [
    "macvlan, with a shim on one host",
    [{ networks: "a macvlan local macvlan_1", links: shim }, { standing: ["macvlan-net macvlan_1"] }],
    "macvlan (macvlan_1), shims: h0",
  ],
  [
    "macvlan with IPv6, which one host does not tell",
    [
      { networks: "a macvlan local 172.16.10.0/24,fd00:16:10::/64, macvlan_1" },
      { standing: ["macvlan-net macvlan_1"] },
    ],
    "macvlan (macvlan_1, IPv4 and IPv6), shims: ",
  ],
  [
    "overlay, which one host only sees, and a swarm's beside it",
    [
      { standing: ["consul-agent consul", "dockerd-cluster-store cluster-store", "overlay-net overlay_1"] },
      {
        standing: ["consul-agent consul", "dockerd-cluster-store cluster-store"],
        networks: "a overlay global overlay_1\nb overlay swarm ingress",
      },
    ],
    "overlay (overlay_1)",
  ],
  [
    "a swarm that causeway made: one host made the network, and a worker lists it only with a container on it",
    [
      {
        standing: ["swarm-node swarm", "swarm-net net"],
        networks: "a overlay swarm net\nb overlay swarm ingress",
      },
      { standing: ["swarm-node swarm"] },
    ],
    "swarm (net)",
  ],
  [
    "a swarm by hand, whose worker does not list the network",
    [{ networks: "a overlay swarm net\nb overlay swarm ingress", swarm: true }, { swarm: true }],
    "swarm (net)",
  ],
  [
    "two schemes",
    [
      { standing: ["static-route 192.168.201.0/24"] },
      { standing: ["flanneld-config flanneld"], links: flannel1 },
    ],
    "the hosts run different schemes: h0: static-route\nh1: flannel (vxlan)",
  ],
  [
    "an encrypted link of causeway's, whose routes are no static routes: the one that they lead over",
    [
      {
        standing: ["static-route peers", "wireguard-link wg-causeway0", "wireguard-link wg-causeway1"],
        routes: "192.168.201.0/24 dev wg-causeway1 proto 202",
        encrypted: ["wg-causeway1 51821"],
      },
    ],
    "wireguard (wg-causeway1)",
  ],
  [
    "one by hand",
    [
      { docker0: "192.168.1.1/24", routes: "192.168.2.0/24 dev wg0", encrypted: ["wg0 51820"] },
      { docker0: "192.168.2.1/24", routes: "192.168.1.0/24 dev wg0", encrypted: ["wg0 51820"] },
    ],
    "wireguard (wg0)",
  ],
  [
    "a VPN of an operator's, which leads to no containers",
    [{ docker0: "172.17.0.1/16", routes: "10.8.0.0/24 dev wg0", encrypted: ["wg0 51820"] }],
    "no host runs a scheme: h0: none",
  ],
  [
    "one host without any",
    [{ networks: "a overlay global o" }, {}],
    "the hosts run different schemes: h0: overlay (o)\nh1: none",
  ],
  [
    "two on one host, by hand",
    [{ networks: "a overlay global o\nb macvlan local m" }],
    "the hosts run different schemes: h0: macvlan (m) and overlay (o)",
  ],
])("%s", (_, hosts, expected) => {
  expect(told(...hosts)).toBe(expected);
});

test.each<[scheme: string, hosts: Host[], topology: string]>([
  [
    "static-route",
    [
      { docker0: "192.168.5.1/24", routes: routed(201) },
      { docker0: "192.168.6.1/24", routes: routed(200) },
    ],
    "routes, static-route: h0 192.168.5.0/24, h1 192.168.6.0/24",
  ],
  [
    "flannel, of which one host's Docker has no subnet yet",
    [
      { standing: ["flanneld-config flanneld"], links: flannel1, docker0: "192.168.5.1/24" },
      { standing: ["flanneld-config flanneld"], links: flannel1 },
    ],
    "tunnel, flannel (vxlan), UDP 8472: h0 192.168.5.0/24, h1",
  ],
  [
    "WireGuard",
    [
      {
        standing: ["wireguard-link wg-causeway0"],
        encrypted: ["wg-causeway0 51821"],
        docker0: "192.168.5.1/24",
      },
    ],
    "tunnel, wireguard (wg-causeway0), UDP 51821: h0 192.168.5.0/24",
  ],
  ["macvlan", [{ networks: "a macvlan local lan" }], "segment, macvlan (lan): h0"],
])("the topology of a standing %s", (_, hosts, expected) => {
  const fleet = fleetOf(hosts);
  const scheme = schemeOf(fleet);
  if (scheme instanceof CausewayError) throw scheme;
  const { by, words, hosts: drawn } = standingTopology(scheme, fleet);
  const names = drawn.map(({ name, subnet }) => [name, subnet].filter(Boolean).join(" "));
  expect(`${by}, ${words}: ${names.join(", ")}`).toBe(expected);
});
