import { CausewayError, defineFact, type Fleet } from "causeway";
import { schemes } from "../schemes/index.ts";
import type { Ran, Running } from "../schemes/scheme.ts";
import { looksIn, saidIn } from "./by-hand.ts";

const looks = looksIn(schemes.flatMap(({ look }) => look ?? []));

/** Read-only: it does not start a Docker that is stopped. */
export const running = defineFact({
  name: "running",
  read: async (host, { standing }): Promise<Running> => {
    const [docker, looked, addresses, links, routes, stands] = await Promise.all([
      host.docker(),
      host.read(looks, { looksAt: [] }),
      host.addresses(),
      host.links(),
      host.routes(),
      standing,
    ]);
    return { docker, said: saidIn(looked.stdout), addresses, links, routes, standing: stands };
  },
});

type AnyFleet<V> = Fleet<V, { running: Running }>;
type Host<V> = AnyFleet<V>["hosts"][number];

/** The scheme that all hosts of the fleet run. The error says of each host what it runs, and what to do. */
export function schemeOf<V>(fleet: AnyFleet<V>): Ran | CausewayError {
  const seen = fleet.reached.map((host) => ({ host, ran: ranOn(host, fleet) }));
  const all = new Map(seen.flatMap(({ ran }) => ran).map((ran) => [ran.words, ran]));
  // What one host does not tell is what the others tell, where all others tell the same.
  for (const { words, unsure } of [...all.values()]) if (unsure && all.size > 1) all.delete(words);
  const [one, ...others] = all.values();
  if (one && others.length === 0 && seen.every(({ ran }) => ran.length === 1 && isAlike(ran[0], one)))
    return one;
  return new CausewayError("verify", one ? "the hosts run different schemes" : "no host runs a scheme", {
    found: seen.map(({ host, ran }) => `${host.name}: ${list(ran, host.facts.running)}`).join("\n"),
    expected: "the same scheme on all hosts",
    advice: one
      ? "run that scheme's playbook on all of them; or name the network to test: -e probe_network=bridge"
      : "run a scheme's playbook first; or name the network to test: -e probe_network=bridge",
  });
}

/** One that is unsure is of the same scheme, whatever it is there: `flannel`, and `flannel (vxlan)`. */
function isAlike(ran: Ran | undefined, one: Ran): boolean {
  return ran?.words === one.words || (ran?.unsure === true && one.words.startsWith(`${ran.words} (`));
}

function list(all: readonly Ran[], { docker }: Running): string {
  if (all.length > 0) return all.map(({ words }) => words).join(" and ");
  return docker.state === "running" ? "none" : `none; Docker is ${docker.state}`;
}

/** What causeway's journal says, where it holds a scheme; without one, what runs says it. */
function ranOn<V>(host: Host<V>, fleet: AnyFleet<V>): Ran[] {
  const { reached } = fleet;
  const place = { on: host.facts.running, peers: fleet.peersOf(host).map(({ address }) => address), reached };
  const held = schemes.flatMap((scheme) => scheme.held(place));
  return held.length > 0 ? held : schemes.flatMap((scheme) => scheme.shown(place));
}
