import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "./measure.ts";
import type { ManyHosts } from "./sshd.ts";

/** The command that every host gets: cheap, and the same on all of them. */
const command = "uname -r";

export interface ExecRun {
  folder: string;
  run: string;
  inventory: string;
  sshConfig: string;
  sshd: ManyHosts;
  hosts: readonly string[];
}

/** `run exec`, 64 hosts at a time as by default. */
export function causewayExec({ run, inventory, sshConfig }: ExecRun): Command {
  const reach = ["-i", inventory, "--ssh-config", sshConfig, "--timeout", "60"];
  return { argv: [run, "exec", "all", ...reach, "--", command] };
}

/** Ansible's `raw`, which needs nothing on a host, without pipelining's help: there is nothing to copy. */
export function ansibleExec({ folder, inventory, sshd }: ExecRun): Command {
  const config = join(folder, "exec.cfg");
  writeFileSync(
    config,
    `[defaults]
host_key_checking = True
forks = 64
timeout = 60
[ssh_connection]
ssh_args = -F none -o ControlMaster=no -o UserKnownHostsFile=${sshd.knownHosts}
`,
  );
  return {
    argv: ["ansible", "-i", inventory, "all", "-m", "raw", "-a", command],
    env: { ANSIBLE_CONFIG: config },
  };
}

/** ClusterShell's `clush -b`, which starts OpenSSH's ssh for each host. */
export function clushExec({ hosts, sshd }: ExecRun): Command {
  if (!existsSync("/usr/bin/clush"))
    execFileSync("apt-get", ["install", "-y", "--no-install-recommends", "clustershell"], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "ignore", "inherit"],
      timeout: 300_000,
    });
  const ssh = `-F none -p ${sshd.port} -i ${sshd.keyFile} -o UserKnownHostsFile=${sshd.knownHosts}`;
  const options = ["-b", "-S", "-f", "64", "-t", "60", "-l", "root", "-o", ssh];
  return { argv: ["clush", ...options, "-w", hosts.join(","), command] };
}
