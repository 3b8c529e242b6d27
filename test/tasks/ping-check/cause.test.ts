import { describe, expect, it } from "vitest";
import type { LinkState } from "../../../playbooks/schemes/wireguard.ts";
import { parseCounters } from "../../../src/host/tools/iptables.ts";
import { causeOf } from "../../../tasks/ping-check/cause.ts";

import type { Tried } from "../../../tasks/ping-check/pings.ts";
import type { HostFacts, PairFacts } from "../../../tasks/ping-check/wire.ts";
import { wireOf } from "./wires.ts";

const link = (name: string, mtu: number) => ({ name, mtu, index: 1, up: true });
const links = [link("eth0", 1500), link("docker0", 1500), link("flannel.1", 1450)];
const a: HostFacts = {
  name: "a",
  address: "10.0.0.1",
  hops: ["10.0.0.1"],
  container: "192.168.1.2",
  underlay: "eth0",
  links,
  moved: [],
};
const b: HostFacts = { ...a, name: "b", address: "10.0.0.2", hops: ["10.0.0.2"], container: "192.168.2.2" };
const lost: Tried = {
  loss: 100,
  rtt: undefined,
  caller: undefined,
  resolved: undefined,
  promised: 1500,
  crossed: false,
};
const fine: Tried = {
  loss: 0,
  rtt: 1,
  caller: a.container,
  resolved: undefined,
  promised: 1500,
  crossed: true,
};
const routed = {
  wayThere: "192.168.2.2 via 10.0.0.2 dev eth0",
  wayBack: "192.168.1.2 via 10.0.0.1 dev eth0",
};
const inTunnel = {
  wayThere: "192.168.2.2 via 192.168.2.0 dev flannel.1",
  wayBack: "192.168.1.2 via 192.168.1.0 dev flannel.1",
};
const pair = (over: Partial<PairFacts> = {}): PairFacts => ({
  family: 4,
  from: a,
  to: b,
  tried: lost,
  arrived: false,
  sent: 5,
  ...routed,
  ...over,
});
const moved = (...lines: string[]) => parseCounters(lines.join("\n"));
const lease = { active: "active", subnet: "192.168.2.1/24", docker0: "192.168.2.1/24", farEnds: [] };
const mac = (last: number) => `0e:f1:0a:00:00:0${last}`;
const vxlanTo = (address: string, ...macs: string[]) => ({
  own: { ...lease, farEnds: macs.map((m) => ({ mac: m, address })) },
  links: [...links.slice(0, 2), { ...link("flannel.1", 1450), mac: mac(address === "10.0.0.2" ? 1 : 2) }],
});
const inSwarm = (over: object = {}) => ({ state: "active", error: "", node: "1", isManager: false, ...over });
const drop = "[7:588] -A FORWARD -s 192.168.1.0/24 -j DROP";

const [keyA, keyB, keyC] = ["A", "B", "C"].map((letter) => `${letter.repeat(43)}=`) as [
  string,
  string,
  string,
];
const encrypted = {
  wayThere: "192.168.2.2 dev wg-causeway0 src 192.168.1.1",
  wayBack: "192.168.1.2 dev wg-causeway0 src 192.168.2.1",
};
/** An encrypted interface that has one peer; `handshake` is so many seconds ago. */
const linked = (
  publicKey: string,
  peer: string,
  subnets: string[],
  handshake: number | "never" = 10,
): Pick<HostFacts<LinkState>, "own"> => ({
  own: {
    active: "active",
    now: 9000,
    running: {
      publicKey,
      port: 51820,
      peers: new Map([[peer, { subnets, handshake: handshake === "never" ? 0 : 9000 - handshake }]]),
    },
  },
});
const [ofA, ofB] = [linked(keyA, keyB, ["192.168.2.0/24"]), linked(keyB, keyA, ["192.168.1.0/24"])];

