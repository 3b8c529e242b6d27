import { ownCommand } from "../own-command.ts";
import type { Options } from "./arguments.ts";

/** The lines of a table of options. */
export function optionLines(options: Options): string {
  const rows = Object.entries(options).map(([name, { short, value, help }]) => {
    const left = `${short ? `-${short}, ` : "    "}--${name}${value ? ` ${value}` : ""}`;
    return [left, help] as const;
  });
  const width = Math.max(31, ...rows.map(([left]) => left.length));
  return rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`).join("\n");
}

/** What each command is for; an empty meaning where its words say it. */
const commands: readonly (readonly [words: string, meaning: string])[] = [
  ["static-route", "run a playbook; without -i on the embedded lab, three real hosts on this machine"],
  ["verify", "verify only: which containers reach which"],
  ["reset", "undo everything that causeway did on the hosts"],
  ["inventory --list | --host HOST | --graph", ""],
  ["history", "the runs in the hosts' journals"],
  ["rollback [RUN]", "undo that run and all later ones (default: the last run)"],
  [
    "remove PLAYBOOK HOST[,HOST]",
    "take hosts out of the fleet: their own part, then what the others have of them",
  ],
  ["exec PATTERN -- COMMAND", "a command on many hosts at once, equal results shown once"],
  ["doctor [-i INVENTORY]", "what this machine, the lab or the hosts lack, with the fix"],
  ["init [FOLDER]", "a project of one's own: playbook, task, test, inventory"],
  ["completion bash | zsh | fish", "what a shell reads to complete commands, options, hosts and tags"],
  [
    "doc [PLAYBOOK | TASK]",
    "what a playbook or a task takes; of a playbook also as a JSON Schema for editors",
  ],
  ["lab up | down | status | images | reset [HOST…] | ssh HOST [-- COMMAND…]", ""],
  [
    "lab fault HOST… FAULTS | heal [HOST…]",
    `harm lab hosts on purpose, to try a playbook: ${ownCommand("lab --help")}`,
  ],
];

function commandLines(): string {
  const rows = commands.map(([words, meaning]) => [ownCommand(words), meaning] as const);
  const width = ownCommand("completion bash | zsh | fish").length;
  return rows.map(([left, meaning]) => `  ${left.padEnd(width)} ${meaning}`.trimEnd()).join("\n");
}

export const overview = `Usage: ${ownCommand("PLAYBOOK [-i INVENTORY] [options]")}
       ${ownCommand("COMMAND …")}

A task runner with TypeScript playbooks for Docker hosts: builds cross-host container networking, verifies it
with real packets, and undoes it.

Commands:
${commandLines()}

Exit codes: 0 success · 2 a host failed · 3 verification or --max-gap failed · 4 a host was unreachable · 5 command line ·
  6 inventory, playbook or variables · 1 lab · 130 interrupted · 70 a bug of causeway itself
`;
