import type { HostRecap, RunEvent } from "../run/events.ts";
import { count, duration, type Paint } from "./paint.ts";

export type Recap = Extract<RunEvent, { type: "recap" }>;
type Named = readonly [name: string, recap: HostRecap];

/** More hosts than this that are simply fine are counted, not listed. */
const listedAtMost = 40;

/** The last lines of a run: how every host came out, and why it ended as it did. */
export function recapLines(recap: Recap, paint: Paint): string[] {
  const all = Object.entries(recap.hosts);
  const shown = all.length <= listedAtMost ? all : all.filter(([, host]) => needsAttention(host));
  return [
    paint("bold", recap.check ? "RECAP (check: nothing was changed)" : "RECAP"),
    ...table(shown, recap.check, paint),
    ...fineLine(all, shown, recap.check),
    ...hints(all, paint),
    `${duration(recap.ms)}, exit code ${recap.exitCode}: ${reason(recap)}`,
  ];
}

function needsAttention(recap: HostRecap): boolean {
  return recap.failed > 0 || recap.unreachable || recap.owed.length > 0;
}

function table(hosts: readonly Named[], check: boolean, paint: Paint): string[] {
  const wide = Math.max(0, ...hosts.map(([name]) => name.length));
  const digits = Math.max(
    1,
    ...hosts.map(([, r]) => String(Math.max(r.ok, r.changed, r.failed, r.restarts)).length),
  );
  return hosts.map(([name, host]) => `${name.padEnd(wide)} : ${words(host, check, digits, paint)}`);
}

function words(recap: HostRecap, check: boolean, digits: number, paint: Paint): string {
  const number = (label: string, value: number, style: "green" | "yellow" | "red") => {
    const text = `${label}=${value}`.padEnd(label.length + 1 + digits);
    return value > 0 ? paint(style, text) : text;
  };
  return [
    number("ok", recap.ok, "green"),
    number(check ? "would-change" : "changed", recap.changed, "yellow"),
    number("failed", recap.failed, "red"),
    number("unreachable", recap.unreachable ? 1 : 0, "red"),
    number(check ? "would-restart" : "restarts", recap.restarts, "yellow"),
    recap.owed.length > 0 ? paint("red", `owed=${recap.owed.join(", ")}`) : "owed=—",
  ].join(" ");
}

function fineLine(all: readonly Named[], shown: readonly Named[], check: boolean): string[] {
  const fine = all.filter(([, host]) => !needsAttention(host)).map(([, host]) => host);
  if (shown.length === all.length || fine.length === 0) return [];
  const sum = (of: (recap: HostRecap) => number) => fine.reduce((n, host) => n + of(host), 0);
  const changed = `${check ? "would-change" : "changed"}=${sum((r) => r.changed)}`;
  const restarts = `${check ? "would-restart" : "restarts"}=${sum((r) => r.restarts)}`;
  return [`${count(fine.length, "host")} all fine, together : ok=${sum((r) => r.ok)} ${changed} ${restarts}`];
}

function hints(all: readonly Named[], paint: Paint): string[] {
  const failed = all.filter(([, r]) => r.failed > 0).length;
  const unreachable = all.filter(([, r]) => r.unreachable).length;
  const owing = all.filter(([, r]) => r.owed.length > 0).length;
  const lost = [
    failed > 0 ? `${count(failed, "host")} failed` : "",
    unreachable > 0 ? `${count(unreachable, "host")} could not be reached` : "",
  ].filter(Boolean);
  return [
    ...(lost.length > 0
      ? [paint("red", `${lost.join(", ")}: the cause stands above, at the host's name`)]
      : []),
    ...(owing > 0 ? [paint("red", "owed restarts have not happened; the next run makes up for them")] : []),
  ];
}

function reason({ hosts, check, interrupted, exitCode }: Recap): string {
  if (interrupted) return "interrupted";
  switch (exitCode) {
    case 0:
      return check ? "every host could be planned" : "every host is as it should be";
    case 2:
      return Object.values(hosts).some((r) => r.failed > 0)
        ? "a host failed"
        : "refused, nothing was changed";
    case 3:
      return "the hosts were brought there, but what was to be proved did not hold";
    case 4:
      return "a host could not be reached";
    default:
      return "see above";
  }
}
