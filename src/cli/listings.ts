import { select } from "../inventory/patterns.ts";
import type { Inventory } from "../inventory/types.ts";
import type { Playbook } from "../playbook/define.ts";
import type { Prepared } from "../run/prepare.ts";
import { isNotYet } from "../thrown.ts";

/** `--list-hosts`: the hosts of each play. */
export function listHosts(playbook: Playbook, inventory: Inventory, { chosen }: Prepared): string {
  const lines = playbook.plays.map((play) => {
    const named = select(inventory, play.hosts, "hosts", "playbook").map((h) => h.name);
    const taking = chosen.filter((h) => named.includes(h.name)).map((h) => h.name);
    const hosts = play.runOnce ? taking.slice(0, 1) : taking;
    return `${play.title} (${hosts.length})\n${hosts.map((h) => `  ${h}\n`).join("")}`;
  });
  return lines.join("");
}

/** `--list-tasks`: the tasks of each play; a task that several hosts share is one line. */
export function listTasks(playbook: Playbook, inventory: Inventory, { chosen, fleet }: Prepared): string {
  const plays = playbook.plays.map((play) => {
    const named = select(inventory, play.hosts, "hosts", "playbook").map((h) => h.name);
    const taking = chosen.filter((h) => named.includes(h.name));
    const who = new Map<string, string[]>();
    let facts = "";
    for (const host of play.runOnce ? taking.slice(0, 1) : taking) {
      const view = fleet.host(host.name);
      try {
        for (const { task, key } of view ? play.tasks(view, fleet) : []) {
          const line = key ? `${task} ${key}` : task;
          who.set(line, [...(who.get(line) ?? []), host.name]);
        }
      } catch (error) {
        if (!isNotYet(error)) throw error;
        facts = "  (depends on the hosts' facts: see --check)\n";
      }
    }
    const lines = [...who].map(
      ([line, hosts]) => `  ${line}${hosts.length === taking.length ? "" : `   on ${hosts.join(", ")}`}\n`,
    );
    return `${play.title}\n${facts}${lines.join("")}`;
  });
  const probes = playbook.verify?.(fleet as never).map((p) => `  ${p.probe}\n`) ?? [];
  return plays.join("") + (probes.length > 0 ? `Verify\n${probes.join("")}` : "");
}
