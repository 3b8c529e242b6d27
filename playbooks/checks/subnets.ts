import {
  CausewayError,
  contains,
  formatNetwork,
  type HostView,
  networkOf,
  overlaps,
  parseAddress,
} from "causeway";

/** Errors in a plan of subnets, checked before the first connection. `bipOf` gives each host's bridge address. */
export function badSubnets<H extends HostView<object, unknown>>(
  hosts: readonly H[],
  bipOf: (host: H) => string,
): CausewayError[] {
  const plan = hosts.map((host) => ({ host, bip: bipOf(host), network: networkOf(bipOf(host)) }));
  const errors: CausewayError[] = [];
  for (const [index, one] of plan.entries()) {
    if (!one.network) continue;
    for (const other of plan.slice(0, index)) {
      if (!other.network || !overlaps(one.network, other.network)) continue;
      errors.push(
        new CausewayError(
          "variables",
          `the container subnets of ${other.host.name} and ${one.host.name} overlap`,
          {
            found: `${formatNetwork(other.network)} and ${formatNetwork(one.network)}`,
            expected: "a different subnet for each host",
            advice: `give ${one.host.name} another bip`,
          },
        ),
      );
    }
    for (const peer of hosts) {
      const management = parseAddress(peer.address);
      if (management === undefined || !contains(one.network, management)) continue;
      errors.push(
        new CausewayError(
          "variables",
          `the container subnet of ${one.host.name} contains the management address of ${peer.name}`,
          {
            found: `${peer.address} is in ${formatNetwork(one.network)}`,
            expected: "a container subnet outside the network on which hosts are reached",
            advice: `give ${one.host.name} another bip; with this one the host would lose its connection`,
          },
        ),
      );
    }
  }
  return errors;
}

/** A network for all containers has to hold each host's subnet, or that host's packets would be dropped. */
export function outsideOfNetwork(
  hosts: readonly HostView<{ bip: string; container_network?: string }, unknown>[],
): CausewayError[] {
  return hosts.flatMap((host) => {
    const { container_network: text } = host.vars;
    const network = text === undefined ? undefined : networkOf(text);
    if (network === undefined) return [];
    return hosts.flatMap(({ name, vars: { bip } }) => {
      const subnet = networkOf(bip);
      if (!subnet || (contains(network, subnet.first) && subnet.prefix >= network.prefix)) return [];
      return [
        new CausewayError(
          "variables",
          `the container_network of ${host.name} does not contain the subnet of ${name}`,
          {
            host: host.name,
            found: `${formatNetwork(subnet)} is outside ${text}`,
            expected: "one network that contains every host's bip",
            advice: `choose a larger container_network, or another bip for ${name}; without container_network the subnets themselves are used`,
          },
        ),
      ];
    });
  });
}
