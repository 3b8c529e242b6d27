import { CausewayError, Cidr6, given, type HostView, Type, together } from "causeway";

/** Known also to a scheme that cannot build it: whoever asks for IPv6 is told, and does not get IPv4 alone for it. */
export const asked6 = {
  fixed_cidr_v6: Type.Optional(
    Cidr6({
      description:
        "refused: this scheme gives containers no IPv6 by it; static-route and wireguard do, and macvlan by `macvlan_subnet6`",
    }),
  ),
};

/** What a host asks for of IPv6, where a scheme has none: `why` says what is in the way. */
export function withoutIpv6For<V extends object, F>(
  hosts: readonly HostView<V, F>[],
  names: readonly (keyof V & string)[],
  { scheme, why, advice }: { scheme: string; why: string; advice?: string },
): CausewayError[] {
  return names.flatMap((name) => {
    const asking = hosts.find(({ vars }) => vars[name] !== undefined);
    if (!asking) return [];
    return [
      new CausewayError("variables", `${name} asks for IPv6, and ${scheme} would build IPv4 alone`, {
        ...together(given(asking, name)),
        host: asking.name,
        found: why,
        expected: `no ${name}, or a scheme that has both: static-route, wireguard or macvlan`,
        advice: advice ?? `take ${name} out of the inventory, or run another scheme`,
      }),
    ];
  });
}
