import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { quote } from "../host/sh.ts";
import { missingPrerequisites } from "../lab/prerequisites.ts";
import { packageDir } from "../package-dir.ts";
import type { Finding } from "./finding.ts";

/** What the embedded lab needs of this machine, and what its schemes need of this machine's kernel. */
export function labFindings(): Finding[] {
  if (process.getuid?.() !== 0)
    return [
      {
        about: "root",
        level: "missing",
        found: "this user is not root, and the lab boots real hosts",
        fix: `sudo ${quote(join(packageDir, "run"))} doctor`,
      },
    ];
  return [
    { about: "root", level: "ok", found: "this user is root" },
    programs(),
    ...kernelNeeds.map(([about, script, needed]) => kernelFinding(about, script, needed)),
  ];
}

function programs(): Finding {
  const missing = missingPrerequisites();
  if (missing.length === 0)
    return { about: "programs", level: "ok", found: "systemd-nspawn, mmdebstrap and the others are there" };
  return {
    about: "programs",
    // The lab installs them itself, after saying so.
    level: "warning",
    found: `${missing.join(", ")} is installed by the first run of the lab`,
    fix: `apt-get install -y --no-install-recommends ${missing.join(" ")}`,
  };
}

/** Tried in a network namespace that ends with the shell: nothing stays. */
const kernelNeeds: readonly (readonly [about: string, script: string, needed: string])[] = [
  ["vxlan", "ip link add cw0 type vxlan id 1 dstport 4789", "flannel, overlay and swarm"],
  ["macvlan", "ip link add cw0 type veth peer name cw1 && ip link add cw2 link cw0 type macvlan", "macvlan"],
  ["tun", "test -c /dev/net/tun && : </dev/net/tun", "flannel's udp backend"],
  ["nf_tables", "grep -q nft_do_chain /proc/kallsyms || modprobe -nq nf_tables", "iptables of lab hosts"],
];

function kernelFinding(module: string, script: string, needed: string): Finding {
  const about = `kernel: ${module}`;
  const { status, stderr } = spawnSync("unshare", ["--net", "sh", "-c", script], { encoding: "utf8" });
  if (status === 0) return { about, level: "ok", found: "there" };
  return {
    about,
    level: "warning",
    found: `not there, for ${needed}${stderr ? `: ${stderr.trim()}` : ""}`,
    fix:
      module === "tun"
        ? "modprobe tun"
        : `modprobe ${module} || apt-get install -y linux-image-$(dpkg --print-architecture)`,
  };
}
