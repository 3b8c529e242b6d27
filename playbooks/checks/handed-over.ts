import { meet } from "causeway";

/** A host and a network of the containers' addresses, such as 192.168.100.0/24. */
export interface Part {
  name: string;
  network: string;
}

/**
 * The networks that one host is to have and another one still has. While only one of the two has changed, both have them:
 * packets go astray, or an address is given away twice. Nothing where no network is handed over.
 */
export function handedOver(wanted: readonly Part[], standing: readonly Part[]): string | undefined {
  const words = wanted.flatMap(({ name, network }) =>
    standing.flatMap((other) => {
      if (other.name === name || !meet(network, other.network)) return [];
      return [`${name} gets ${network}, and ${other.name} still has ${other.network}`];
    }),
  );
  return words.length > 0 ? [...new Set(words)].join("; ") : undefined;
}
