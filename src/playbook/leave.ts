import type { TObject } from "typebox";

const name = "interrupt_containers";

const schema = {
  type: "boolean",
  default: false,
  description: "whether this run may restart or stop Docker although containers run, which end with it",
};

/** The variables of a playbook, and the one that every playbook has: the leave to end somebody's containers. */
export function withLeave(vars: TObject): TObject {
  if (name in vars.properties) return vars;
  return { ...vars, properties: { ...vars.properties, [name]: schema } } as TObject;
}

/** Whether a host's variables give it. */
export function mayInterrupt(vars: Readonly<Record<string, unknown>>): boolean {
  return vars[name] === true;
}
