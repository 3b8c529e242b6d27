import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "./measure.ts";

const mitogenStrategies = "/usr/lib/python3/dist-packages/ansible_mitogen/plugins/strategy";

/** Installs Debian's packages where they are missing. */
export function installAnsible(): void {
  if (existsSync("/usr/bin/ansible-playbook") && existsSync(mitogenStrategies)) return;
  console.log("installing ansible and ansible-mitogen with apt-get");
  const packages = ["ansible", "ansible-mitogen"];
  execFileSync("apt-get", ["install", "-y", "--no-install-recommends", ...packages], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "ignore", "inherit"],
    timeout: 300_000,
  });
}

export interface AnsibleRun {
  folder: string;
  name: string;
  inventory: string;
  knownHosts: string;
  reads: readonly string[];
  /** `raw` needs nothing on the host; `command` needs Python there, as Mitogen does. */
  module: "raw" | "command";
  mitogen?: boolean;
}

/** An Ansible playbook with one task a read, pipelining on, facts off, 64 hosts at a time. */
export function ansiblePlaybook({ folder, name, module, mitogen, ...run }: AnsibleRun): Command {
  const tasks = run.reads.map((read) =>
    module === "raw"
      ? { raw: escaped(read), changed_when: false }
      : { command: { argv: ["sh", "-c", escaped(read)] }, changed_when: false },
  );
  const playbook = join(folder, `${name}.yml`);
  writeFileSync(playbook, JSON.stringify([{ hosts: "all", gather_facts: false, tasks }], null, 2));
  const config = join(folder, `${name}.cfg`);
  writeFileSync(
    config,
    `[defaults]
host_key_checking = True
forks = 64
interpreter_python = /usr/bin/python3
timeout = 60
${mitogen ? `strategy_plugins = ${mitogenStrategies}\nstrategy = mitogen_linear\n` : ""}
[ssh_connection]
pipelining = True
ssh_args = -F none ${mitogen ? "" : "-o ControlMaster=auto -o ControlPersist=5s "}-o UserKnownHostsFile=${run.knownHosts}
control_path_dir = ${join(folder, "cp")}
`,
  );
  return { argv: ["ansible-playbook", "-i", run.inventory, playbook], env: { ANSIBLE_CONFIG: config } };
}

/** Jinja would take docker's own braces for its own. */
function escaped(read: string): string {
  return read.includes("{{") ? `{% raw %}${read}{% endraw %}` : read;
}
