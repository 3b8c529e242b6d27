import { oneLine } from "./paint.ts";

interface ShownRun {
  id: string;
  playbook: string;
  started: string;
  user: string;
  machine: string;
  on: readonly string[];
  state: string;
}

/** The runs of a fleet as a table: when, by whom, playbook, hosts, state. */
export function historyLines(runs: readonly ShownRun[]): string {
  if (runs.length === 0) return "no host has a run in its journal\n";
  const rows = [
    ["RUN", "STARTED", "BY", "PLAYBOOK", "STATE", "HOSTS"],
    ...runs.map((run) =>
      [
        run.id,
        run.started.replace("T", " ").replace(/\.\d+Z$/, " UTC"),
        `${run.user}@${run.machine}`,
        run.playbook,
        run.state,
        run.on.length > 6 ? `${run.on.length} hosts` : run.on.join(", "),
      ].map(oneLine),
    ),
  ];
  const wide = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(wide[i] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}
