import { Cidr, definePlaybook, defineTask, Ipv4, Type } from "causeway";

const params = Type.Object({ to: Cidr(), via: Ipv4() }, { additionalProperties: false });

/** Looks whether a route is there, as static-route does, and never finds anything to do. */
const looksForRoute = defineTask({
  name: "looks-for-route",
  summary: "Looks only",
  params,
  key: ({ to }) => to,
  read: (host) => host.routes(),
  present: (routes, { to, via }) => {
    if (!routes.some((route) => route.dst === to && route.via === via)) throw new Error(`no route to ${to}`);
    return [];
  },
});

/** A task for each peer on each host, nothing to do: how a run grows with its fleet. */
export default definePlaybook({
  name: "bench-peers",
  summary: "A route to every peer, nothing to do",
  vars: Type.Object({ subnet: Cidr() }),
  plays: [
    {
      title: "A route to every peer",
      hosts: "all",
      tasks: (host, fleet) =>
        fleet.peersOf(host).map((peer) => looksForRoute({ to: peer.vars.subnet, via: peer.address })),
    },
  ],
});
