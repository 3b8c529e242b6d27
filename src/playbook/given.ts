import type { ErrorDetail, GivenValue } from "../errors.ts";
import type { HostView } from "./fleet.ts";

type Written<V> = Pick<HostView<V, unknown>, "name" | "address" | "vars" | "whereIs" | "at">;

/** A variable of a host as an error names it; of a secret the value is not told. */
export function given<V extends object>(
  host: Written<V>,
  variable: keyof V & string,
  { secret = false } = {},
): GivenValue {
  const value = host.vars[variable];
  const at = host.whereIs?.(variable);
  return {
    name: variable,
    ...(value === undefined ? {} : { value: secret ? "a value" : words(value) }),
    host: host.name,
    ...(at ? { at } : {}),
  };
}

/** The address at which a host is reached: its `ansible_host`, or the name itself. */
export function givenAddress(host: Omit<Written<object>, "vars">): GivenValue {
  const at = host.whereIs?.("ansible_host") ?? host.at;
  return { name: "address", value: host.address, host: host.name, ...(at ? { at } : {}) };
}

/** Values that do not go together, for the detail of an error: it stands where the first of them was written. */
export function together(...values: readonly GivenValue[]): Pick<ErrorDetail, "at" | "values"> {
  const at = values.find((value) => value.at)?.at;
  return { ...(at ? { at } : {}), values };
}

function words(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
