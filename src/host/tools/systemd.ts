/** A systemd unit, as `systemctl show` sees it. */
export interface UnitState {
  name: string;
  /** False when systemd knows no such unit. */
  present: boolean;
  /** `active`, `inactive`, `failed`, `activating`, … */
  active: string;
  /** The finer state: `running`, `exited`, `auto-restart`. */
  sub: string;
  /** `enabled`, `disabled`, `masked`, `static`; empty when there is no unit file. */
  enabled: string;
  needsReload: boolean;
  fragmentPath: string;
  /** In the order in which they apply: by their files' names, whatever folder they are in. */
  dropIns: readonly string[];
  /** What the drop-ins say of how it is started, in that order. */
  sets: readonly UnitSetting[];
  mainPid: number;
  /** The command line of its main process, its arguments parted by spaces; empty while there is none. */
  commandLine: string;
  /** The command line of ExecStart, its first if there are several. */
  execStart: string;
}

/** A line of a drop-in; without a value it forgets those before it. */
export interface UnitSetting {
  path: string;
  key: "ExecStart" | "Environment" | "EnvironmentFile";
  value: string;
}

/** Parses `systemctl show -p …`, and what the reader's script adds: `Sets PATH LINE` of drop-ins, and the kernel's `CommandLine=`. */
export function parseUnit(name: string, given: string): UnitState {
  const [text = "", commandLine = ""] = given.split(/^CommandLine=/m);
  const property = (key: string) => new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1] ?? "";
  return {
    name,
    present: property("LoadState") !== "not-found" && property("LoadState") !== "",
    active: property("ActiveState"),
    sub: property("SubState"),
    enabled: property("UnitFileState"),
    needsReload: property("NeedDaemonReload") === "yes",
    fragmentPath: property("FragmentPath"),
    dropIns: property("DropInPaths").split(" ").filter(Boolean),
    sets: [...text.matchAll(/^Sets (\S+) (ExecStart|Environment|EnvironmentFile) *= *(.*?) *$/gm)].map(
      ([, path = "", key, value = ""]) => ({ path, key: key as UnitSetting["key"], value }),
    ),
    mainPid: Number(property("MainPID") || 0),
    commandLine: commandLine.replaceAll(/[\0\n]/g, " ").trimEnd(),
    execStart: /argv\[\]=(.*?) ; ignore_errors=/.exec(property("ExecStart"))?.[1]?.trim() ?? "",
  };
}
