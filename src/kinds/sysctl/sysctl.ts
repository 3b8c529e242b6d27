import { sh } from "../../host/sh.ts";
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
