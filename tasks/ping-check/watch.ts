import type { Family, ProbeHost, Watcher, WatchRun } from "causeway";
import { noImage, removeContainers } from "./containers.ts";
import { selectPairs } from "./pairs.ts";
import { WatchedFleet } from "./watch-fleet.ts";
import { everyMs } from "./watch-inside.ts";

/** Of more hosts a sample is watched: a ring and its longest chords, three or four pairs a host. */
const allPairsUpTo = 12;
const lookEveryMs = 250;

/** Has a container on every host ping its peers, by their addresses of one family, until it is stopped. */
export async function watchPairs(
  hosts: readonly ProbeHost[],
  { network, image, family = 4 }: { network: string; image: string; family?: Family },
  run: WatchRun,
): Promise<Watcher> {
  const { pairs, all } = selectPairs(
    hosts.map(({ name }) => name),
    { everything: false, allUpTo: allPairsUpTo, named: [] },
  );
  const some = pairs.length < all ? `, a sample of ${inWords(all)}` : "";
  const by = family === 6 ? ", by IPv6" : "";
  const rate = inWords(Math.round((pairs.length * 1000) / everyMs));
  run.say(
    `pinging on ${inWords(pairs.length)} ordered pairs${some}${by}: a packet every ${everyMs} ms on each, ${rate} a second in all`,
  );
  const id = `watch${family}-${process.pid}-${Date.now().toString(36)}`;
  const label = `causeway.probe=${id}`;
  const fleet = new WatchedFleet(hosts, pairs, run.interrupted);
  const looking = setInterval(() => run.silent(fleet.silent()), lookEveryMs);
  const end = async () => {
    clearInterval(looking);
    await fleet.end();
    await Promise.allSettled(hosts.map((host) => removeContainers(host, label)));
  };
  try {
    await fleet.start({ network, image, family, label, name: `causeway-${id}` });
    for (const host of hosts) if (fleet.lacksImage(host.name)) throw noImage(host, network, image);
  } catch (error) {
    await end();
    throw error;
  }
  return {
    stop: async (patienceMs) => {
      await fleet.settle(patienceMs);
      const endedAt = Date.now();
      await end();
      return {
        title: `containers on ${network}${family === 6 ? ", IPv6" : ""}`,
        everyMs: fleet.everyMs,
        pairs: fleet.seen(endedAt),
        ...(pairs.length < all ? { sampleOf: all } : {}),
        notes: fleet.notes(),
      };
    },
  };
}

const inWords = (number: number) => number.toLocaleString("en-US");
