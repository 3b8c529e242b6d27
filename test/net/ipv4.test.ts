import { describe, expect, test } from "vitest";
import {
  aggregate,
  contains,
  formatAddress,
  formatNetwork,
  lastAddress,
  type Network,
  networkOf,
  overlaps,
  parseAddress,
  parseInterface,
  subnetOf,
} from "../../src/net/ipv4.ts";

const network = (text: string): Network => {
  const found = networkOf(text);
  if (!found) throw new Error(`${text} is no network`);
  return found;
};
const address = (text: string): number => parseAddress(text) ?? Number.NaN;

describe("addresses", () => {
  test.each([
    ["0.0.0.0", 0],
    ["10.0.0.1", 0x0a000001],
    ["192.168.100.1", 0xc0a86401],
    ["255.255.255.255", 0xffffffff],
  ])("%s", (text, value) => {
    expect(parseAddress(text)).toBe(value);
    expect(formatAddress(value)).toBe(text);
  });

  test.each([
    "",
    "10.0.0",
    "10.0.0.0.1",
    "10.0.0.256",
    "10.0.0.-1",
    "10.0.0.1 ",
    "10.0.0.x",
    "::1",
    "010.0.0.1",
    "10.0.0.01",
    "10.0.0.1/24",
    "10.0.0.1\n",
  ])("%j is none", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe("an address with its prefix", () => {
  test.each([
    ["192.168.100.1/24", "192.168.100.0/24", "192.168.100.255"],
    ["10.213.0.200/16", "10.213.0.0/16", "10.213.255.255"],
    ["10.0.0.7/32", "10.0.0.7/32", "10.0.0.7"],
    ["10.0.0.7/31", "10.0.0.6/31", "10.0.0.7"],
    ["200.1.2.3/0", "0.0.0.0/0", "255.255.255.255"],
    ["255.255.255.255/1", "128.0.0.0/1", "255.255.255.255"],
    ["172.16.19.5/20", "172.16.16.0/20", "172.16.31.255"],
  ])("%s lies in %s, which ends with %s", (text, net, last) => {
    expect(formatNetwork(network(text))).toBe(net);
    expect(subnetOf(text)).toBe(net);
    expect(formatAddress(lastAddress(network(text)))).toBe(last);
  });

  test.each([
    "10.0.0.1",
    "10.0.0.1/",
    "10.0.0.1/33",
    "10.0.0.1/-1",
    "10.0.0.1/08",
    "10.0.0.1/24/8",
    "/24",
    "10.0.0.1/ 8",
  ])("%j is none", (text) => {
    expect(parseInterface(text)).toBeUndefined();
    expect(networkOf(text)).toBeUndefined();
    expect(subnetOf(text)).toBe(text);
  });

  test("the address itself is kept", () => {
    expect(parseInterface("192.168.100.1/24")).toEqual({ address: 0xc0a86401, prefix: 24 });
  });
});

test.each([
  ["192.168.100.0/24", "192.168.100.0", true],
  ["192.168.100.0/24", "192.168.100.255", true],
  ["192.168.100.0/24", "192.168.101.0", false],
  ["192.168.100.0/24", "192.168.99.255", false],
  ["0.0.0.0/0", "255.255.255.255", true],
])("%s contains %s: %s", (net, one, expected) => {
  expect(contains(network(net), address(one))).toBe(expected);
});

test.each([
  ["192.168.100.0/24", "192.168.100.0/24", true],
  ["192.168.0.0/16", "192.168.100.0/24", true],
  ["192.168.100.0/24", "192.168.101.0/24", false],
  ["10.0.0.0/9", "10.128.0.0/9", false],
  ["0.0.0.0/0", "10.0.0.1/32", true],
])("%s and %s overlap, either way round: %s", (a, b, expected) => {
  expect(overlaps(network(a), network(b))).toBe(expected);
  expect(overlaps(network(b), network(a))).toBe(expected);
});

describe("the fewest networks that hold exactly the same addresses", () => {
  test.each([
    [[], []],
    [["10.0.0.0/24"], ["10.0.0.0/24"]],
    [["10.0.0.0/24", "10.0.1.0/24"], ["10.0.0.0/23"]],
    // Beside each other, and not halves of one.
    [
      ["10.0.1.0/24", "10.0.2.0/24"],
      ["10.0.1.0/24", "10.0.2.0/24"],
    ],
    [["10.0.3.0/24", "10.0.0.0/24", "10.0.2.0/24", "10.0.1.0/24"], ["10.0.0.0/22"]],
    [
      ["10.0.0.0/25", "10.0.0.128/25", "10.0.1.0/24", "10.0.3.0/24"],
      ["10.0.0.0/23", "10.0.3.0/24"],
    ],
    // One that lies in another, and one twice.
    [["10.0.0.0/16", "10.0.9.0/24", "10.0.0.0/16"], ["10.0.0.0/16"]],
    [["0.0.0.0/1", "128.0.0.0/1"], ["0.0.0.0/0"]],
    [["192.168.100.1/32", "192.168.100.0/32"], ["192.168.100.0/31"]],
  ])("%j", (all, expected) => {
    expect(aggregate(all.map(network)).map(formatNetwork)).toEqual(expected);
  });
});
