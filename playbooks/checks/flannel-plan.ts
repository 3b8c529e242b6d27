import { CausewayError, type Fleet, given, type HostView, networkOf, together } from "causeway";
import { networkOverHosts } from "./addresses.ts";
import { incompleteArchives } from "./archive.ts";
import { dockerHosts, type FlannelVars, sources } from "./flannel.ts";
import { type Lifeline, lifelinesTaken } from "./lifelines.ts";

/** Errors in flannel's variables, before the first connection. */
export function badFlannelVars(fleet: Fleet<FlannelVars>): CausewayError[] {
  const hosts = fleet.group("docker");
  return [
    ...twoSources(fleet.hosts),
    ...incompleteArchives(fleet, "flannel"),
    ...networkOverHosts(fleet, "flannel_network", "172.30.0.0/16"),
    ...tooFewSubnets(hosts),
  ];
}

function twoSources(hosts: readonly HostView<FlannelVars>[]): CausewayError[] {
  const sourcesOf = ({ vars }: HostView<FlannelVars>) => sources.filter((name) => vars[name] !== undefined);
  const torn = hosts.find((host) => sourcesOf(host).length > 1);
  if (!torn) return [];
  return [
    new CausewayError("variables", "two sources are given for flanneld", {
      ...together(...sourcesOf(torn).map((name) => given(torn, name))),
      expected: "one of them, or none where flanneld is on the hosts already",
    }),
  ];
}

/**
 * flanneld gives the first subnet of its network to nobody, and does not start where it has fewer than four (CheckNetworkConfig
 * in flannel's pkg/subnet/config.go). A host that finds none free waits for ever.
 */
function tooFewSubnets(hosts: readonly HostView<FlannelVars>[]): CausewayError[] {
  const [owner] = hosts;
  const network = networkOf(owner?.vars.flannel_network ?? "");
  if (!owner || !network) return [];
  const { flannel_subnet_len: length } = owner.vars;
  const subnets = length < network.prefix ? 0 : 2 ** (length - network.prefix);
  if (subnets >= 4 && subnets > hosts.length) return [];
  const bits = Math.max(2, Math.ceil(Math.log2(hosts.length + 1)));
  const longer = network.prefix + bits;
  const larger = `choose a flannel_network with a prefix of at most ${length - bits}`;
  return [
    new CausewayError("variables", "flannel_network has too few subnets for the hosts", {
      ...together(given(owner, "flannel_network"), given(owner, "flannel_subnet_len")),
      found: `${subnets} subnets for ${hosts.length} hosts; flanneld gives the first one to nobody`,
      expected: `at least ${2 ** bits} subnets`,
      advice: longer > 30 ? larger : `${larger}, or set flannel_subnet_len: ${longer}`,
    }),
  ];
}

/** The same for what the hosts of Docker have to reach: any part of the network may be led into the tunnel. */
export function networkOverLifelines<F extends { lifelines: readonly Lifeline[] }>(
  fleet: Fleet<FlannelVars, F>,
): CausewayError[] {
  const [owner] = fleet.group("docker");
  if (!owner) return [];
  const { flannel_network: network } = owner.vars;
  return lifelinesTaken(dockerHosts(fleet.reached), [{ network, value: given(owner, "flannel_network") }]);
}
