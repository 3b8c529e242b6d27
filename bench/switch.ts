import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { LabSpec } from "../src/lab/types.ts";
import { packageDir } from "../src/package-dir.ts";
import { type Command, measure, median } from "./measure.ts";
import { processesStarted } from "./processes.ts";

/** How the hosts of a lab are named on the command line. */
interface Fleet {
  lab: LabSpec;
  inventory: string;
  sshConfig: string;
}

/** What the switch costs: the same small change with it and without, and a run that changes nothing, in turn. */
export async function switchCosts(
  { lab, inventory, sshConfig }: Fleet,
  rounds: number,
  print: (line: string) => void,
): Promise<void> {
  const via = `${lab.subnet.replace(/\.\d+\/\d+$/, "")}.1`;
  const command = (to: number, ...more: string[]): Command => ({
    argv: [
      ...[join(packageDir, "run"), join(packageDir, "bench/one-route.ts"), "-i", inventory],
      ...["--ssh-config", sshConfig, "-e", JSON.stringify({ to: `198.51.${to % 100}.0/24`, via }), ...more],
    ],
  });
  const ways: Record<string, (round: number) => Command> = {
    "a change, with the switch": (round) => command(2 * round),
    "a change, without (`--confirm-timeout 0`)": (round) => command(2 * round + 1, "--confirm-timeout", "0"),
    "no change, with the switch": (round) => command(2 * round + 1),
    "no change, without": (round) => command(2 * round + 1, "--confirm-timeout", "0"),
  };
  await measure(command(99));
  const walls = new Map(Object.keys(ways).map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round += 1)
    for (const [name, way] of Object.entries(ways)) walls.get(name)?.push((await measure(way(round))).wallMs);
  print(
    `\nThe switch, on ${lab.hosts.length} lab hosts\n\n| what | wall | round trips a host | new connections a host | programs a host |\n|---|---|---|---|---|`,
  );
  for (const [name, way] of Object.entries(ways)) {
    const wall = (median(walls.get(name) ?? []) / 1000).toFixed(3);
    let told = { trips: 0, connections: 0 };
    const programs = await processesStarted(lab, async () => {
      told = countsOf(way(rounds));
    });
    print(`| ${name} | ${wall} s | ${told.trips} | ${told.connections} | ${programs} |`);
  }
}

/** The round trips of a run's first host, and how often it connected there: once more where it was confirmed. */
function countsOf({ argv: [file = "", ...args] }: Command): { trips: number; connections: number } {
  const said = execFileSync(file, [...args, "--output", "json"], { encoding: "utf8" });
  const events = said.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
  const closed = events.find(({ type }) => type === "disconnected");
  const confirmed = events.filter(
    ({ type, state, host }) => type === "switch" && state === "confirmed" && host === closed?.host,
  ).length;
  return { trips: closed?.roundTrips + confirmed, connections: 1 + confirmed };
}
