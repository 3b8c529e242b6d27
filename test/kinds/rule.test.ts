import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { packageDir } from "../../src/package-dir.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-rule-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Restores a rule that was there before its step and is gone by now, on a stand-in for iptables: what it was told, and whether
 * it comes back at boot.
 */
function restore({ made, chain, force = false }: { made: string; chain: boolean; force?: boolean }) {
  const entry = join(folder, "0001");
  writeFileSync(`${entry}.before`, "present\n");
  writeFileSync(`${entry}.before.chain`, "-A POSTROUTING -j MASQUERADE\n-A POSTROUTING -j OURS\n");
  writeFileSync(`${entry}.now`, `${made}\n`);
  const { status, stdout } = spawnSync(
    "sh",
    [
      "-c",
      `. ${packageDir}/src/kinds/boot.sh; . ${packageDir}/src/kinds/rule/rule.sh
B=$1 cw_force=$3 there=
cw_boot_restore() { echo at boot; }
cw_tables() {
  case $2-$3 in
    -S-causeway-desk) echo '-A causeway-desk -j OURS' ;;
    -S-POSTROUTING) printf '%s\\n' '-A POSTROUTING -j MASQUERADE' \${there:+'-A POSTROUTING -j OURS'} ;;
  esac
}
cw_iptables() {
  case $2 in
    -C) [ -n "$there" ] ;;
    -A) $chain || { echo "Chain 'OURS' does not exist" >&2; return 2; } ;;
    -I) echo "$2 $3 $4"; there=1 ;;
  esac
}
chain=$2
cw_rule_restore nat POSTROUTING '-j OURS'`,
      "sh",
      entry,
      String(chain),
      force ? "force" : "",
    ],
    { encoding: "utf8" },
  );
  return [status, stdout.trim().split("\n").filter(Boolean)];
}

describe("a rule that is gone, and was there before its step", () => {
  test("comes back to its place, now and at boot", () => {
    for (const made of ["present", "absent"])
      expect(restore({ made, chain: true })).toEqual([0, ["-I POSTROUTING 2 -j OURS", "at boot"]]);
  });

  test("stays away where the step only moved it, and its chain is gone; by force that is all right", () => {
    expect(restore({ made: "present", chain: false })).toEqual([3, []]);
    expect(restore({ made: "present", chain: false, force: true })).toEqual([0, []]);
  });

  test("is what stops the undo where the step took it away, and its chain is gone", () => {
    for (const force of [false, true])
      expect(restore({ made: "absent", chain: false, force })).toEqual([1, []]);
  });
});
