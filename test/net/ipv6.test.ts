import { describe, expect, test } from "vitest";
import {
  contains6,
  familyOf,
  formatAddress6,
  formatNetwork6,
  lastAddress6,
  meet,
  networkOf6,
  parseAddress6,
} from "../../src/net/ipv6.ts";

describe("addresses", () => {
  test.each([
    ["::", "::"],
    ["::1", "::1"],
    ["fd00:0030:0:0:0:0:0:1", "fd00:30::1"],
    ["FD00:30:100::1", "fd00:30:100::1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["2001:db8::", "2001:db8::"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
  ])("%s is written %s", (text, written) => {
    const address = parseAddress6(text);
    expect(address === undefined ? address : formatAddress6(address)).toBe(written);
  });

  test.each([
    "",
    ":",
    ":::",
    "1:2",
    "fd00::1::2",
    "fd00::12345",
    "fd00::g",
    "1:2:3:4:5:6:7:8::",
    "1:2:3:4:5:6:7:8:9",
    "fe80::1%eth0",
    "10.0.0.1",
    "::10.0.0.256",
  ])("“%s” is none", (text) => {
    expect(parseAddress6(text)).toBeUndefined();
  });
});

describe("networks", () => {
  test.each([
    ["fd00:30:100::1/64", "fd00:30:100::/64", "fd00:30:100:0:ffff:ffff:ffff:ffff"],
    ["fd00::f/124", "fd00::/124", "fd00::f"],
    ["fd00::1/128", "fd00::1/128", "fd00::1"],
    ["fd00::1/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ])("%s is in %s, whose last address is %s", (text, network, last) => {
    const found = networkOf6(text);
    expect(found && formatNetwork6(found)).toBe(network);
    expect(found && formatAddress6(lastAddress6(found))).toBe(last);
    expect(found && contains6(found, parseAddress6(last) ?? -1n)).toBe(true);
  });

  test.each(["fd00::/129", "fd00::", "fd00::/064", "fd00::/64/64", "10.0.0.0/8"])("%s is none", (text) => {
    expect(networkOf6(text)).toBeUndefined();
  });
});

test.each([
  ["fd00::/64", 6],
  ["10.0.0.1", 4],
])("%s is of the family %d", (text, family) => {
  expect(familyOf(text)).toBe(family);
});

test.each([
  ["fd00:30::/32", "fd00:30:100::/64", true],
  ["fd00:30:100::/64", "fd00:30:100::7", true],
  ["fd00:30:100::/64", "fd00:30:101::/64", false],
  ["10.0.0.0/8", "10.1.0.0/16", true],
  ["10.0.0.0/8", "fd00::/8", false],
  ["::/0", "0.0.0.0/0", false],
  ["fd00::/64", "none", false],
])("%s and %s meet: %s", (one, other, expected) => {
  expect(meet(one, other)).toBe(expected);
  expect(meet(other, one)).toBe(expected);
});
