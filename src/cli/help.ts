import type { Options } from "./arguments.ts";

/** The lines of a table of options. */
export function optionLines(options: Options): string {
  const rows = Object.entries(options).map(([name, { short, value, help }]) => {
    const left = `${short ? `-${short}, ` : "    "}--${name}${value ? ` ${value}` : ""}`;
    return [left, help] as const;
  });
  return rows.map(([left, help]) => `  ${left.padEnd(32)} ${help}`).join("\n");
}

export const overview = `Usage: run PLAYBOOK [-i INVENTORY] [options]
       run COMMAND …

A task runner with TypeScript playbooks for Docker hosts: builds cross-host container networking, proves it with
real packets, and takes it back.

Commands:
  run playbooks/static-route.ts    run a playbook; without -i on the embedded lab, three real hosts on this machine
  run playbooks/verify.ts          prove only: which containers reach which
  run playbooks/reset.ts           take back everything that causeway ever did on the hosts
  run inventory --list | --host HOST | --graph
  run history                      the runs that the hosts remember
  run rollback [RUN]               back to before that run (default: the last)
  run lab up | down | status | reset [HOST…] | ssh HOST [-- COMMAND…]

Exit codes: 0 fine · 2 a host failed · 3 verification failed · 4 a host was unreachable · 5 command line ·
  6 inventory, playbook or variables · 1 lab · 130 interrupted · 70 a bug of causeway itself
`;
