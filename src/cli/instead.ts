import { ownCommand } from "../own-command.ts";

/** What there is in place of an option of Ansible's, or of an earlier version, that there is not. */
const instead: Readonly<Record<string, string>> = {
  "-m": `there are no modules: a task is TypeScript, see docs/playbooks.md; for a command on many hosts, or whether they answer: ${ownCommand("exec PATTERN -- COMMAND")}`,
  "-a": `there are no modules; for a command on many hosts: ${ownCommand("exec PATTERN -- COMMAND")}`,
  "-M": "tasks are imported by the playbook, from any folder: see docs/playbooks.md",
  "-B": `a run waits for its hosts; for one that may take long: --run-timeout, or nohup ${ownCommand("…")}`,
  "-o": "--output json writes one event a line",
  "-s": "become root with -b; --become-method su or doas",
  "--connect-timeout":
    "it is --timeout (-T), as in Ansible; the time limit of the whole run is --run-timeout",
  "--task-timeout": "--command-timeout limits each command, --run-timeout the whole run",
  "--flush-cache": "facts are read anew in every run",
  "--force-handlers":
    "leave it out: a restart that a failure kept from happening is found again by the next run",
  "--ssh-common-args": "write it into a file like ~/.ssh/config, and give --ssh-config FILE",
  "--ssh-extra-args": "write it into a file like ~/.ssh/config, and give --ssh-config FILE",
  "--sftp-extra-args": "files travel over the one connection: no sftp is used",
  "--scp-extra-args": "files travel over the one connection: no scp is used",
  "--sudo": "become root with -b",
  "--su": "become root with -b --become-method su",
  "--ask-sudo-pass": "ask for the password with -K",
  "--ask-su-pass": "ask for the password with -K --become-method su",
  "--inventory-file": "the inventory is -i FILE",
  "--subset": "the limit is -l PATTERN",
  "--module-name": "there are no modules: a task is TypeScript, see docs/playbooks.md",
  "--module-path": "tasks are imported by the playbook, from any folder: see docs/playbooks.md",
  "--args": `there are no modules; for a command on many hosts: ${ownCommand("exec PATTERN -- COMMAND")}`,
  "--playbook-dir": "group_vars and host_vars beside the playbook are read anyway",
};

export function insteadOf(option: string): string | undefined {
  return instead[option];
}
