import { leadsTo } from "./cause.ts";
import { everyOf, othersThan, type ProbeContainer } from "./containers.ts";
import { type Ends, keyOf } from "./pairs.ts";
import { waysTo } from "./routes.ts";
import { isRoutedByHosts, type Wire } from "./wire.ts";

/** So many of one host are enough: once one of them has failed, the host is tried with all others. */
const atMost = 4;

/**
 * Pairs beside a sample whose sender routes packets for the far container elsewhere than to its host or into the tunnel:
 * each host is asked once, for all peers. A route that one host lacks to one other is what a sample misses most easily.
 */
export async function strayPairs(
  containers: readonly ProbeContainer[],
  wire: Wire | undefined,
  chosen: readonly Ends[],
): Promise<Ends[]> {
  if (wire === undefined || !isRoutedByHosts(wire)) return [];
  const known = new Set(chosen.map(keyOf));
  const stray = await everyOf(
    containers.map(async (from) => {
      const peers = othersThan(from, containers).filter((to) => !known.has(keyOf(endsOf(from, to))));
      const ways = await waysTo(
        from.host,
        peers.map(({ address }) => address),
      );
      return peers
        .filter((to) => !leadsTo(ways.get(to.address)?.words ?? "", to, wire))
        .slice(0, atMost)
        .map((to) => endsOf(from, to));
    }),
  );
  return stray.flat();
}

const endsOf = (from: ProbeContainer, to: ProbeContainer): Ends => ({
  from: from.host.name,
  to: to.host.name,
});
