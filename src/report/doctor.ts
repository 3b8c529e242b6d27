import type { Finding, HostFinding, Section } from "../doctor/finding.ts";
import { quote } from "../host/sh.ts";
import { ownCommand } from "../own-command.ts";
import { someHosts } from "./host-names.ts";
import { count, type Paint, tame } from "./paint.ts";

/** The findings of all hosts, those that say the same as one; a fix is a command of this machine, over the same connections. */
export function ofHosts(findings: readonly HostFinding[], reach: string): Finding[] {
  const groups = new Map<string, HostFinding[]>();
  for (const finding of findings) {
    const { host: _, ...same } = finding;
    const key = JSON.stringify(same);
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const { about, level, found, fix } = first;
    const names = group.map(({ host }) => host);
    const where = `${found}  (${count(names.length, "host")}: ${someHosts(names)})`;
    return [{ about, level, found: where, ...(fix ? { fix: onHosts(names, fix, reach) } : {}) }];
  });
}

/** What is a command is run there; what is words for a person stays so. */
function onHosts(names: readonly string[], fix: string, reach: string): string {
  if (/^(give|set) /.test(fix)) return fix;
  return ownCommand("exec", quote(names.join(",")), reach, "--", quote(fix));
}

/** A heading a section, a line a finding, and under what is missing what to do. */
export function doctorLines(sections: readonly Section[], paint: Paint): string[] {
  const colours = { ok: "green", warning: "yellow", missing: "red" } as const;
  return sections.flatMap(({ title, findings }) => [
    title,
    ...findings.flatMap(({ about, level, found, fix }) => [
      `  ${paint(colours[level], level.padEnd(7))}  ${tame(`${about}: ${found}`).replaceAll("\n", `\n${" ".repeat(11)}`)}`,
      ...(fix === undefined ? [] : [`           do: ${fix}`]),
    ]),
  ]);
}
