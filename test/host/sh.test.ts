import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { rawScript, Secret, sh } from "../../src/host/sh.ts";

test.each([
  "plain",
  "two words",
  "it's",
  'a "b"',
  "",
  "$HOME `id` \\ *",
  "new\nline",
  "-n",
  "容器",
  "plain\n",
  "~",
  "{a,b}",
  "a;b",
  "tab\there",
  "",
  "\\",
])("a value reaches the command as it is: %j", (value) => {
  const script = sh`printf '%s|' ${value} end`;
  expect(execFileSync("sh", ["-c", script.text], { encoding: "utf8" })).toBe(`${value}|end|`);
});

test("a list becomes words, a script is put in as it is, numbers are plain", () => {
  const inner = sh`echo ${"a b"}`;
  expect(sh`${inner}; printf %s ${["x y", "z"]} ${3}`.text).toBe("echo 'a b'; printf %s 'x y' z 3");
});

test("the shell's own dollars and backslashes stay", () => {
  expect(sh`echo "\${X:-1}" $Y \n`.text).toBe('echo "${X:-1}" $Y \\n');
});

test("a secret is in the script and in its list, and nowhere when it is shown", () => {
  const secret = new Secret("pass word");
  const script = sh`login ${secret}`;
  expect(script.text).toBe("login 'pass word'");
  expect(script.secrets).toEqual(["pass word"]);
  expect(`${secret} ${JSON.stringify({ secret })}`).not.toContain("pass");
});

test.each([
  ["plain words stay readable", "/etc/docker/daemon.json", "/etc/docker/daemon.json"],
  ["what a flag looks like", "--ip=10.0.0.1/24", "--ip=10.0.0.1/24"],
  ["the empty word", "", "''"],
  ["a single quote", "it's", `'it'\\''s'`],
  ["a newline at the end", "plain\n", "'plain\n'"],
])("%s", (_name, word, expected) => {
  expect(sh`${word}`.text).toBe(expected);
});

test("secrets of lists and of scripts within scripts are kept", () => {
  const inner = sh`login ${new Secret("one")}`;
  const script = sh`${[inner, new Secret("two three")]}; ${rawScript("echo x", ["four"])}`;
  expect(script.text).toBe("login one 'two three'; echo x");
  expect(script.secrets).toEqual(["one", "two three", "four"]);
});

test("an empty list is no word at all", () => {
  expect(sh`a ${[]} b`.text).toBe("a  b");
});
