import { CausewayError } from "../errors.ts";
import { journalFolder } from "../journal/folder.ts";
import type { HostRun } from "./host-run.ts";

/**
 * A machine that was copied has the journal of the one it was copied from: what is taken back by it would be the other's. A
 * journal whose host the inventory names beside this one, or that two hosts have, is refused; of a host that only has another
 * name by now, the inventory no longer names the old one.
 */
export function copiedJournals(hosts: readonly HostRun[], inventory: Iterable<string>): CausewayError[] {
  const names = new Set(inventory);
  return hosts.flatMap((host) => {
    const whose = host.journal.host;
    if (whose === undefined || whose === host.name) return [];
    const others = hosts.filter((other) => other !== host && other.journal.host === whose);
    if (names.has(whose)) return [copied(host, whose, `${whose}, which is in the inventory, too`)];
    if (others.length > 0)
      return [copied(host, whose, `${whose}, as on ${others.map(({ name }) => name).join(", ")}`)];
    return [];
  });
}

function copied(host: HostRun, whose: string, found: string): CausewayError {
  return new CausewayError(
    "host",
    `the journal on this host is another host's: one machine is a copy of the other`,
    {
      host: host.name,
      found: `${journalFolder}/host says ${found}`,
      expected: host.name,
      advice: [
        "nothing was changed on any host; say on that host which it is:",
        `a copy, of which nothing is to be taken back: mv ${journalFolder} ${journalFolder}.of-${whose}`,
        `the host itself, which only got another name: echo ${host.name} >${journalFolder}/host`,
      ].join("\n"),
    },
  );
}
