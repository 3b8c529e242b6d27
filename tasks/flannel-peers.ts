import {
  contains,
  defineTask,
  Ipv4,
  later,
  networkOf,
  owed,
  type PlanItem,
  parseRoutes,
  type Route,
  restart,
  type Script,
  type Static,
  sh,
  Type,
  type UnitState,
} from "causeway";
import { askLeases, type PeerLease, parseLeases } from "./flannel-peers/leases.ts";

const params = Type.Object(
  {
    endpoints: Type.Array(Type.String(), { minItems: 1, description: "the URLs of etcd's members" }),
    prefix: Type.String({ pattern: "^(/[\\w.-]+)+$", description: "the folder of flannel's keys in etcd" }),
    backend: Type.Union([Type.Literal("udp"), Type.Literal("vxlan"), Type.Literal("host-gw")], {
      description: "how packets travel between the hosts",
    }),
    peers: Type.Array(
      Type.Object({ name: Type.String(), address: Ipv4() }, { additionalProperties: false }),
      {
        description: "the other hosts of the inventory; the task does not wait for one without a lease",
      },
    ),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

interface State {
  flanneld: UnitState;
  docker: UnitState;
  leases: readonly PeerLease[];
  routes: readonly Route[];
  /** `bridge fdb show dev flannel.1`: the far ends of the tunnel by their MACs. */
  tunnels: readonly string[];
  /** The lines in which the flanneld of udp, which keeps its routes to itself, says that it begins, and whom it met. */
  said: readonly string[];
  /** Since when this flanneld has its lease, in seconds. */
  age: number;
}

/** For how many seconds a flanneld may still receive a lease that is in etcd. */
const patience = 10;

/**
 * Every other host's lease has arrived in this host's flanneld. It may have missed one: flannel 0.20.2 goes on from the
 * present after each word of etcd's API v3 that it read, and what was written meanwhile is lost to it (watchSubnets in
 * subnet/etcd/registry.go). Every flanneld reads all leases when it starts, and so this one is started again.
 */
export const flannelPeers = defineTask({
  name: "flannel-peers",
  summary: "This host's flanneld knows the leases of all other hosts",
  params,
  key: () => "peers",
  settles: "30s",
  read: async (host, wanted): Promise<State> => {
    const running = ["shared:etcd", "unit:flanneld.service"];
    const [flanneld, docker, leases, ways] = await Promise.all([
      host.unit("flanneld.service"),
      host.unit("docker.service"),
      host.read(askLeases(wanted), { looksAt: ["shared:etcd", "package", "rule"] }),
      // After the leases, so that none of them is newer.
      host.read(waysOf(wanted), { looksAt: [...running, "link", "route"] }),
    ]);
    const [age = "", tunnels = "", routes = "", said = ""] = ways.stdout.split("--\n");
    return {
      flanneld,
      docker,
      leases: parseLeases(leases.stdout),
      routes: parseRoutes(routes),
      tunnels: tunnels.split("\n"),
      said: said.split("\n"),
      age: Number(age),
    };
  },
  present: (state, wanted): readonly PlanItem[] => {
    if (state.flanneld.active !== "active") return [later("no lease yet")];
    const missed = wanted.peers.filter((peer) => isMissed(peer.address, state, wanted));
    if (missed.length === 0)
      return state.docker.active === "active" ? [] : [later("Docker has not restarted yet")];
    const names = missed.map(({ name }) => name).join(", ");
    if (state.age < patience) return [later(`flanneld has not received the lease of ${names} yet`)];
    return [owed(restart("flanneld"), `it missed the lease of ${names}`)];
  },
});

function waysOf({ backend }: Params): Script {
  const said = sh`journalctl -q -b -o cat _PID=$(systemctl show -p MainPID --value flanneld.service) | grep -E 'Watching for|Subnet (added|removed)'`;
  return sh`echo $(($(date +%s) - $(stat -c %Y /run/flannel/subnet.env 2>/dev/null || date +%s))); echo --
bridge fdb show dev flannel.1 2>/dev/null; echo --
ip -4 route show table main; echo --
${backend === "udp" ? said : sh``}
true`;
}

/** A host may have several leases, of an earlier network or in etcd's other API: one that arrived is enough. */
function isMissed(address: string, state: State, { backend }: Params): boolean {
  const leases = state.leases.filter((lease) => lease.address === address && lease.backend === backend);
  return leases.length > 0 && !leases.some((lease) => arrived[backend](lease, state));
}

const arrived: Readonly<Record<Params["backend"], (lease: PeerLease, state: State) => boolean>> = {
  "host-gw": ({ subnet, address }, { routes }) =>
    routes.some(({ dst, via }) => dst === subnet && via === address),
  // 0.7 has one route for all, and the MACs alone tell who is known.
  vxlan: ({ subnet, address, mac }, { routes, tunnels }) =>
    tunnels.some((line) => line.startsWith(`${mac} dst ${address} `)) &&
    routes.some(({ dst, dev }) => dev === "flannel.1" && isWithin(subnet, dst)),
  // A log that has lost its beginning says nothing of whom it met.
  udp: ({ subnet }, { said }) =>
    !said.some((line) => line.endsWith("Watching for new subnet leases")) ||
    said.findLast((line) => line.endsWith(`: ${subnet}`))?.includes("Subnet added") === true,
};

function isWithin(subnet: string, dst: string): boolean {
  const [inner, outer] = [networkOf(subnet), networkOf(dst)];
  return inner !== undefined && outer !== undefined && contains(outer, inner.first);
}
