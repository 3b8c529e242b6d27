import { familyOf } from "causeway";
import { bareForm, concerns } from "../../tasks/ping-check/verdict.ts";
import type { CapturedPair, Verdict, Wire } from "../../tasks/ping-check/wire.ts";
import { keysOf, networksOf, type Place, type Ran, type Running, type Scheme } from "./scheme.ts";

const wire: Wire = { name: "macvlan", routed: false, alsoOn: ["docker0"], verdict: childrenOnly };

/** Containers on the hosts' own segment; `shims` are the hosts that reach their own containers. */
export function macvlanOf(
  network: string,
  { shims, withIpv6 }: { shims: readonly string[]; withIpv6: boolean },
): Ran {
  return {
    words: `macvlan (${network}${withIpv6 ? ", IPv4 and IPv6" : ""})`,
    ...(withIpv6 ? { families: [4, 6] as const } : {}),
    proof: (hosts) => ({
      network,
      wire,
      pairs: hosts.map((name) => ({
        from: name,
        to: name,
        expected: shims.includes(name) ? "reachable" : "unreachable",
      })),
    }),
  };
}

const ranOn = ({ reached }: Place) => {
  const shims = reached.filter(({ facts }) => hasShim(facts.running)).map(({ name }) => name);
  return (network: string) => macvlanOf(network, { shims, withIpv6: hasIpv6(network, reached) });
};

/** One that does not tell, as its Docker does not run, has what the others have. */
function hasIpv6(network: string, reached: Place["reached"]): boolean {
  return reached.some(({ facts: { running } }) =>
    running.docker.networks.some(
      ({ name, subnets }) => name === network && subnets.some((subnet) => familyOf(subnet) === 6),
    ),
  );
}

function hasShim({ links }: Running): boolean {
  return links.some(({ name, kind }) => name === "macvlan-shim" && kind === "macvlan");
}

export const macvlan: Scheme = {
  name: "macvlan",
  wires: [wire],
  held: (place) => keysOf(place.on, "macvlan-net").map(ranOn(place)),
  shown: (place) => networksOf(place.on, "macvlan").map(ranOn(place)),
};

/** macvlan's children stand on the wire under their own MAC addresses, and their packets do not pass docker0. */
function childrenOnly({ form, from, to, left, came, beside }: CapturedPair): Verdict {
  const own = "the children's own MACs";
  if (beside.some((packet) => concerns(packet, from.address, to.address)))
    return { ok: false, seen: `${form}, and on docker0` };
  const other = [...left, ...came].find(
    ({ macs }) => macs?.source !== from.mac || macs.destination !== to.mac,
  )?.macs;
  if (form !== bareForm) return { ok: false, seen: `${form}, not ${own}` };
  return other
    ? { ok: false, seen: `${other.source} to ${other.destination}, not ${own} ${from.mac} to ${to.mac}` }
    : { ok: true, seen: own };
}
