import type { HostRecap, RunEvent } from "./events.ts";
import { duration, type Paint } from "./paint.ts";

type Recap = Extract<RunEvent, { type: "recap" }>;

/** More hosts than this that are simply fine are counted, not listed. */
const listedAtMost = 40;

/** The last lines of a run: how every host came out. */
export function recapLines({ hosts, check, interrupted, exitCode, ms }: Recap, paint: Paint): string[] {
  const all = Object.entries(hosts);
  const shown = all.length <= listedAtMost ? all : all.filter(([, recap]) => needsAttention(recap));
  const wide = Math.max(...all.map(([name]) => name.length), 8);
  const fine = all.length - shown.length;
  return [
    paint("bold", check ? "RECAP (check: nothing was changed)" : "RECAP"),
    ...shown.map(([name, recap]) => `  ${name.padEnd(wide)}  ${recapWords(recap, check, paint)}`),
    ...(fine > 0 ? [`  ${fine} more hosts, all fine: ${total(all, check)}`] : []),
    `${interrupted ? "interrupted; " : ""}${duration(ms)}, exit code ${exitCode}`,
  ];
}

function needsAttention(recap: HostRecap): boolean {
  return recap.failed > 0 || recap.unreachable || recap.owed.length > 0;
}

function recapWords(recap: HostRecap, check: boolean, paint: Paint): string {
  const number = (label: string, value: number, style: "green" | "yellow" | "red") => {
    const text = `${label}=${value}`.padEnd(label.length + 4);
    return value > 0 ? paint(style, text) : text;
  };
  return [
    number("ok", recap.ok, "green"),
    number(check ? "would-change" : "changed", recap.changed, "yellow"),
    number("failed", recap.failed, "red"),
    number("unreachable", recap.unreachable ? 1 : 0, "red"),
    number(check ? "would-restart" : "restarts", recap.restarts, "yellow"),
    recap.owed.length > 0 ? paint("red", `owed=${recap.owed.join(", ")}`) : "owed=0",
  ].join(" ");
}

function total(all: readonly (readonly [string, HostRecap])[], check: boolean): string {
  const sum = (of: (recap: HostRecap) => number) => all.reduce((n, [, recap]) => n + of(recap), 0);
  return `ok=${sum((r) => r.ok)} ${check ? "would-change" : "changed"}=${sum((r) => r.changed)}`;
}
