import { CausewayError, type HostView } from "causeway";

/**
 * Variables of which a run takes one value for the whole fleet: where two hosts have two, which of them counted would be a
 * matter of which host comes first. Of a secret the value is not told.
 */
export function differingVars<V extends object, F>(
  hosts: readonly HostView<V, F>[],
  names: readonly (keyof V & string)[],
  { secret = false } = {},
): CausewayError[] {
  const [first, ...others] = hosts;
  if (!first) return [];
  const told = (host: HostView<V, F>, name: keyof V & string) => {
    const at = host.whereIs?.(name);
    const place = at ? `${at.file}:${at.line}:${at.column}` : "not set: its default";
    const value =
      host.vars[name] === undefined ? "none" : secret ? "a value" : JSON.stringify(host.vars[name]);
    return `${host.name}: ${value} (${place})`;
  };
  return names.flatMap((name) => {
    const value = JSON.stringify(first.vars[name]);
    const other = others.find((host) => JSON.stringify(host.vars[name]) !== value);
    if (!other) return [];
    const at = other.whereIs?.(name) ?? first.whereIs?.(name);
    return [
      new CausewayError("variables", `${name} must have one value for all hosts, and two hosts differ`, {
        ...(at ? { at } : {}),
        found: `${told(first, name)}; ${told(other, name)}`,
        expected: "the same for every host",
        advice: `set ${name} once, in the vars of a group that contains them all, such as all, or with -e`,
      }),
    ];
  });
}
