import { type TSchema, Type } from "typebox";
import { describe, expect, test } from "vitest";
import { describeError } from "../../src/errors.ts";
import { distance, nearest } from "../../src/schema/nearest.ts";
import { coerce, validate, withDefaults } from "../../src/schema/schema.ts";
import {
  AbsolutePath,
  AnyCidr,
  Cidr,
  Cidr6,
  DownloadUrl,
  InterfaceCidr,
  Ipv4,
  Ipv6,
  Sha256,
  secret,
} from "../../src/schema/types.ts";

const told = (schema: TSchema, value: unknown) =>
  validate(schema, value, { code: "variables", subject: "variables" }).map(describeError);

const closed = (properties: Record<string, TSchema>) =>
  Type.Object(properties, { additionalProperties: false });

describe("what is said of a value that does not fit", () => {
  test.each<[string, TSchema, unknown, string[]]>([
    [
      "an unknown key, and the nearest",
      closed({ subnet: Type.Optional(Type.String()), name: Type.Optional(Type.String()) }),
      { subent: "x" },
      ["subent is not known here", "expected  one of subnet, name", "did you mean subnet?"],
    ],
    [
      "an unknown key where none is",
      closed({}),
      { a: 1 },
      ["a is not known here", "expected  no keys at all"],
    ],
    [
      "a missing key, in its description",
      Type.Object({ bip: InterfaceCidr({ description: "the address of docker0" }) }),
      {},
      ["bip is missing", "expected  the address of docker0"],
    ],
    [
      "a missing key, by its format",
      Type.Object({ net: Cidr() }),
      {},
      ["net is missing", "192.168.100.0/24"],
    ],
    [
      "a missing key, by its type",
      Type.Object({ n: Type.Integer() }),
      {},
      ["n is missing", "a whole number"],
    ],
    [
      "an address with a password",
      Type.Object({ url: DownloadUrl() }),
      { url: "https://me:pw@example.org/x.zip" },
      ["leave the user and password out", 'found     "https://********@example.org/x.zip"'],
    ],
    [
      "an address of another kind",
      Type.Object({ url: DownloadUrl() }),
      { url: "ftp://example.org/x.zip" },
      ["an address such as https://"],
    ],
    ["half a checksum", Type.Object({ sum: Sha256() }), { sum: "abc" }, ["64 digits and letters a to f"]],
    [
      "a text for a number",
      Type.Object({ n: Type.Integer() }),
      { n: "x" },
      ["n has the wrong type", 'found     "x"', "a whole number"],
    ],
    ["a fraction", Type.Object({ n: Type.Integer() }), { n: 1.5 }, ["found     1.5", "a whole number"]],
    ["a number for a text", Type.Object({ t: Type.String() }), { t: 1 }, ["t has the wrong type", "a text"]],
    [
      "a list for a mapping",
      Type.Object({}),
      [],
      ["the value has the wrong type", "a mapping of keys to values"],
    ],
    [
      "too small",
      Type.Object({ n: Type.Integer({ minimum: 1 }) }),
      { n: 0 },
      ["found     0", "expected  at least 1"],
    ],
    ["too large", Type.Object({ n: Type.Integer({ maximum: 9 }) }), { n: 10 }, ["expected  at most 9"]],
    [
      "an empty list",
      Type.Object({ l: Type.Array(Type.String(), { minItems: 1 }) }),
      { l: [] },
      ["a list of at least 1"],
    ],
    [
      "an item of a list",
      Type.Object({ l: Type.Array(Type.String()) }),
      { l: ["a", 2] },
      ["l.1 has the wrong type", "found     2"],
    ],
    [
      "a text too short",
      Type.Object({ t: Type.String({ minLength: 2 }) }),
      { t: "a" },
      ["a text of at least 2 characters"],
    ],
    [
      "a pattern",
      Type.Object({ t: Type.String({ pattern: "^[a-z]+$" }) }),
      { t: "A" },
      ["that matches ^[a-z]+$"],
    ],
    [
      "none of a few words, once",
      Type.Object({ image: Type.Union([Type.Literal("bullseye"), Type.Literal("bookworm")]) }),
      { image: "bulseye" },
      ["image is not an allowed value", '"bullseye" or "bookworm"', "did you mean bullseye?"],
    ],
    ["not the one word", Type.Object({ m: Type.Literal("sudo") }), { m: "su" }, ['expected  "sudo"']],
    [
      "a key with a slash",
      Type.Object({ "a/b": Type.Integer() }),
      { "a/b": "x" },
      ["a/b has the wrong type"],
    ],
  ])("%s", (_name, schema, value, words) => {
    const errors = told(schema, value);
    expect(errors).toHaveLength(1);
    for (const word of words) expect(errors[0]).toContain(word);
    expect(errors[0]).not.toMatch(/must (NOT )?(be|have|match)/);
  });

  test("all faults at once, and nothing of what is right", () => {
    const errors = told(Type.Object({ a: Type.Integer(), b: Type.String(), c: Type.Boolean() }), {
      a: "x",
      c: true,
    });
    expect(errors.map((e) => e.split("\n")[0])).toEqual(
      expect.arrayContaining(["variables: b is missing", "variables: a has the wrong type"]),
    );
    expect(errors).toHaveLength(2);
  });

  test("the place of a key and the place of a value", () => {
    const asked: [string, boolean][] = [];
    const at = { file: "f.yaml", line: 3, column: 5 };
    const [error] = validate(
      closed({ a: Type.Integer() }),
      { a: 1, b: 2 },
      {
        code: "inventory",
        subject: "lab",
        host: "h1",
        locate: (path, onKey) => {
          asked.push([path.join("."), onKey]);
          return at;
        },
      },
    );
    expect(asked).toEqual([["b", true]]);
    expect(error).toMatchObject({ code: "inventory", detail: { at, host: "h1" } });
  });
});

