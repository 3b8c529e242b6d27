import { type Fleet, subnetOf, type Topology } from "causeway";
import type { Ran, Running } from "../schemes/scheme.ts";

type AnyFleet<V> = Fleet<V, { running: Running }>;

/** The network that the hosts run, for a report: of one that did not answer, the name alone. */
export function standingTopology<V>(ran: Ran, { hosts, reached }: AnyFleet<V>): Topology {
  const { network = "bridge", wire } = ran.proof(hosts.map(({ name }) => name));
  const tunnel = wire?.tunnel;
  const running = new Map(reached.map(({ name, facts }) => [name, facts.running]));
  const shared = network === "bridge" ? undefined : sharedSubnet([...running.values()], network);
  return {
    by: tunnel ? "tunnel" : wire?.routed === false ? "segment" : "routes",
    words: tunnel ? `${ran.words}, UDP ${tunnel.port}` : ran.words,
    ...(shared === undefined ? {} : { network: shared }),
    hosts: hosts.map(({ name }) => {
      const subnet = network === "bridge" ? subnetOfDocker0(running.get(name)) : undefined;
      return { name, ...(subnet === undefined ? {} : { subnet }) };
    }),
  };
}

function subnetOfDocker0(on: Running | undefined): string | undefined {
  const address = on?.addresses.find(({ dev, cidr }) => dev === "docker0" && !cidr.includes(":"));
  return address && subnetOf(address.cidr);
}

/** Of a network that all hosts have; the first that knows it tells. */
function sharedSubnet(all: readonly Running[], network: string): string | undefined {
  return all
    .flatMap(({ docker }) => docker.networks)
    .find(({ name, subnets }) => name === network && subnets.length > 0)?.subnets[0];
}