describe("the cause of a failed pair", () => {
  it.each<[string, PairFacts, string | undefined, RegExp, string?]>([
    [
      "a route that is gone",
      pair({ wayThere: "192.168.2.2 via 10.0.0.254 dev eth0" }),
      "routed",
      /^missing route: a has no route to 192\.168\.2\.2 by b/,
    ],
    [
      "the way back that is gone",
      pair({ wayBack: "" }),
      "routed",
      /^missing route: b has no route to 192\.168\.1\.2 by a: none at all/,
      "b",
    ],
    [
      "an address that only begins like the peer's",
      pair({ wayThere: "192.168.2.2 via 10.0.0.20 dev eth0" }),
      "routed",
      /^missing route: a/,
    ],
    ["a route beside the tunnel", pair(), "flannel-vxlan", /^missing route: a/],
    [
      "forwarding that a file switched off, whatever is said of routes",
      pair({
        to: { ...b, forwardingOff: [{ key: "net.ipv4.ip_forward", file: "/etc/sysctl.d/99-cis.conf" }] },
        wayBack: "",
      }),
      "routed",
      /^forwarding off: b does not forward \(net\.ipv4\.ip_forward = 0\); \/etc\/sysctl\.d\/99-cis\.conf says so$/,
      "b",
    ],
    [
      "a disk that is full where the sender is",
      pair({
        tried: { ...lost, loss: undefined, failed: "write /tmp/runc-process1: no space left on device" },
      }),
      "routed",
      /^the ping could not be tried: Docker on a ran nothing in its container: write \/tmp\/runc-process1: no space left on device$/,
    ],
    [
      "forwarding of one device",
      pair({ from: { ...a, forwardingOff: [{ key: "net.ipv4.conf.docker0.forwarding" }] } }),
      "flannel-vxlan",
      /^forwarding off: a does not forward \(net\.ipv4\.conf\.docker0\.forwarding = 0\)$/,
    ],
    [
      "Docker's rules that were flushed",
      pair({ to: { ...b, flushed: true, moved: moved("*filter", ":FORWARD DROP [9:700]") } }),
      "routed",
      /^rules flushed: nothing leads to DOCKER-USER on b, so it drops it by FORWARD policy DROP \(\+9 packets\); restart docker there$/,
      "b",
    ],
    [
      "a policy of the other iptables",
      pair({
        from: {
          ...a,
          otherMoved: { tool: "iptables-legacy", moved: moved("*filter", ":FORWARD DROP [9:700]") },
        },
      }),
      "routed",
      /^FORWARD drop: a drops it by FORWARD policy DROP \(\+9 packets\) in the other iptables, iptables-legacy$/,
    ],
    [
      "pings of others that arrive as well",
      pair({ arrived: undefined }),
      "routed",
      /^no answer: whether the requests arrive on b cannot be told/,
      "b",
    ],
    [
      "a rule whose counter moved",
      pair({ to: { ...b, moved: moved("*filter", drop) } }),
      "routed",
      /^FORWARD drop: b drops it by FORWARD -s 192\.168\.1\.0\/24 -j DROP \(\+7 packets\)/,
      "b",
    ],
    [
      "Docker 28's own rule before all others",
      pair({
        to: {
          ...b,
          moved: moved("*raw", "[9:756] -A PREROUTING -d 192.168.2.2/32 ! -i docker0 -j DROP"),
        },
      }),
      "routed",
      /^direct routing: Docker on b lets no other host reach .*: raw PREROUTING -d \S+ ! -i docker0 -j DROP \(\+9 packets\); run the playbook again, or set "allow-direct-routing": true/,
      "b",
    ],
    [
      "a port that is closed to strangers, beside the rule that drops it",
      pair({
        to: {
          ...b,
          moved: [...moved("*filter", "[30:900] -A CAUSEWAY-PORT-2379 -j DROP"), ...moved("*filter", drop)],
        },
      }),
      "routed",
      /^FORWARD drop: b drops it by FORWARD -s/,
      "b",
    ],
    [
      "a policy whose counter moved",
      pair({ to: { ...b, moved: moved("*filter", ":FORWARD DROP [9:700]") } }),
      "routed",
      /^FORWARD drop: b drops it by FORWARD policy DROP \(\+9 packets\)/,
      "b",
    ],
    [
      "a rule that moved by less than was sent",
      pair({ to: { ...b, moved: moved("*filter", drop.replace("7", "4")) } }),
      "routed",
      /^no answer/,
      "b",
    ],
    [
      "a rule that is about others",
      pair({ to: { ...b, moved: moved("*filter", drop.replace("1.0", "7.0")) } }),
      "routed",
      /^no answer/,
      "b",
    ],
    [
      "a rule for another protocol",
      pair({ to: { ...b, moved: moved("*filter", drop.replace("-j", "-p tcp -j")) } }),
      "routed",
      /^no answer/,
      "b",
    ],
    [
      "another source seen",
      pair({ tried: { ...fine, caller: "10.0.0.1" } }),
      "routed",
      /^masqueraded source: b saw 10\.0\.0\.1 instead of 192\.168\.1\.2$/,
    ],
    [
      "a source rewritten, and dropped for that",
      pair({
        from: { ...a, moved: moved("*nat", "[6:504] -A POSTROUTING -s 192.168.1.0/24 -j MASQUERADE") },
        to: { ...b, moved: moved("*filter", ":FORWARD DROP [9:700]") },
      }),
      "routed",
      /^masqueraded source: .* a rewrites it by nat POSTROUTING -s .* -j MASQUERADE/,
    ],
    [
      "a tunnel that does not lead there",
      pair(inTunnel),
      "flannel-vxlan",
      /^one-way tunnel: UDP 8472 from a to b does not get through: the request/,
      "b",
    ],
    [
      "a tunnel that does not lead back",
      pair({ ...inTunnel, arrived: true }),
      "flannel-vxlan",
      /^one-way tunnel: UDP 8472 from b to a does not get through: the answer/,
    ],
    [
      "a far end that the sender's flanneld missed",
      pair({
        ...inTunnel,
        from: { ...a, ...vxlanTo("10.0.0.2", mac(9)) },
        to: { ...b, ...vxlanTo("10.0.0.1", mac(1)) },
      }),
      "flannel-vxlan",
      /: a knows 0e:f1:0a:00:00:09 for b, whose flannel\.1 has 0e:f1:0a:00:00:02; restart flanneld on a$/,
    ],
    [
      "a far end that the other's flanneld missed",
      pair({
        ...inTunnel,
        from: { ...a, ...vxlanTo("10.0.0.2", mac(2)) },
        to: { ...b, ...vxlanTo("10.0.0.1") },
        arrived: true,
      }),
      "flannel-vxlan",
      /: b knows no MAC for a, whose flannel\.1 has 0e:f1:0a:00:00:01; restart flanneld on b$/,
      "b",
    ],
    [
      "a tunnel whose far ends are right",
      pair({
        ...inTunnel,
        from: { ...a, ...vxlanTo("10.0.0.2", mac(9), mac(2)) },
        to: { ...b, ...vxlanTo("10.0.0.1", mac(1)) },
      }),
      "flannel-vxlan",
      /: the request leaves and does not arrive$/,
      "b",
    ],
    [
      "the rule that drops the tunnel",
      pair({
        to: {
          ...b,
          moved: moved("*filter", "[5:670] -A INPUT -s 10.0.0.1/32 -p udp -m udp --dport 4789 -j DROP"),
        },
      }),
      "overlay",
      /^one-way tunnel: UDP 4789 from a to b .*; b drops it by INPUT -s 10\.0\.0\.1\/32/,
      "b",
    ],
    [
      "an MTU that is known",
      pair({
        tried: { ...fine, crossed: false },
        largest: 1400,
        from: { ...a, links: [link("eth0", 1400)] },
      }),
      "routed",
      /^MTU: no packet of more than 1400 bytes .* promises 1500; eth0 of a has an MTU of 1400$/,
    ],
    [
      "an MTU somewhere between",
      pair({ tried: { ...fine, crossed: false }, largest: 1452 }),
      "routed",
      /^MTU: no packet of more than 1452 bytes .*; something between the hosts/,
    ],
    [
      "a tunnel cut in pieces below",
      pair({ ...inTunnel, tried: { ...fine, promised: 1450 }, from: { ...a, links: [link("eth0", 1400)] } }),
      "flannel-vxlan",
      /^MTU: no packet of more than 1350 bytes .*eth0 of a has an MTU of 1400$/,
    ],
    [
      "no subnet.env",
      pair({ to: { ...b, own: { ...lease, subnet: "", active: "activating" } } }),
      "flannel-vxlan",
      /^no lease: b has no \/run\/flannel\/subnet\.env, and flanneld is activating/,
      "b",
    ],
    [
      "docker0 outside the lease",
      pair({ to: { ...b, own: { ...lease, docker0: "172.17.0.1/16" } } }),
      "flannel-vxlan",
      /^no lease: docker0 of b has 172\.17\.0\.1\/16 where the lease is 192\.168\.2\.1\/24/,
      "b",
    ],
    [
      "a flanneld that is down while all stands",
      pair({ ...inTunnel, to: { ...b, own: { ...lease, active: "failed" } } }),
      "flannel-vxlan",
      /^one-way tunnel/,
      "b",
    ],
    [
      "a flanneld that took its device along",
      pair({ to: { ...b, own: { ...lease, active: "failed" } } }),
      "flannel-udp",
      /^no lease: flanneld is failed on b/,
      "b",
    ],
    [
      "a store that is away",
      pair({
        to: {
          ...b,
          container: "",
          unstarted: "network not found",
          own: { url: "consul://127.0.0.1:8500", trouble: "connection refused", stuck: 0, alone: false },
        },
      }),
      "overlay",
      /^store unreachable: b asked consul:\/\/127\.0\.0\.1:8500: connection refused/,
      "b",
    ],
    [
      "a manager without a quorum, where no container starts",
      pair({ to: { ...b, container: "", unstarted: "no leader", own: inSwarm({ isManager: true }) } }),
      "swarm",
      /^no quorum: b is a manager, and most managers do not answer: no leader$/,
      "b",
    ],
    [
      "no quorum, and packets that get through",
      pair({
        to: { ...b, own: inSwarm({ isManager: true }) },
        tried: { ...fine, resolved: "", promised: 1450 },
      }),
      "swarm",
      /^name: /,
    ],
    [
      "a host that left the swarm",
      pair({ from: { ...a, own: inSwarm({ state: "inactive" }) } }),
      "swarm",
      /^node down: a is not in the swarm: inactive$/,
    ],
    [
      "a host that the manager does not hear",
      pair({
        from: { ...a, own: inSwarm({ node: "2" }) },
        to: {
          ...b,
          own: { ...inSwarm({ isManager: true }), swarm: { nodes: [{ id: "2", state: "down" }] } },
        },
      }),
      "swarm",
      /^node down: the managers count a as down/,
      "b",
    ],
    [
      "the data port alone",
      pair({ from: { ...a, own: inSwarm() }, to: { ...b, own: inSwarm() } }),
      "swarm",
      /^data port filtered: UDP 4789 from a to b does not get through/,
      "b",
    ],
    [
      "a Docker that met no other, before the tunnel is blamed",
      pair({ to: { ...b, own: { url: "", trouble: "", stuck: 0, alone: true } } }),
      "overlay",
      /^Docker alone: Docker on b connected to no other host's Docker .*: restart docker there$/,
      "b",
    ],
    [
      "a container that did not start",
      pair({ to: { ...b, container: "", unstarted: "network x not found" } }),
      "macvlan",
      /^no container on b: network x not found/,
      "b",
    ],
    [
      "a name without an address",
      pair({ tried: { ...fine, resolved: "", promised: 1450 } }),
      "overlay",
      /^name: the container of b .* its name has no address/,
    ],
    [
      "a name without an address, and a Docker that is stuck",
      pair({
        from: { ...a, own: { url: "consul://127.0.0.1:8500", trouble: "", stuck: 2, alone: false } },
        tried: { ...fine, resolved: "", promised: 1450 },
      }),
      "overlay",
      /^name: .*; 2 threads of Docker on a are stuck in the namespace .* restart docker there$/,
    ],
    [
      "a name without an address over a store, and nothing else to see",
      pair({
        from: { ...a, own: { url: "consul://127.0.0.1:8500", trouble: "", stuck: 0, alone: false } },
        tried: { ...fine, resolved: "", promised: 1450 },
      }),
      "overlay",
      /^name: .*; Docker on a learns no names of others .*: restart docker there$/,
    ],
    [
      "an encrypted interface that is gone",
      pair({
        ...encrypted,
        from: { ...a, ...ofA },
        to: { ...b, own: { active: "inactive", now: 9000, running: undefined } },
      }),
      "wireguard",
      /^device gone: b has no wg-causeway0, and its unit is inactive$/,
      "b",
    ],
    [
      "subnets that are no peer's",
      pair({ ...encrypted, from: { ...a, ...linked(keyA, keyB, []) }, to: { ...b, ...ofB } }),
      "wireguard",
      /^AllowedIPs: a has no way to 192\.168\.2\.2 by b: it is no peer's/,
    ],
    [
      "a peer that is known by another key, on the far side",
      pair({ ...encrypted, from: { ...a, ...ofA }, to: { ...b, ...linked(keyB, keyC, ["192.168.1.0/24"]) } }),
      "wireguard",
      /^AllowedIPs: b has no way to 192\.168\.1\.2 by a: it is the peer's with the key C{43}=, not A{43}=/,
      "b",
    ],
    [
      "two that never met, and the rule that drops the first word",
      pair({
        ...encrypted,
        from: { ...a, ...linked(keyA, keyB, ["192.168.2.0/24"], "never") },
        to: {
          ...b,
          ...linked(keyB, keyA, ["192.168.1.0/24"], "never"),
          moved: moved("*filter", "[1:176] -A INPUT -p udp -m udp --dport 51820 -j DROP"),
        },
      }),
      "wireguard",
      /^no handshake: a and b have never met: UDP 51820 .*; b drops it by INPUT .*--dport 51820/,
      "b",
    ],
    [
      "a handshake that is too old",
      pair({
        ...encrypted,
        from: { ...a, ...linked(keyA, keyB, ["192.168.2.0/24"], 300) },
        to: { ...b, ...ofB },
      }),
      "wireguard",
      /^no handshake: a and b last met 5 minutes ago/,
    ],
    [
      "what is dropped since, where the last handshake still looks well",
      pair({
        ...encrypted,
        from: { ...a, ...ofA },
        to: {
          ...b,
          ...ofB,
          moved: moved("*filter", "[9:1000] -A INPUT -p udp -m udp --dport 51820 -j DROP"),
        },
      }),
      "wireguard",
      /^one-way tunnel: UDP 51820 from a to b .*b drops it by INPUT/,
      "b",
    ],
    ["nothing that can be seen", pair({ arrived: true }), "routed", /^no answer: the requests arrive on b/],
  ])("%s", (_, facts, wire, words, on) => {
    const { cause, commandOn } = causeOf(facts, wire === undefined ? undefined : wireOf(wire));
    expect(cause).toMatch(words);
    expect(commandOn).toBe(on);
  });
});

