import { type ProbeHost, type Standing, sh } from "causeway";
import {
  type Cause,
  endsOf,
  type HostFacts,
  type PairFacts,
  shownBy,
  type Wire,
} from "../../tasks/ping-check/wire.ts";
import { readSwarm, type SwarmSeen } from "../../tasks/swarm-node.ts";
import { wordOf } from "../checks/by-hand.ts";
import type { Trace } from "../checks/traces.ts";
import { keysOf, type Place, type Ran, type Scheme } from "./scheme.ts";

const usualPort = 4789;

function wireOf(dataPort: number): Wire<SwarmSeen> {
  return {
    name: dataPort === usualPort ? "swarm" : `swarm-${dataPort}`,
    routed: false,
    // A Docker that found nobody at its start looks for the others again after a minute (networkdb's rejoinClusterInterval).
    rejoins: 75,
    tunnel: { port: dataPort, overhead: 50, filtered: "data port filtered" },
    look: (host: ProbeHost) => readSwarm(host.reader),
    first: (pair) => (works(pair) ? undefined : (noQuorum(pair) ?? nodeDown(pair))),
  };
}

const usual = wireOf(usualPort);

/** Containers on an overlay network of a swarm, with names across hosts. */
export function swarmOf(network: string, dataPort = usualPort): Ran {
  return {
    words: `swarm (${network})`,
    proof: () => ({ network, wire: dataPort === usualPort ? usual : wireOf(dataPort), names: true }),
  };
}

function isNodeOfOurs(standing: readonly Standing[]): boolean {
  return standing.some(({ task }) => task === "swarm-node");
}

/** One host made the network, for all nodes; the one that started the swarm knows the port of its packets. */
function held({ on, reached }: Place): readonly Ran[] {
  if (!isNodeOfOurs(on.standing)) return [];
  const all = reached.map(({ facts }) => facts.running);
  const started = all.flatMap(({ standing }) =>
    standing.flatMap(({ task, to }) =>
      task === "swarm-node" ? (/UDP (\d+)/.exec(to ?? "")?.[1] ?? []) : [],
    ),
  );
  const names = new Set(all.flatMap((running) => keysOf(running, "swarm-net")));
  return [...names].map((name) => swarmOf(name, Number(started[0] ?? usualPort)));
}

/** A worker lists a network only while a container of its own is on it: what it does not tell the managers do. */
function shown({ on }: Place): readonly Ran[] {
  const networks = on.docker.networks.filter(
    ({ driver, scope, name }) => driver === "overlay" && scope === "swarm" && name !== "ingress",
  );
  if (networks.length > 0) return networks.map(({ name }) => swarmOf(name));
  if (wordOf(on.said, "swarm") === "") return [];
  return [{ ...swarmOf("ingress"), words: "swarm", unsure: true }];
}

/** A swarm of somebody's, which a Docker with a cluster store, and another swarm, exclude. */
export const swarmOfOthers: Trace = {
  finds: ({ said, standing }) =>
    wordOf(said, "swarm") === "" || isNodeOfOurs(standing)
      ? []
      : [
          {
            message: "Docker is a node of a swarm that causeway did not make",
            found: "/var/lib/docker/swarm/docker-state.json, and nothing of it in the journal",
            remove:
              "if nobody needs it: docker swarm leave (on a manager first: docker node demote self; on the last one: docker swarm leave --force)",
          },
        ],
};

export const swarm: Scheme = {
  name: "swarm",
  wires: [usual],
  held,
  shown,
  look: sh`[ ! -s /var/lib/docker/swarm/docker-state.json ] || echo "@swarm member"`,
  traces: [swarmOfOthers],
  makes: ({ task }, name) => task === "swarm-node" && /^(ingress|docker_gwbridge)$/.test(name),
};

/** Packets and names go on without a manager, and between nodes that a manager counts as down for a moment. */
function works({ tried }: PairFacts<SwarmSeen>): boolean {
  return tried?.loss === 0;
}

function noQuorum(pair: PairFacts<SwarmSeen>): Cause | undefined {
  const alone = endsOf(pair).find(({ own }) => own?.isManager === true && own.swarm === undefined);
  if (!alone) return undefined;
  const said = alone.unstarted ?? alone.own?.error ?? "";
  return {
    cause: `no quorum: ${alone.name} is a manager, and most managers do not answer${said === "" ? "" : `: ${said}`}`,
    ...shownBy("docker node ls", alone, pair),
  };
}

function nodeDown(pair: PairFacts<SwarmSeen>): Cause | undefined {
  for (const end of endsOf(pair)) {
    if (end.own && end.own.state !== "active")
      return {
        cause: `node down: ${end.name} is not in the swarm: ${[end.own.state, end.own.error].filter(Boolean).join(": ")}`,
        ...shownBy("docker info | grep -A 5 Swarm", end, pair),
      };
    const down = seenDown(end, pair);
    if (down) return down;
  }
  return undefined;
}

/** What a manager among the two says of the other. */
function seenDown(end: HostFacts<SwarmSeen>, pair: PairFacts<SwarmSeen>): Cause | undefined {
  for (const manager of endsOf(pair)) {
    const node = manager.own?.swarm?.nodes.find(({ id }) => id === end.own?.node);
    if (node === undefined || node.state === "ready") continue;
    return {
      cause: `node down: the managers count ${end.name} as ${node.state}: TCP and UDP 7946 and TCP 2377 have to get through`,
      ...shownBy("docker node ls", manager, pair),
    };
  }
  return undefined;
}
