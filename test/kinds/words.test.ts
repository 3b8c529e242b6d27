import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ruleWords } from "../../src/kinds/rule/rule.ts";
import { packageDir } from "../../src/package-dir.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-words-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The words that a command gets, of a rule's text, in a folder where a glob would find something. */
function words(text: string): string[] {
  const show = 'show() { for word; do printf "%s\\0" "$word"; done; }';
  const out = execFileSync(
    "sh",
    [
      "-c",
      `. ${join(packageDir, "src/kinds/boot.sh")}; ${show}; : >file; cw_with_words "$1" show first`,
      "sh",
      text,
    ],
    { cwd: folder, encoding: "utf8" },
  );
  return out.split("\0").slice(1, -1);
}

describe("a rule's text as words, of which nothing is expanded or run", () => {
  test.each<[string, string[]]>([
    ["-s 10.0.0.0/8 ! -o docker0 -j ACCEPT", ["-s", "10.0.0.0/8", "!", "-o", "docker0", "-j", "ACCEPT"]],
    ["  a \t b  ", ["a", "b"]],
    ["", []],
    // As iptables-save prints comments.
    ['--comment "x $(touch ran)" -j A', ["--comment", "x $(touch ran)", "-j", "A"]],
    [
      '--comment "`touch ran`; touch ran & * ? | > ran" -j A',
      ["--comment", "`touch ran`; touch ran & * ? | > ran", "-j", "A"],
    ],
    ['--comment "it\\\'s \\"so\\" \\\\ here"', ["--comment", 'it\'s "so" \\ here']],
    ["--comment $(touch${IFS}ran)*", ["--comment", "$(touch${IFS}ran)*"]],
    // As a shell would read them, which is how they are kept.
    ["--comment 'it'\\''s $(touch ran)'", ["--comment", "it's $(touch ran)"]],
    ["'' \"\" a''b'c d'", ["", "", "abc d"]],
    ["a\\ b \\$HOME", ["a b", "$HOME"]],
    ["* [a-z]*", ["*", "[a-z]*"]],
    ["~ $HOME", ["~", "$HOME"]],
    ["größe 'ä b'", ["größe", "ä b"]],
  ])("%j", (text, expected) => {
    expect(words(text)).toEqual(expected);
    expect(existsSync(join(folder, "ran"))).toBe(false);
  });

  test.each(['--comment "no end', "--comment 'no end", '"\\"', "end \\"])("%j is refused", (text) => {
    expect(() => words(text)).toThrow(/a quote that does not end/);
  });

  test("a comment comes through as it was, whatever it is", () => {
    const comment = 'it\'s "$(touch ran)" `touch ran` \\ * ; é';
    expect(words(ruleWords("-s 10.0.0.0/8 -j ACCEPT", comment))).toEqual([
      "-s",
      "10.0.0.0/8",
      "-m",
      "comment",
      "--comment",
      comment,
      "-j",
      "ACCEPT",
    ]);
    expect(readdirSync(folder)).toEqual(["file"]);
  });
});
