import { sh } from "../../host/sh.ts";
import type { Step } from "../../task/step.ts";

export interface UnitStep {
  name: string;
  enabled?: boolean;
  active?: boolean;
  /** What it is now: `disabled, inactive`. */
  was: string;
  /** Do not wait until it is up: for a unit that needs its peers. */
  noBlock?: boolean;
}

/** Enables, disables, starts or stops a unit. */
export function unit({ name, enabled, active, was, noBlock = false }: UnitStep): Step {
  const word = (flag: boolean | undefined) => (flag === undefined ? "" : flag ? "yes" : "no");
  const to = [
    enabled === undefined ? "" : enabled ? "enabled" : "disabled",
    active === undefined ? "" : active ? "active" : "inactive",
  ];
  return {
    kind: "unit",
    what: `unit ${name}`,
    from: was,
    to: to.filter(Boolean).join(", "),
    resource: ["unit", name],
    perform: sh`cw_unit_put ${name} ${word(enabled)} ${word(active)} ${noBlock ? "--no-block" : ""}`,
    touches: ["*"],
    causes: [],
  };
}
