import { standingEntries } from "../journal/entries.ts";
import type { Facts, Playbook, Standing } from "../playbook/define.ts";
import type { HostRun } from "./host-run.ts";
import type { AnyPlay, Prepared } from "./prepare.ts";

/** Reads facts of one host, all that can travel together in one trip. */
export async function readFacts(
  facts: Facts,
  host: HostRun,
  standing: Promise<readonly Standing[]>,
): Promise<Record<string, unknown>> {
  const { name, address, groups, vars } = host.view;
  const [known, reader] = [{ name, address, groups, vars, standing }, host.reader()];
  const read = Object.entries(facts).map(
    async ([name, fact]) => [name, await fact.read(reader, known as never)] as const,
  );
  return Object.fromEntries(await Promise.all(read));
}

/**
 * Reads again, on all hosts, what a play learns from those before it; where nothing was done since, nothing is new. A host
 * that does not answer fails here, and is no longer among those that were reached: as if it had not answered at first.
 */
export async function learn(
  play: AnyPlay,
  { facts = {} }: Playbook,
  hosts: readonly HostRun[],
  known: Prepared["facts"],
): Promise<void> {
  const learned = Object.fromEntries(Object.entries(facts).filter(([name]) => play.learns?.includes(name)));
  if (play.learns === undefined || hosts.every((host) => host.memory.forgotten === 0)) return;
  await Promise.all(
    hosts.map(async (host) => {
      try {
        if (host.recap.unreachable) throw host.failure;
        const read = await readFacts(learned, host, Promise.resolve(standingEntries(host.journal)));
        known.set(host.name, { ...known.get(host.name), ...read });
      } catch (error) {
        known.delete(host.name);
        host.failWith(error);
      }
    }),
  );
  for (const host of hosts) host.composed.delete(play);
}
