// The static-route scheme as the first version had it: a task for each peer, with a route and three rules.
import {
  Cidr,
  definePlaybook,
  defineTask,
  InterfaceCidr,
  Ipv4,
  isKept,
  keptRoute,
  step,
  subnetOf,
  Type,
} from "causeway";
import { dockerBip } from "../../../tasks/docker-bip.ts";

const comment = "causeway:static-route";

const staticRoute = defineTask({
  name: "static-route",
  summary: "A route to a peer's container subnet",
  params: Type.Object({ to: Cidr(), via: Ipv4() }),
  key: ({ to }) => to,
  read: (host) => host.kept("routes"),
  present: (kept, { to, via }) => (isKept(kept, keptRoute({ to, via })) ? [] : [step.route({ to, via })]),
});

const iptablesForward = defineTask({
  name: "iptables-forward",
  summary: "Forwarding between two container subnets",
  params: Type.Object({ own: Cidr(), peer: Cidr() }),
  key: ({ own, peer }) => `${own} ${peer}`,
  read: (host) => host.rules(),
  present: ({ rules }, { own, peer }) =>
    rules.some(({ spec }) => spec.startsWith(`-s ${own} -d ${peer} `))
      ? []
      : [
          ["filter", "DOCKER-USER", peer, own] as const,
          ["filter", "DOCKER-USER", own, peer] as const,
          ["nat", "POSTROUTING", own, peer] as const,
        ].map(([table, chain, from, to]) =>
          step.rule({ table, chain, spec: `-s ${from} -d ${to} -j ACCEPT`, comment, place: "first" }),
        ),
});

export default definePlaybook({
  name: "static-route",
  summary: "The first version of the scheme",
  owns: "container-network",
  vars: Type.Object({ bip: InterfaceCidr() }),
  plays: [
    {
      title: "Give each docker0 its own subnet",
      hosts: "docker",
      tasks: ({ vars: { bip } }) => [dockerBip({ bip, direct_routing: true })],
    },
    {
      title: "Route to every peer, and let its containers through",
      hosts: "docker",
      tasks: (host, fleet) =>
        fleet
          .peersOf(host)
          .flatMap((peer) => [
            staticRoute({ to: subnetOf(peer.vars.bip), via: peer.address }),
            iptablesForward({ own: subnetOf(host.vars.bip), peer: subnetOf(peer.vars.bip) }),
          ]),
    },
  ],
});
