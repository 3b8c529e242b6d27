import { CausewayError, type ErrorDetail, familyOf, given, type HostView, meet, together } from "causeway";

/** An address in a macvlan network that no container may get, and the variable that says so. */
export interface Reserved<Variable extends string> {
  what: string;
  of: Variable;
  address: string;
}

/** Makes an error of what a host's variables say. */
export type Wrong<Variable extends string> = (
  message: string,
  of: readonly Variable[],
  detail: ErrorDetail,
) => CausewayError;

export function wrongOn<V extends object, F>(host: HostView<V, F>): Wrong<keyof V & string> {
  return (message, of, detail) =>
    new CausewayError("variables", message, {
      ...together(...of.map((variable) => given(host, variable))),
      host: host.name,
      ...detail,
    });
}

/** Those of `macvlan_aux`, of one family. */
export function reservedByName(
  aux: Readonly<Record<string, string>>,
  family: 4 | 6,
): Reserved<"macvlan_aux">[] {
  return Object.entries(aux)
    .filter(([, address]) => familyOf(address) === family)
    .map(([name, address]) => ({ what: `macvlan_aux ${name}`, of: "macvlan_aux", address }));
}

/** Reserved addresses that are not in the subnet of that variable, or are there twice. */
export function badReserved<Variable extends string>(
  reserved: readonly Reserved<Variable>[],
  { variable, subnet }: { variable: Variable; subnet: string },
  wrong: Wrong<Variable>,
): CausewayError[] {
  const outside = reserved
    .filter(({ address }) => !meet(subnet, address))
    .map(({ what, of, address }) =>
      wrong(`${what} is not in ${variable}`, [of, variable], {
        found: address,
        expected: `an address in ${subnet}`,
      }),
    );
  const twice = reserved.flatMap(({ what, of, address }, index) => {
    const other = reserved.slice(0, index).find((before) => before.address === address);
    if (!other) return [];
    return [
      wrong(`${other.what} and ${what} have one address`, [other.of, of], {
        found: address,
        expected: "an address of its own for each: Docker refuses one that is reserved twice",
      }),
    ];
  });
  return [...outside, ...twice];
}
