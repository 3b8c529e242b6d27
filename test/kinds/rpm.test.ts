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

/** As dnf 4.5 and rpm 4.16 print them. */
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
const refused = "error: Failed dependencies:\n\tlibdep.so.1()(64bit) is needed by (installed) theirs\n";

/**
 * A host of Red Hat's: what is installed is a file of lines "NAME VERSION-RELEASE", and what rpm says where it does not
 * remove etcd is another.
 */
const stand = `. ${join(packageDir, "src/kinds/package/package.sh")}
cw_package_apt() { false; }
cw_package_marks() { :; }
systemctl() { :; }
dnf() { case "$*" in --assumeno*) cat table ;; *) cat coming >>installed ;; esac; }
rpm() {
  case "$*" in
    -qa*) cat installed ;;
    *--whatprovides*) sed -n "s/^$5 //p" provides ;;
    -q*) sed -n "s/^\\($4\\) .*/\\1/p" installed ;;
    *--test*etcd*) [ ! -s refused ] || { cat refused >&2; return 1; } ;;
    *--test*) ;;
    -e*)
      shift 2
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
    for (const run of ["1", "2"]) mkdirSync(at(`runs/${run}`), { recursive: true });
    writeFileSync(at("table"), table);
    writeFileSync(at("refused"), "");
    writeFileSync(at("provides"), "");
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

  describe("where rpm refuses", () => {
    beforeEach(() => {
      sh("1", "cw_package_save etcd; cw_package_put etcd");
      writeFileSync(at("refused"), refused);
      writeFileSync(at("installed"), `${readFileSync(at("installed"), "utf8")}theirs 1-1\n`);
    });

    test("for somebody's own package, all stays, and what needs it is named", () => {
      const before = installed();
      writeFileSync(at("provides"), "libdep.so.1()(64bit) etcd\n");
      const said = sh("1", "cw_package_restore etcd; echo code $?");
      expect(said).toContain("is needed by (installed) theirs");
      expect(said).toContain("code 3");
      expect(installed()).toEqual(before);
    });

    test("for another step's, what it needs goes over to that step, and the rest goes", () => {
      writeFileSync(at("provides"), "libdep.so.1()(64bit) etcd\nlibdep.so.1()(64bit) base\n");
      writeFileSync(`${entry("2")}.added`, "theirs\n");
      sh("1", "cw_package_restore etcd");
      expect(installed()).toEqual(["base 1-1", "etcd 3.3.11-2", "theirs 1-1"]);
      expect(added("2")).toEqual(["etcd", "theirs"]);
    });
  });
});
