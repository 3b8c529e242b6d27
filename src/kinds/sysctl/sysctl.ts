import { CausewayError } from "../../errors.ts";
import type { Reader } from "../../host/reader.ts";
import { sh } from "../../host/sh.ts";
import { isBehindSysctl, type SysctlLine } from "../../host/tools/sysctl.ts";
import type { Step } from "../../task/step.ts";

export interface SysctlStep {
  key: string;
  value: string | number;
  /** The running value, if there is one. */
  was?: string | null;
}

/** A kernel setting, now and at every boot. */
export function sysctl({ key, value, was = null }: SysctlStep): Step {
  return {
    kind: "sysctl",
    what: `sysctl ${key}`,
    from: was,
    to: String(value),
    resource: ["sysctl", key],
    perform: sh`cw_sysctl_put ${key} ${String(value)}`,
    touches: [`sysctl:${key}`],
    causes: [],
  };
}

/** A setting of the kernel as it runs, and the lines of files that set it at boot; of these the last one wins. */
export interface SysctlState {
  running: string | undefined;
  files: readonly SysctlLine[];
}

export async function readSysctl(host: Reader, key: string): Promise<SysctlState> {
  const [running, files] = await Promise.all([host.sysctl(key), host.sysctlFiles(key)]);
  return { running, files };
}

/**
 * The step that is missing for a setting; none where it runs, and no file says otherwise. A file that says otherwise and
 * comes behind the step's own is somebody's decision: it is refused by its name.
 */
export function missingSysctl(
  { running, files }: SysctlState,
  { key, value }: Omit<SysctlStep, "was">,
): Step[] {
  const wanted = String(value);
  const last = files.at(-1);
  const differs = last !== undefined && last.value !== wanted;
  const ours = `/etc/sysctl.d/90-causeway-${key.replaceAll("/", "-")}.conf`;
  if (differs && isBehindSysctl(last.path, ours)) throw overruled(key, wanted, last, ours);
  if (running === wanted && !differs) return [];
  const was = running === wanted && differs ? `${running}, and ${last.value} by ${last.path}` : running;
  return [sysctl({ key, value, was: was ?? null })];
}

function overruled(key: string, wanted: string, { path, value }: SysctlLine, ours: string): CausewayError {
  return new CausewayError("host", `${path} would overrule ${key} = ${wanted}, which this needs`, {
    found: `${key} = ${value} in ${path}`,
    expected: `${wanted}; ${path} wins over ${ours} at every boot, and with sysctl --system`,
    command: `grep -n ${key.split(".").at(-1)} ${path}`,
    advice: `set it to ${wanted} there or take the line out of it, and run again`,
  });
}
