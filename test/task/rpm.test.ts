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

/** As dnf 4.5 prints it. */
const table = `Dependencies resolved.
=============================================================================================
 Package                                                     Arch    Version      Repo   Size
=============================================================================================
Installing:
 etcd                                                        x86_64  3.3.11-2     local   13 M
Installing dependencies:
 lab-dep-with-a-name-that-is-too-long-for-its-column
                                                             noarch  1.0-1        local  6.0 k

Transaction Summary
=============================================================================================
Install  2 Packages
`;

/** A host of Red Hat's: what is installed is a file of lines "NAME VERSION-RELEASE". */
const stand = `. ${join(packageDir, "src/task/kinds/package.sh")}
cw_package_apt() { false; }
cw_package_marks() { :; }
systemctl() { :; }
dnf() { case "$*" in --assumeno*) cat table ;; *) cat coming >>installed ;; esac; }
rpm() {
  case "$*" in
    -qa*) cat installed ;;
    -e*)
      shift
      grep -vE "^($(printf '%s|' "$@")) " installed >left
      mv left installed
      ;;
  esac
}
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
  const installed = () => lines(at("installed"));
  const added = (run: string) => lines(`${entry(run)}.added`);

  beforeEach(() => {
    rmSync(at("runs"), { recursive: true, force: true });
    mkdirSync(at("runs/1"), { recursive: true });
    writeFileSync(at("table"), table);
    writeFileSync(at("installed"), "base 1-1\n");
    writeFileSync(at("coming"), "lab-dep-with-a-name-that-is-too-long-for-its-column 1.0-1\netcd 3.3.11-2\n");
  });

  test("what came is remembered, with the key that dnf imported beside another", () => {
    writeFileSync(at("installed"), "base 1-1\ngpg-pubkey aaaa-1111\n");
    writeFileSync(at("coming"), "gpg-pubkey bbbb-2222\netcd 3.3.11-2\n");
    sh("1", "cw_package_save etcd; cw_package_put etcd");
    expect(added("1")).toEqual(["etcd", "gpg-pubkey-bbbb-2222"]);
  });

  test("cut off: what was announced goes, what somebody installed since stays", () => {
    sh("1", "cw_package_save etcd; cw_dnf=dnf; cw_package_announce etcd");
    writeFileSync(at("installed"), `${readFileSync(at("coming"), "utf8")}base 1-1\nown-tool 2.0-3\n`);
    sh("1", "cw_package_restore etcd");
    expect(installed()).toEqual(["base 1-1", "own-tool 2.0-3"]);
  });

  test("cut off before anything was announced: nothing goes", () => {
    sh("1", "cw_package_save etcd");
    writeFileSync(at("installed"), "base 1-1\nown-tool 2.0-3\n");
    sh("1", "cw_package_restore etcd");
    expect(installed()).toEqual(["base 1-1", "own-tool 2.0-3"]);
  });
});
