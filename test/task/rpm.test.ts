import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-rpm-"));
const at = (name: string) => join(folder, name);
const entry = (run: string) => at(`runs/${run}/0001`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A host of Red Hat's: what is installed is a file of lines "NAME VERSION-RELEASE". */
const stand = `. ${join(packageDir, "src/task/kinds/package.sh")}
cw_package_apt() { false; }
cw_package_marks() { :; }
systemctl() { :; }
dnf() { cat coming >>installed; }
rpm() { cat installed; }
`;

const shells = [["dash"], ["bash", "--posix"]];

describe.each(shells)("packages of rpm, by %s", (shell, ...words) => {
  const sh = (run: string, script: string) =>
    execFileSync(shell, [...words, "-c", `${stand}\nB=${entry(run)}\n${script}`], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, CW: folder },
    });
  const lines = (file: string) => readFileSync(file, "utf8").split("\n").filter(Boolean).sort();
  const added = (run: string) => lines(`${entry(run)}.added`);

  beforeEach(() => {
    rmSync(at("runs"), { recursive: true, force: true });
    mkdirSync(at("runs/1"), { recursive: true });
  });

  test("what came is remembered, with the key that dnf imported beside another", () => {
    writeFileSync(at("installed"), "base 1-1\ngpg-pubkey aaaa-1111\n");
    writeFileSync(at("coming"), "gpg-pubkey bbbb-2222\netcd 3.3.11-2\n");
    sh("1", "cw_package_save etcd; cw_package_put etcd");
    expect(added("1")).toEqual(["etcd", "gpg-pubkey-bbbb-2222"]);
  });
});
