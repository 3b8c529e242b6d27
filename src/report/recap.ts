import type { HostRecap, RunEvent } from "../run/events.ts";
import { hostRanges } from "./host-names.ts";
import { count, duration, type Paint } from "./paint.ts";

export type Recap = Extract<RunEvent, { type: "recap" }>;
type Named = readonly [name: string, recap: HostRecap];

/** Hosts that came out alike have a line each up to so many, and those that failed or owe something up to so many. */
const [fineListed, lostListed] = [8, 40];
/** Names are padded up to so many characters. */
const widest = 40;

/** The last lines of a run: how every host came out, or how many came out how; and why it ended as it did. */
export function recapLines(recap: Recap, paint: Paint, every: boolean): string[] {
  const all = Object.entries(recap.hosts);
  return [
    paint("bold", recap.check ? "RECAP (check: nothing was changed)" : "RECAP"),
    ...(every ? [] : [totals(all, recap.check)]),
    ...table(every ? all : alike(all), recap.check, paint),
    ...hints(all, paint),
    ...(recap.undone ? [paint("yellow", `undone again: ${hostRanges(recap.undone)}`)] : []),
    ...(recap.notBegun
      ? [paint("yellow", `not begun: ${hostRanges(recap.notBegun)}; the same command continues there`)]
      : []),
    `${duration(recap.ms)}, exit code ${recap.exitCode}: ${reason(recap)}`,
  ];
}

/** The most frequent outcome first, as one line; where few hosts share one, each has its own. */
function alike(all: readonly Named[]): Named[] {
  const groups = new Map<string, { recap: HostRecap; names: string[] }>();
  for (const [name, recap] of all) {
    const { steps: _, ...shown } = recap;
    const key = JSON.stringify(shown);
    const group = groups.get(key);
    if (group) group.names.push(name);
    else groups.set(key, { recap, names: [name] });
  }
  return [...groups.values()]
    .sort((a, b) => b.names.length - a.names.length)
    .flatMap(({ recap, names }, i): Named[] => {
      const lost = needsAttention(recap);
      const each = lost ? names.length <= lostListed : i > 0 && names.length <= fineListed;
      if (each) return names.map((name) => [name, recap]);
      // Those that failed are all named, however many they are.
      return [[lost ? hostRanges(names) : count(names.length, "host"), recap]];
    });
}

function needsAttention(recap: HostRecap): boolean {
  return recap.failed > 0 || recap.unreachable || recap.owed.length > 0;
}

/** `200 hosts: 195 changed, 3 ok, 1 failed, 1 unreachable; 195 restarts`. */
function totals(all: readonly Named[], check: boolean): string {
  const recaps = all.map(([, recap]) => recap);
  const number = (is: (recap: HostRecap) => boolean) => recaps.filter(is).length;
  const lost = (r: HostRecap) => r.failed > 0 || r.unreachable;
  const parts: [number, string][] = [
    [number((r) => !lost(r) && r.changed === 0), "ok"],
    [number((r) => !lost(r) && r.changed > 0), check ? "would change" : "changed"],
    [number((r) => r.failed > 0), "failed"],
    [number((r) => r.unreachable), "unreachable"],
  ];
  const restarts = recaps.reduce((sum, r) => sum + r.restarts, 0);
  const told = parts.filter(([n]) => n > 0).map(([n, word]) => `${n} ${word}`);
  const again = restarts > 0 ? `; ${check ? "would be " : ""}${count(restarts, "restart")}` : "";
  return `${count(all.length, "host")}: ${told.join(", ")}${again}`;
}

function table(hosts: readonly Named[], check: boolean, paint: Paint): string[] {
  const wide = hosts.reduce((most, [name]) => Math.max(most, name.length), 0);
  const digits = hosts.reduce(
    (most, [, r]) => Math.max(most, String(Math.max(r.ok, r.changed, r.failed, r.restarts)).length),
    1,
  );
  // A long list of hosts does not push the others' numbers off the screen.
  const pad = Math.min(wide, widest);
  return hosts.map(([name, host]) => `${name.padEnd(pad)} : ${words(host, check, digits, paint)}`);
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
    ...(recap.rescued ? [number("rescued", recap.rescued.length, "yellow")] : []),
    recap.owed.length > 0 ? paint("red", `owed=${recap.owed.join(", ")}`) : "owed=—",
  ].join(" ");
}

function hints(all: readonly Named[], paint: Paint): string[] {
  const failed = all.filter(([, r]) => r.failed > 0).length;
  const unreachable = all.filter(([, r]) => r.unreachable).length;
  const owing = all.filter(([, r]) => r.owed.length > 0).length;
  const gone = all.filter(([, { notBack = [] }]) => notBack.length > 0);
  const lost = [
    failed > 0 ? `${count(failed, "host")} failed` : "",
    unreachable > 0 ? `${count(unreachable, "host")} unreachable` : "",
  ].filter(Boolean);
  return [
    ...(lost.length > 0 ? [paint("red", `${lost.join(", ")}: see the errors above`)] : []),
    ...gone.map(([name, { notBack = [] }]) =>
      paint("yellow", `ended with Docker on ${name}, and not back: ${notBack.join(", ")}`),
    ),
    ...all.flatMap(([name, { rescued = [] }]) =>
      rescued.map((play) => paint("yellow", `“${play}” failed on ${name}, and its rescue was done instead`)),
    ),
    ...(owing > 0 ? [paint("red", "owed restarts did not run; the next run does them")] : []),
  ];
}

/** What a good end did not bring about. */
function exceptions(recaps: readonly HostRecap[]): string[] {
  const exceptions = [
    ...(recaps.some(({ notBack }) => notBack) ? ["the containers that are not back"] : []),
    ...(recaps.some(({ rescued }) => rescued) ? ["the plays whose rescue was done instead"] : []),
  ];
  return exceptions.length > 0 ? [exceptions.join(" and ")] : [];
}

/** Why a run ended as it did. */
export function reason({ hosts, check, interrupted, notBegun, undone, overMaxGap, exitCode }: Recap): string {
  if (interrupted) return "interrupted";
  switch (exitCode) {
    case 0:
      if (check) return "check completed";
      return ["every host is as it should be", ...exceptions(Object.values(hosts))].join(", but for ");
    case 2:
      return Object.values(hosts).some((r) => r.failed > 0)
        ? "a host failed"
        : "refused, nothing was changed";
    case 3:
      if (overMaxGap !== undefined)
        return `what was changed stays; ${count(overMaxGap, "pair")} had no answer for longer than --max-gap`;
      if (notBegun || undone) return "stopped at a batch, verification failed";
      if (Object.values(hosts).some((r) => r.changed > 0)) return "changes applied, verification failed";
      return Object.values(hosts).some((r) => r.ok > 0)
        ? "nothing was missing, and verification failed"
        : "verification failed";
    case 4:
      return `a host was unreachable${notBegun || undone ? ", and the roll stopped at a batch" : ""}`;
    default:
      return "see above";
  }
}
