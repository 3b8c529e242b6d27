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
  /** It is not started here but by its restart, once all steps that ask for that are done; this one is there for its undo. */
  withRestart?: boolean;
}

/** Enables, disables, starts or stops a unit. */
export function unit({ name, enabled, active, was, noBlock = false, withRestart = false }: UnitStep): Step {
  const word = (flag: boolean | undefined) => (flag === undefined ? "" : flag ? "yes" : "no");
  const to = [
    enabled === undefined ? "" : enabled ? "enabled" : "disabled",
    active === undefined ? "" : active ? "active" : "inactive",
  ];
  return {
    kind: "unit",
    what: `unit ${name}`,
    from: was,
    to: [...to, withRestart ? "with the restart" : ""].filter(Boolean).join(", "),
    resource: ["unit", name],
    perform: sh`cw_unit_put ${name} ${word(enabled)} ${withRestart ? "later" : word(active)} ${noBlock ? "--no-block" : ""}`,
    touches: ["*"],
    causes: withRestart ? [{ do: "restart", unit: name.replace(/\.service$/, "") }] : [],
  };
}
