import { describe, expect, test } from "vitest";
import { describeError } from "../../src/errors.ts";
import type { FileState } from "../../src/host/tools/file.ts";
import { type Json, jsonKeys, rawValue, readJson, withKeys } from "../../src/kinds/file/json.ts";

const state = (content: string, kind: FileState["kind"] = "file"): FileState => ({
  path: "/etc/docker/daemon.json",
  kind,
  mode: "644",
  uid: 0,
  gid: 0,
  size: content.length,
  sha256: kind === "file" ? "0".repeat(64) : "absent",
  content,
});

test("a byte order mark is named, with the command that takes it away", () => {
  expect(() => readJson(state('\ufeff{"a": 1}'))).toThrow(
    expect.objectContaining({
      message: "/etc/docker/daemon.json begins with a byte order mark, which is not JSON",
      detail: expect.objectContaining({
        at: { file: "/etc/docker/daemon.json", line: 1, column: 1 },
        advice: "sed -i '1s/^\\xEF\\xBB\\xBF//' /etc/docker/daemon.json",
      }),
    }),
  );
});

describe("keys are set and taken away, everything else stays byte for byte", () => {
  test.each<[string, string, Record<string, Json | undefined>, string]>([
    [
      "a value is replaced",
      '{\n  "bip": "a",\n  "x":   [1,2 , 3]\n}\n',
      { bip: "b" },
      '{\n  "bip": "b",\n  "x":   [1,2 , 3]\n}\n',
    ],
    ["a key is added, two spaces", '{\n  "x": 1\n}\n', { bip: "b" }, '{\n  "x": 1,\n  "bip": "b"\n}\n'],
    [
      "a key is added, four spaces",
      '{\n    "x": 1\n}\n',
      { bip: "b" },
      '{\n    "x": 1,\n    "bip": "b"\n}\n',
    ],
    ["a key is added, tabs", '{\n\t"x": 1\n}\n', { bip: "b" }, '{\n\t"x": 1,\n\t"bip": "b"\n}\n'],
    ["the last key is taken away", '{\n\t"x": 1,\n\t"bip": "b"\n}\n', { bip: undefined }, '{\n\t"x": 1\n}\n'],
    [
      "the first key is taken away",
      '{\n  "bip": "b",\n  "x": 1\n}\n',
      { bip: undefined },
      '{\n  "x": 1\n}\n',
    ],
    [
      "a key in the middle is taken away",
      '{\n  "a": 1,\n  "bip": "b",\n  "x": 1\n}\n',
      { bip: undefined },
      '{\n  "a": 1,\n  "x": 1\n}\n',
    ],
    ["a key that is not there is taken away", '{\n  "a": 1 }', { bip: undefined }, '{\n  "a": 1 }'],
    ["CR LF stays", '{\r\n  "x": 1\r\n}\r\n', { bip: "b" }, '{\r\n  "x": 1,\r\n  "bip": "b"\r\n}\r\n'],
    ["no newline at the end", '{\n  "x": 1\n}', { x: 2 }, '{\n  "x": 2\n}'],
    ["an empty file", "", { bip: "b" }, '{\n  "bip": "b"\n}\n'],
    ["an empty object", "{}\n", { bip: "b" }, '{\n  "bip": "b"\n}\n'],
    [
      "a list, indented as the file is",
      '{\n    "x": 1\n}\n',
      { l: ["a"] },
      '{\n    "x": 1,\n    "l": [\n        "a"\n    ]\n}\n',
    ],
    [
      "the same key deeper down stays",
      '{\n  "x": {\n    "bip": "deep"\n  },\n  "bip": "a"\n}\n',
      { bip: "b" },
      '{\n  "x": {\n    "bip": "deep"\n  },\n  "bip": "b"\n}\n',
    ],
    [
      "foreign layout",
      '{ "a" : 1 ,\n\n\n      "bip":"a"   ,"c":\t2}',
      { bip: "b" },
      '{ "a" : 1 ,\n\n\n      "bip":"b"   ,"c":\t2}',
    ],
    [
      "escapes of others",
      '{\n  "a": "\\u00e9\\/",\n  "bip": "a"\n}\n',
      { bip: "b" },
      '{\n  "a": "\\u00e9\\/",\n  "bip": "b"\n}\n',
    ],
    [
      "several keys",
      '{\n  "a": 1,\n  "b": 2\n}\n',
      { a: undefined, b: 3, c: true },
      '{\n  "b": 3,\n  "c": true\n}\n',
    ],
  ])("%s", (_name, text, keys, expected) => {
    expect(withKeys(text, keys)).toBe(expected);
  });

  test.each(['{\n\t"x": 1\n}\n', '{\n    "x": 1\n}\n', '{\n  "x": 1,\n  "y": {}\n}'])(
    "set and taken away again: %j",
    (text) => {
      expect(withKeys(withKeys(text, { bip: "b" }), { bip: undefined })).toBe(text);
    },
  );
});

describe("a file that is not JSON is left alone", () => {
  test.each([
    ["a comment", '{\n  // mine\n  "a": 1\n}\n', "2:3"],
    ["a comma too many", '{\n  "a": 1,\n}\n', "3:1"],
    ["a brace too few", '{\n  "a": 1\n', "3:1"],
    ["single quotes", "{'a': 1}", "1:2"],
    ["a list", "[1]", "1:1"],
    ["a text", '"a"', "1:1"],
    ["null", "null", "1:1"],
  ])("%s", (_name, text, position) => {
    const plan = () => jsonKeys({ was: state(text), keys: { bip: "b" } });
    expect(plan).toThrow(expect.objectContaining({ code: "host" }));
    let said = "";
    try {
      plan();
    } catch (error) {
      said = describeError(error as never);
    }
    expect(said).toContain(`/etc/docker/daemon.json:${position}: `);
    expect(said).toContain("it was not changed");
  });

  test("nothing and emptiness are an empty object", () => {
    expect(readJson(state("", "absent"))).toEqual({});
    expect(readJson(state(" \n"))).toEqual({});
    expect(readJson(state('{"a": [1]}'))).toEqual({ a: [1] });
  });
});

describe("the step", () => {
  test("says what was and what will be, of its own keys only", () => {
    const step = jsonKeys({
      was: state('{\n  "secretive": 1,\n  "bip": "a"\n}\n'),
      keys: { bip: "b", mtu: 1400 },
    });
    expect(step).toMatchObject({
      kind: "json",
      what: "keys of /etc/docker/daemon.json",
      from: 'bip "a", mtu —',
      to: 'bip "b", mtu 1400',
    });
    expect(`${step.from} ${step.to}`).not.toContain("secretive");
  });

  test("comes from nothing when none of its keys was there", () => {
    expect(jsonKeys({ was: state("", "absent"), keys: { bip: "b" } }).from).toBeNull();
  });
});

test("the raw text of a value, as its owner wrote it", () => {
  expect(rawValue('{"a": [1,  2], "b": {}}', "a")).toBe("[1,  2]");
  expect(rawValue('{"a": 1}', "b")).toBeUndefined();
});
