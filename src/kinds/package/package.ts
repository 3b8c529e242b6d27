import { sh } from "../../host/sh.ts";
import type { Consequence, Step } from "../../task/step.ts";

export interface PackageStep {
  names: readonly string[];
  causes?: readonly Consequence[];
}

/**
 * Installs packages from the distribution (apt, dnf or yum), with the start of their services prevented. The undo
 * purges exactly what came with them.
 */
export function packages({ names, causes = [] }: PackageStep): Step {
  return {
    kind: "package",
    what: `package ${names.join(", ")}`,
    from: null,
    to: "installed",
    resource: ["package", names.join(" ")],
    perform: sh`cw_package_put ${names.join(" ")}`,
    touches: ["*"],
    causes,
    timeoutMs: 600_000,
  };
}
