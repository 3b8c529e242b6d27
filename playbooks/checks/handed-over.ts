import { networkOf, overlaps } from "causeway";

/** What a host is to have of the containers' addresses, and what it has now: networks, such as 192.168.100.0/24. */
export interface Holding {
  name: string;
  has: string | undefined;
  wants: string;
}

/**
 * The networks that one host is to have and another one still has. While only one of the two has changed, both have them:
 * packets go astray, or an address is given away twice. Nothing where no network is handed over.
 */
export function handedOver(hosts: readonly Holding[]): string | undefined {
  const words = hosts.flatMap(({ name, wants }) =>
    hosts.flatMap((other) => {
      const [next, now] = [networkOf(wants), networkOf(other.has ?? "")];
      if (other.name === name || !next || !now || !overlaps(next, now)) return [];
      return [`${name} gets ${wants}, and ${other.name} still has ${other.has}`];
    }),
  );
  return words.length > 0 ? words.join("; ") : undefined;
}
