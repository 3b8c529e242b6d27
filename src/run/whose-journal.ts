import { CausewayError } from "../errors.ts";
import type { Script } from "../host/sh.ts";
import { journalFolder } from "../journal/folder.ts";
import { forgetMissingScript, noteMissingScript } from "../journal/script.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import type { RunOptions } from "./options.ts";

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

/** So many others remember for each host which run changed it last. */
const witnesses = 3;

/** Of the hosts that a run changed, those that a host remembers it of: the next ones, in a ring. */
export function besideOf(host: HostRun, hosts: readonly HostRun[]): readonly string[] {
  const changed = hosts.filter((one) => one.upcomingNumber !== "0001" && !one.failure);
  const at = changed.indexOf(host);
  if (at < 0) return [];
  return [...changed.slice(at + 1), ...changed.slice(0, at)].slice(0, witnesses).map(({ name }) => name);
}

/** Hosts whose journals end before a run that changed them, as others remember it, and that run. */
function journalsOfBefore(hosts: readonly HostRun[]): ReadonlyMap<HostRun, string> {
  const byName = new Map(hosts.map((host) => [host.name, host]));
  const found = new Map<HostRun, string>();
  for (const { journal } of hosts)
    for (const name of journal.beside?.hosts ?? []) {
      const [host, run] = [byName.get(name), journal.beside?.run ?? ""];
      if (!host || (host.journal.head.split(" ")[0] ?? "") >= run) continue;
      // Controllers' clocks may differ.
      if (host.journal.runs.some(({ id }) => id === run)) continue;
      if (run > (found.get(host) ?? "")) found.set(host, run);
    }
  return found;
}

/** Says so: what such a run did there, if it is there, is in no journal. */
export function tellJournalsOfBefore(hosts: readonly HostRun[]): void {
  for (const [host, run] of journalsOfBefore(hosts)) {
    const text = `its journal ends before run ${run}, which changed it, as other hosts remember: it was restored from a backup or reinstalled; what that run did there cannot be taken back by a rollback`;
    host.say({ type: "message", level: "warning", host: host.name, text });
  }
}

/**
 * Notes it on such a host: this run makes its journal one of today, and the others forget. Of a host without any journal it is
 * told by what it carries.
 */
export async function noteJournalsOfBefore({ check }: RunContext, hosts: readonly HostRun[]): Promise<void> {
  const found = [...journalsOfBefore(hosts)].filter(([{ journal }]) => journal.head !== "");
  await Promise.all(
    found.map(async ([host, run]) => {
      host.journal = { ...host.journal, missing: run };
      if (!check) await keepNote(host, noteMissingScript(run));
    }),
  );
}

/** A reset took back what was in such a journal, which is not all that was done there: an error until a person says otherwise. */
export async function failOfBefore(
  { force = false }: Pick<RunOptions, "force">,
  { check }: RunContext,
  hosts: readonly HostRun[],
): Promise<void> {
  await Promise.all(
    hosts.map(async (host) => {
      const { missing } = host.journal;
      if (missing === undefined) return;
      if (!force) host.fail(unknownRun(host, missing));
      else if (!check && !host.failure) await keepNote(host, forgetMissingScript);
    }),
  );
}

async function keepNote(host: HostRun, { text }: Script): Promise<void> {
  try {
    const { code, stderr } = await host.session.run(text, { shown: "# which run is in no journal" });
    if (code === 0) return;
    const detail = {
      host: host.name,
      output: stderr,
      advice: "see that it can be written to, and run again",
    };
    host.fail(new CausewayError("host", `cannot write to ${journalFolder}`, detail));
  } catch (error) {
    host.failWith(error);
  }
}

function unknownRun(host: HostRun, run: string): CausewayError {
  return new CausewayError(
    "host",
    "what a later run did on this host was in no journal, so it may still be there",
    {
      host: host.name,
      found: `the journal in ${journalFolder} ended before run ${run}, which changed this host, as other hosts remember`,
      expected: "a journal with that run",
      advice: [
        "if a later backup of the host has a newer journal, put that there and run the reset again",
        "if all of the host was restored from a backup, or you see that nothing of that run is left: --force, once, forgets it",
      ].join("\n"),
    },
  );
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
