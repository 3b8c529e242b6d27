import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { uptime } from "node:os";
import { join } from "node:path";
import { labConnection } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
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
  const all = [join(packageDir, "playbooks/static-route.ts"), "-i", inventory, "--output", "json", ...args];
  const child = spawn(join(packageDir, "run"), all, { cwd: lab.folder, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const events: Timed[] = [];
  let [text, stderr] = ["", ""];
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  for await (const chunk of child.stdout) {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const event = { ...(JSON.parse(line) as RunEventLike), seen: uptime() };
      events.push(event);
      on(event, (signal) => void child.kill(signal));
    }
  }
  return { code: await ended, events, stderr };
}

export function batchesOf(events: readonly RunEventLike[], state = "started"): string[][] {
  return events.flatMap((e) =>
    e.type === "batch" && e.state === state ? [e.hosts as unknown as string[]] : [],
  );
}

export const messagesOf = (events: readonly RunEventLike[]) =>
  events.flatMap((e) => (e.type === "message" ? [String(e.text)] : []));

/** The hosts that are left to do, as the run wrote them down. */
export const retryOf = (lab: TestLab) =>
  readFileSync(join(lab.folder, "static-route.retry"), "utf8").trim().split("\n");

/** The script of a killed runner ends with its next word; until then it holds the lock. */
export const lockIsHeld = "cd /var/lib/causeway && [ -f lock ] && . ./lib-*.sh && cw_holder_alive lock";
