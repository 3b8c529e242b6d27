import { describe, expect, test } from "vitest";
import { encryptedContainers } from "../../../playbooks/schemes/wireguard.ts";
import { parseCounters } from "../../../src/host/tools/iptables.ts";
import { causeOf } from "../../../tasks/ping-check/cause.ts";
import { outerAddress, outerFamily, overheadOf } from "../../../tasks/ping-check/outer.ts";
import type { HostFacts, PairFacts } from "../../../tasks/ping-check/wire.ts";
import { addressIn } from "../../../tasks/wireguard-link/peers.ts";
import { wireOf } from "./wires.ts";

const endpoints = new Map([
  ["a", "fd00:10::1"],
  ["b", "fd00:10::2"],
  ["c", "10.0.0.3"],
]);
const { wire } = encryptedContainers("wg-causeway0", 51820, { endpoints }).proof([]);
const tunnel = wire?.tunnel ?? { port: 0, overhead: 0 };

test.each([
  ["10.0.0.1:51820", "10.0.0.1"],
  ["[fd00:10::1]:51820", "fd00:10::1"],
  ["a.example.org:51820", undefined],
  ["", undefined],
])("the address in %j", (endpoint, address) => expect(addressIn(endpoint)).toBe(address));

test.each<[string, string, 4 | 6, number]>([
  ["a", "b", 6, 80],
  ["a", "c", 4, 60],
  ["c", "a", 6, 80],
  // It has none of its own, and calls.
  ["a", "hidden", 6, 80],
  ["hidden", "c", 4, 60],
])("a tunnel's packets from %s to %s", (from, to, family, bytes) => {
  expect([outerFamily(tunnel, from, to), overheadOf(tunnel, from, to)]).toEqual([family, bytes]);
});

test("a tunnel of which nothing is said is one of IPv4, between the hosts' own addresses", () => {
  const { tunnel: vxlan = tunnel } = wireOf("flannel-vxlan");
  expect([outerFamily(vxlan, "a", "b"), overheadOf(vxlan, "a", "b")]).toEqual([4, 50]);
  expect(outerAddress({ name: "a", address: "fd00::1" }, vxlan)).toBe("fd00::1");
  expect(outerAddress({ name: "a", address: "10.0.0.1" }, tunnel)).toBe("fd00:10::1");
});

describe("what drops a tunnel's packets is looked for in the tables of their own family", () => {
  const link = (name: string, mtu: number) => ({ name, mtu, index: 1, up: true });
  const end = (name: string, address: string, container: string): HostFacts => ({
    name,
    address,
    hops: [address],
    container,
    underlay: "eth0",
    links: [link("eth0", 1500), link("docker0", 1500), link("wg-causeway0", 1420)],
    moved: [],
  });
  const a = end("a", "fd00:10::1", "192.168.1.2");
  const b = end("b", "fd00:10::2", "192.168.2.2");
  const lost = { loss: 100, rtt: undefined, caller: undefined, resolved: undefined, promised: 1420 };
  const pair = (over: Partial<PairFacts>): PairFacts => ({
    family: 4,
    from: a,
    to: b,
    tried: { ...lost, crossed: false },
    arrived: false,
    sent: 5,
    wayThere: "192.168.2.2 dev wg-causeway0",
    wayBack: "192.168.1.2 dev wg-causeway0",
    ...over,
  });
  const counted = (rule: string) => parseCounters(`*filter\n[9:1000] -A INPUT ${rule} -j DROP`);
  const drop = counted("-s fd00:10::1/128 -p udp -m udp --dport 51820");

  test.each<[string, PairFacts, RegExp, string]>([
    [
      "containers of IPv4 in a tunnel of IPv6",
      pair({ to: { ...b, outerMoved: drop } }),
      /b drops it by INPUT -s fd00:10::1/,
      "ip6tables -vnL INPUT",
    ],
    [
      "containers of IPv6 in a tunnel of IPv6",
      pair({ family: 6, to: { ...b, moved: drop } }),
      /b drops it by INPUT -s fd00:10::1/,
      "ip6tables -vnL INPUT",
    ],
    [
      "a rule of the containers' family that has nothing to do with it",
      pair({ to: { ...b, moved: counted("-p udp -m udp --dport 51820"), outerMoved: [] } }),
      /the request leaves and does not arrive$/,
      "tcpdump -ni any udp port 51820",
    ],
    [
      "containers of IPv6 in a tunnel of IPv4",
      pair({
        family: 6,
        to: { ...end("c", "10.0.0.3", "fd00::2"), outerMoved: counted("-p udp -m udp --dport 51820") },
      }),
      /c drops it by INPUT -p udp/,
      "iptables -vnL INPUT",
    ],
  ])("%s", (_, facts, words, command) => {
    const found = causeOf(facts, wire as never);
    expect(found.cause).toMatch(/^one-way tunnel: UDP 51820 from a to [bc] /);
    expect(found.cause).toMatch(words);
    expect(found.command).toBe(command);
  });

  test("a network between the hosts that carries a packet in IPv4, and not in the longer header of IPv6", () => {
    const narrow = [link("eth0", 1480), link("docker0", 1500), link("wg-causeway0", 1420)];
    const tried = { ...lost, loss: 0, caller: a.container, crossed: true };
    const found = causeOf(pair({ tried, from: { ...a, links: narrow } }), wire as never);
    expect(found.cause).toMatch(/^MTU: no packet of more than 1400 bytes .*; eth0 of a has an MTU of 1480$/);
    const to = end("c", "10.0.0.3", "192.168.3.2");
    expect(causeOf(pair({ tried, from: { ...a, links: narrow }, to }), wire as never).cause).not.toMatch(
      /^MTU/,
    );
  });
});
