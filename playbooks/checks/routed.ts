import { Cidr, type Fleet, type HostView, InterfaceCidr, subnetOf, Type } from "causeway";
import { dockerBip } from "../../tasks/docker-bip.ts";
import { iptablesForward } from "../../tasks/iptables-forward.ts";
import { staticRoute } from "../../tasks/static-route.ts";
import { flannelOptions } from "../schemes/flannel.ts";
import { peers6 } from "../schemes/scheme.ts";
import { bipFlag } from "../schemes/static-route.ts";
import { subnet6 } from "./ipv6.ts";
import type { Claim } from "./leftovers.ts";
import type { Uses } from "./networks.ts";

/** What the schemes share in which each docker0 has a subnet of its own, and the hosts route to each other's. */
export const routedVars = {
  bip: InterfaceCidr({
    description: "the address of docker0 and the prefix of its subnet, a host: 192.168.100.1/24",
  }),
  container_network: Type.Optional(
    Cidr({
      description:
        "one network that holds the container subnets of all hosts; then two rules let them all through, whatever hosts there are",
    }),
  ),
  ...subnet6,
};

interface Vars {
  bip: string;
  container_network?: string;
  fixed_cidr_v6?: string;
  container_network_v6?: string;
}

/** A bip in daemon.json is these schemes' own key: docker-bip takes it over. */
export const routedClaim: Claim<Vars> = {
  breaks: [bipFlag, flannelOptions],
  networks: (_, { hosts }) => hosts.map(({ vars: { bip } }) => subnetOf(bip)),
  replaces: (host, fleet) => fleet.peersOf(host).map(({ vars: { bip } }) => subnetOf(bip)),
};

/** Each host has a way to all peers' subnets, and in its own is docker0. */
export const routedUses: Uses<Vars, object> = {
  on: (_, { hosts }) =>
    hosts.map((of) => ({
      subnet: subnetOf(of.vars.bip),
      what: `the container subnet of ${of.name}`,
      variable: "bip",
      of,
    })),
  except: () => ["docker0"],
};

interface Ways<H> {
  /** The host or the interface by which a peer's containers are reached; undefined where the peer has no such address. */
  by: (peer: H, family: 4 | 6) => { via: string } | { dev: string } | undefined;
  /** The owner of the rules. */
  comment: string;
  /** Beside what it knows of the subnets that its peers had before. */
  keep: boolean;
}

/** What a host needs to know of its peers' subnets, of IPv4 and, where they have some, of IPv6. */
export function waysToPeers<V extends Vars, F>(
  host: HostView<V, F>,
  fleet: Fleet<V, F>,
  { by, comment, keep }: Ways<HostView<V, F>>,
) {
  const peers = fleet.peersOf(host);
  // Alone it has nobody to route to: what an earlier run did for its peers is undone.
  if (peers.length === 0) return [];
  const routesOf = (family: 4 | 6) =>
    peers.flatMap((peer) => {
      const to = family === 4 ? subnetOf(peer.vars.bip) : peer.vars.fixed_cidr_v6;
      const hop = by(peer, family);
      return to === undefined || hop === undefined ? [] : [{ to, ...hop }];
    });
  const subnets = (routes: readonly { to: string }[]) => routes.map(({ to }) => to);
  const { bip, container_network, fixed_cidr_v6, container_network_v6 } = host.vars;
  const [routes, routes6] = [routesOf(4), routesOf(6)];
  const let4 = container_network === undefined ? subnets(routes) : [container_network];
  const let6 = container_network_v6 === undefined ? subnets(routes6) : [container_network_v6];
  return [
    staticRoute({ name: "peers", routes, keep }),
    iptablesForward({ own: subnetOf(bip), peers: let4, comment, keep }),
    ...(fixed_cidr_v6 === undefined
      ? []
      : [
          staticRoute({ name: peers6, routes: routes6, keep }),
          iptablesForward({ own: fixed_cidr_v6, peers: let6, comment, keep }),
        ]),
  ];
}

/** docker0 in the host's own subnet, reached from other hosts; `mtu` where the way to them carries less. */
export function ownDocker0({ bip, fixed_cidr_v6 }: Vars, mtu?: number) {
  return dockerBip({
    bip,
    direct_routing: true,
    ...(mtu === undefined ? {} : { mtu }),
    ...(fixed_cidr_v6 === undefined ? {} : { fixed_cidr_v6 }),
  });
}