describe("IPv6", () => {
  const a6: HostFacts = { ...a, hops: ["fd00:10::1", "fe80::1"], container: "fd00:30:1::2" };
  const b6: HostFacts = { ...b, hops: ["fd00:10::2", "fe80::2"], container: "fd00:30:2::2" };
  const pair6 = (over: Partial<PairFacts> = {}) =>
    pair({
      family: 6,
      from: a6,
      to: b6,
      wayThere: "fd00:30:2::2 from :: via fd00:10::2 dev eth0 proto 202 src fd00:10::1",
      wayBack: "fd00:30:1::2 from :: via fd00:10::1 dev eth0 proto 202 src fd00:10::2",
      ...over,
    });
  const drop6 = "[7:588] -A FORWARD -s fd00:30:1::/64 -j DROP";

  it.each<[string, PairFacts, RegExp, string]>([
    [
      "a route that leads elsewhere",
      pair6({ wayThere: "fd00:30:2::2 from :: via fd00:10::9 dev eth0" }),
      /^missing route: a has no route to fd00:30:2::2 by b/,
      "ip route get fd00:30:2::2",
    ],
    [
      "a rule of ip6tables",
      pair6({ to: { ...b6, moved: moved("*filter", drop6) } }),
      /^FORWARD drop: b drops it by FORWARD -s fd00:30:1::\/64 -j DROP \(\+7 packets\)$/,
      "ip6tables -vnL FORWARD",
    ],
    [
      "one for its own kind of ICMP",
      pair6({ to: { ...b6, moved: moved("*filter", drop6.replace("-j", "-p ipv6-icmp -j")) } }),
      /^FORWARD drop/,
      "ip6tables -vnL FORWARD",
    ],
    [
      "a rule that is about others",
      pair6({ to: { ...b6, moved: moved("*filter", drop6.replace("30:1", "30:7")) } }),
      /^no answer/,
      "tcpdump -ni any host fd00:30:1::2",
    ],
    [
      "forwarding that is off",
      pair6({ to: { ...b6, forwardingOff: [{ key: "net.ipv6.conf.all.forwarding" }] } }),
      /^forwarding off: b does not forward \(net.ipv6.conf.all.forwarding = 0\)/,
      "sysctl net.ipv6.conf.all.forwarding",
    ],
    [
      "another source seen",
      pair6({ tried: { ...fine, caller: "fd00:10::1" } }),
      /^masqueraded source: b saw fd00:10::1 instead of fd00:30:1::2/,
      "ip6tables -t nat -vnL POSTROUTING",
    ],
  ])("%s", (_, facts, cause, command) => {
    expect(causeOf(facts, wireOf("routed"))).toMatchObject({ cause: expect.stringMatching(cause), command });
  });
});
