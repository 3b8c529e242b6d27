import { CausewayError } from "../errors.ts";
import type { UnitSetting, UnitState } from "../host/tools/systemd.ts";

/**
 * Refuses a unit that systemd would not start as the file at `path` says, which causeway writes: it is masked, or a drop-in
 * of somebody's overrules that file, because it sorts behind it by its name (systemd.unit(5)) or `path` is the unit itself.
 * `matters` says which lines of a drop-in count, each as `KEY=VALUE`.
 */
export function refuseUnitOfOthers(unit: UnitState, path: string, matters = /^ExecStart=/): void {
  refuseMasked(unit);
  const theirs = unit.sets.filter((set) => matters.test(line(set)) && isBehind(set.path, path));
  const last = theirs.at(-1);
  if (!last) return;
  const files = [...new Set(theirs.map((set) => set.path))];
  throw new CausewayError("host", `${nameOf(last.path)} would overrule what causeway sets for ${unit.name}`, {
    found: theirs.map((set) => `${line(set)} in ${set.path}`).join("\n"),
    expected: `nothing that says it after ${path}`,
    command: `systemctl cat ${unit.name}`,
    advice: path.endsWith(".conf")
      ? `let it come first, its command line is kept: ${files.map(moved).join("; ")}; systemctl daemon-reload`
      : `take these lines out of it, then systemctl daemon-reload`,
  });
}

/** systemd starts no unit that is masked, also where it runs still. */
export function refuseMasked({ name, enabled }: UnitState): void {
  if (!enabled.startsWith("masked")) return;
  throw new CausewayError("host", `${name} is masked: systemd would not start it`, {
    found: `UnitFileState=${enabled}`,
    expected: "a unit that can be started",
    advice: `systemctl unmask ${enabled === "masked-runtime" ? "--runtime " : ""}${name}`,
  });
}

function line({ key, value }: UnitSetting): string {
  return `${key}=${value}`;
}

/** Drop-ins apply in the order of their names. Those with our name in theirs are ours: another scheme's is undone first. */
function isBehind(theirs: string, ours: string): boolean {
  if (nameOf(theirs).includes("causeway")) return false;
  return !ours.endsWith(".conf") || nameOf(theirs) > nameOf(ours);
}

function moved(path: string): string {
  return `mv ${path} ${path.slice(0, -nameOf(path).length)}00-${nameOf(path)}`;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
