/** A line of a file by which a setting of the kernel is set at boot. */
export interface SysctlLine {
  path: string;
  value: string;
}

/** The folders of systemd-sysctl; of two files with one name that of the earlier folder counts alone (sysctl.d(5)). */
export const sysctlFolders = [
  "/etc/sysctl.d",
  "/run/sysctl.d",
  "/usr/local/lib/sysctl.d",
  "/usr/lib/sysctl.d",
  "/lib/sysctl.d",
] as const;

/** `sysctl --system` reads it after all others (sysctl(8)); systemd-sysctl where a link in /etc/sysctl.d leads to it. */
export const lastSysctlFile = "/etc/sysctl.conf";

/** Two names of one switch: the kernel sets both (ip-sysctl, "conf/all/forwarding"). */
const otherNames: Readonly<Record<string, string>> = {
  "net.ipv4.ip_forward": "net.ipv4.conf.all.forwarding",
  "net.ipv4.conf.all.forwarding": "net.ipv4.ip_forward",
};

/** The lines that set a key, in the order in which they apply: the last one wins. */
export function parseSysctlFiles(text: string, key: string): SysctlLine[] {
  const files = new Map<string, { path: string; lines: string[] }>();
  for (const line of text.split("\n")) {
    const path = /^file (.*)$/.exec(line)?.[1];
    if (path !== undefined && !files.has(nameOf(path))) files.set(nameOf(path), { path, lines: [] });
    const [, from = "", words] = /^(\/[^:]*):(.*)$/.exec(line) ?? [];
    const file = files.get(nameOf(from));
    if (words !== undefined && file?.path === from) file.lines.push(words);
  }
  const found = [...files.values()].sort(byOrder).flatMap(({ path, lines }) =>
    lines.flatMap((line) => {
      const [, pattern = "", value = ""] = /^\s*-?\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      return isFor(pattern, key) ? [{ path, value, wide: pattern.includes("*") }] : [];
    }),
  );
  // A key that is named wins over a pattern, whatever file that is in.
  return [...found.filter(({ wide }) => wide), ...found.filter(({ wide }) => !wide)].map(
    ({ path, value }) => ({ path, value }),
  );
}

/** Whether a file comes behind another one. */
export function isBehindSysctl(theirs: string, ours: string): boolean {
  return byOrder({ path: theirs }, { path: ours }) > 0;
}

function byOrder({ path: one }: { path: string }, { path: other }: { path: string }): number {
  if (one === lastSysctlFile || other === lastSysctlFile)
    return Number(one === lastSysctlFile) - Number(other === lastSysctlFile);
  return nameOf(one) < nameOf(other) ? -1 : Number(nameOf(one) > nameOf(other));
}

/** Written with dots or slashes, and with `*` for a part of it. */
function isFor(pattern: string, key: string): boolean {
  const parts = (text: string) => text.replaceAll("/", ".").split(".");
  const asked = parts(pattern);
  return [key, otherNames[key]].some((name) => {
    const named = name === undefined ? [] : parts(name);
    return named.length === asked.length && named.every((part, i) => fits(asked[i] ?? "", part));
  });
}

function fits(pattern: string, part: string): boolean {
  const text = pattern.replaceAll(/[+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${text}$`).test(part);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