describe("formats", () => {
  const given = {
    cidr: Cidr(),
    "interface-cidr": InterfaceCidr(),
    "ipv4-address": Ipv4(),
    "absolute-path": AbsolutePath(),
  };

  test.each<[keyof typeof given, string]>([
    ["cidr", "192.168.100.0/24"],
    ["cidr", "10.0.0.1/32"],
    ["cidr", "0.0.0.0/0"],
    ["interface-cidr", "192.168.100.1/24"],
    ["interface-cidr", "192.168.100.254/30"],
    ["ipv4-address", "10.0.0.200"],
    ["absolute-path", "/etc"],
  ])("%s: %s is one", (format, text) => {
    expect(told(Type.Object({ v: given[format] }), { v: text })).toEqual([]);
  });

  test.each<[keyof typeof given, string, string]>([
    ["cidr", "192.168.100.7/24", "the network is 192.168.100.0/24"],
    ["cidr", "192.168.100.0", "an IPv4 network such as"],
    ["cidr", "192.168.100.0/33", "an IPv4 network such as"],
    ["cidr", "fe80::/64", "an IPv4 network such as"],
    ["interface-cidr", "192.168.100.0/24", "the network's own address"],
    ["interface-cidr", "192.168.100.255/24", "the broadcast address"],
    ["interface-cidr", "192.168.100.1/31", "a prefix of at most 30"],
    ["interface-cidr", "192.168.100.1", "an interface's address with its prefix"],
    ["ipv4-address", "10.0.0.300", "an IPv4 address such as"],
    ["absolute-path", "etc", "beginning with /"],
  ])("%s: %s is none", (format, text, words) => {
    const [error] = told(Type.Object({ v: given[format] }), { v: text });
    expect(error).toContain(words);
    expect(error).toContain(`found     "${text}"`);
  });
});

