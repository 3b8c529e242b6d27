import { CausewayError, given, type HostView, together } from "causeway";

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
  return names.flatMap((name) => {
    const value = JSON.stringify(first.vars[name]);
    const other = others.find((host) => JSON.stringify(host.vars[name]) !== value);
    if (!other) return [];
    return [
      new CausewayError("variables", `${name} must have one value for all hosts, and two hosts differ`, {
        ...together(given(other, name, { secret }), given(first, name, { secret })),
        expected: "the same for every host",
        advice: `set ${name} once, in the vars of a group that contains them all, such as all, or with -e`,
      }),
    ];
  });
}
