import {
  CausewayError,
  contains,
  defineFact,
  type Fleet,
  networkOf,
  overlaps,
  parseAddress,
  versionParts,
} from "causeway";
import { hasConsul } from "../../tasks/dockerd-cluster-store.ts";

/** Whether this host's Docker can keep its networks in consul: seen before anything is touched. */
export const backendFact = defineFact({
  name: "backend",
  read: async (host) => (await host.read(hasConsul, { looksAt: [] })).code === 0,
});

interface Seen {
  docker: string;
  backend: boolean;
  addresses: readonly { address: string; dev: string; cidr: string }[];
}

/** Docker without overlay networks of its own: too new, or built without the store's backend. */
export function unfitDockers<V extends object, F extends Seen>(fleet: Fleet<V, F>): CausewayError[] {
  return fleet.reached.flatMap(({ name, groups, facts: { docker, backend } }) => {
    if (!groups.includes("docker") || docker === "") return [];
    const [major = 0] = versionParts(docker);
    if (major < 23 && backend) return [];
    const tooNew = major >= 23;
    return [
      new CausewayError(
        "host",
        tooNew
          ? "this Docker has no cluster store any more"
          : "this Docker is built without the consul backend",
        {
          host: name,
          found: `Docker ${docker}`,
          expected: tooNew
            ? "Docker before 23.0, which took --cluster-store away"
            : "a Docker with it, such as Debian bullseye's 20.10.5",
          advice: tooNew
            ? "use flannel, or Docker's own swarm: docker swarm init, docker network create -d overlay --attachable"
            : "use another scheme, such as flannel, or another build of Docker",
        },
      ),
    ];
  });
}

/** A subnet that holds the hosts' own addresses, or that Docker has given away already. */
export function badSubnet<F extends Seen>(fleet: Fleet<{ overlay_subnet: string }, F>): CausewayError[] {
  return fleet.reached.flatMap(({ name, vars, facts }) => {
    const wanted = networkOf(vars.overlay_subnet);
    if (!wanted) return [];
    const hit = facts.addresses.find(({ cidr }) => {
      const other = networkOf(cidr);
      return other !== undefined && overlaps(wanted, other);
    });
    if (!hit) return [];
    return [
      new CausewayError("variables", `overlay_subnet overlaps a network of ${name}`, {
        host: name,
        found: `${hit.cidr} on ${hit.dev}, and ${vars.overlay_subnet}`,
        expected: "a subnet that no interface is in",
        advice: "give another overlay_subnet, such as 172.31.0.0/24",
      }),
    ];
  });
}

/** A subnet that contains a host's management address would cut its containers off from it. */
export function swallowedHosts(fleet: Fleet<{ overlay_subnet: string }>): CausewayError[] {
  return fleet.hosts.flatMap(({ name, address, vars }) => {
    const network = networkOf(vars.overlay_subnet);
    const own = parseAddress(address);
    if (!network || own === undefined || !contains(network, own)) return [];
    return [
      new CausewayError("variables", `overlay_subnet contains the address of ${name}`, {
        host: name,
        found: `${address} lies in ${vars.overlay_subnet}`,
        expected: "a network apart from the one by which hosts are reached",
        advice: "give another overlay_subnet, such as 172.31.0.0/24",
      }),
    ];
  });
}
