import { readFileSync, writeFileSync } from "node:fs";
import { uptime } from "node:os";
import { join } from "node:path";
import { labConnection } from "../../src/lab/index.ts";
import type { RunEventLike, TestLab } from "./support.ts";

/** An event with the machine's uptime in seconds when it was read. */
export type Timed = RunEventLike & { readonly seen: number };

/** Fleets of subnets: host number i of generation g has 192.168.(100 + 10 g + i).1/24. */
export const third = (generation: number, i: number) => 100 + 10 * generation + i;

/** The inventory with some hosts, each with the subnet of a generation. */
export function fleetOf(lab: TestLab, generation: number, hosts = lab.names): string {
  const bip = (name: string) => `192.168.${third(generation, lab.names.indexOf(name))}.1/24`;
  return lab.inventory({
    hosts,
    vars: { interrupt_containers: true },
    of: Object.fromEntries(hosts.map((name) => [name, { bip: bip(name) }])),
  });
}

/** The same hosts as if they were anybody's, and the options that reach them. */
export function strangersOf(
  lab: TestLab,
  generation: number,
): { inventory: string; args: readonly string[] } {
  const { sshConfig } = lab.plainInventory();
  const { all } = JSON.parse(readFileSync(fleetOf(lab, generation), "utf8")) as { all: object };
  const inventory = join(lab.folder, "strangers.yaml");
  const vars = { ansible_ssh_private_key_file: labConnection(lab.spec).privateKeyFile };
  writeFileSync(inventory, JSON.stringify({ all: { ...all, vars } }));
  return { inventory, args: ["--ssh-config", sshConfig] };
}

/** Starts static-route; `on` is told every event as it comes, with what sends a signal to the runner. */
export async function rolled(
  lab: TestLab,
  inventory: string,
  args: readonly string[],
  on: (event: Timed, send: (signal: NodeJS.Signals) => void) => void = () => {},
): Promise<{ code: number | null; events: Timed[]; stderr: string }> {
  const events: Timed[] = [];
  const timed = (event: RunEventLike, send: (signal: NodeJS.Signals) => void) => {
    const now = { ...event, seen: uptime() };
    events.push(now);
    on(now, send);
  };
  const { code, stderr } = await lab.follow("playbooks/static-route.ts", args, timed, inventory);
  return { code, events, stderr };
}

/** The hosts that are left to do, as the run wrote them down. */
export const retryOf = (lab: TestLab) =>
  readFileSync(join(lab.folder, "static-route.retry"), "utf8").trim().split("\n");