describe("secrets are not shown", () => {
  test.each<[string, TSchema, unknown]>([
    ["itself", Type.Object({ p: secret(Type.String()) }), { p: 4711 }],
    ["optional", Type.Object({ p: Type.Optional(secret(Type.String())) }), { p: 4711 }],
    ["too short", Type.Object({ p: secret(Type.String({ minLength: 9 })) }), { p: "4711" }],
    [
      "one of several",
      Type.Object({ p: secret(Type.Union([Type.Literal("a"), Type.Literal("b")])) }),
      { p: "4711" },
    ],
    [
      "inside a mapping that is one",
      Type.Object({ p: secret(Type.Object({ a: Type.String() })) }),
      { p: { a: 4711 } },
    ],
    [
      "inside a list of them",
      Type.Object({ p: Type.Array(secret(Type.String()), { maxItems: 0 }) }),
      { p: ["4711"] },
    ],
  ])("%s", (_name, schema, value) => {
    const errors = told(schema, value);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain("(secret)");
    expect(errors[0]).not.toContain("4711");
  });
});

describe("coerce", () => {
  test.each<[TSchema | undefined, unknown, unknown]>([
    [Type.Integer(), "12", 12],
    [Type.Integer(), "-3", -3],
    [Type.Number(), "1.5", 1.5],
    [Type.Integer(), "12x", "12x"],
    [Type.Integer(), "", ""],
    [Type.Boolean(), "yes", true],
    [Type.Boolean(), "True", true],
    [Type.Boolean(), "off", false],
    [Type.Boolean(), "maybe", "maybe"],
    [Type.Array(Type.String()), '["a"]', ["a"]],
    [Type.Object({}), '{"a": 1}', { a: 1 }],
    [Type.Array(Type.String()), "[a", "[a"],
    [Type.String(), "12", "12"],
    [Type.String(), 12, 12],
    [Type.Optional(Type.Integer()), "12", 12],
    [undefined, "12", "12"],
  ])("%#: %o", (schema, value, expected) => {
    expect(coerce(schema, value)).toEqual(expected);
  });
});

test("withDefaults fills what is not given, and only that", () => {
  const schema = Type.Object({
    a: Type.Optional(Type.Integer({ default: 1 })),
    b: Type.Optional(Type.Boolean({ default: true })),
    c: Type.Optional(Type.String()),
  });
  expect(withDefaults(schema, { b: false, other: 2 })).toEqual({ a: 1, b: false, other: 2 });
  expect(Object.keys(withDefaults(schema, { c: undefined }))).not.toContain("c");
});

describe("nearest", () => {
  test.each([
    ["hsots", "hosts"],
    ["HOSTS", "hosts"],
    ["host", "hosts"],
    ["chlidren", "children"],
    ["x", undefined],
    ["something", undefined],
  ])("%s → %s", (word, expected) => {
    expect(nearest(word, ["hosts", "children", "variables"])).toBe(expected);
  });

  test.each([
    ["ab", "ba", 1],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
    ["same", "same", 0],
  ])("%s and %s are %i apart", (a, b, expected) => {
    expect(distance(a, b)).toBe(expected);
  });
});

test.each<[string, TSchema, string, RegExp | undefined]>([
  ["a network", Cidr6(), "fd00:30:100::/64", undefined],
  ["one of either family", AnyCidr(), "fd00:30:100::/64", undefined],
  ["one of the other family", AnyCidr(), "10.0.0.0/8", undefined],
  ["host bits", Cidr6(), "fd00:30:100::1/64", /host bits are set; the network is fd00:30:100::\/64/],
  ["another spelling", Cidr6(), "FD00:0030:100::/64", /write it as fd00:30:100::\/64/],
  ["IPv4", Cidr6(), "10.0.0.0/8", /an IPv6 network such as/],
  ["an address", Ipv6(), "fd00:10::200", undefined],
  ["an address in another spelling", Ipv6(), "fd00:10:0:0:0:0:0:200", /write it as fd00:10::200/],
  ["none", Ipv6(), "fd00::10::200", /an IPv6 address such as/],
])("IPv6: %s", (_, schema, text, said) => {
  const words = told(Type.Object({ at: schema }), { at: text }).join("\n");
  if (said) expect(words).toMatch(said);
  else expect(words).toBe("");
});
