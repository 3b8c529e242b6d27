import {
  CausewayError,
  type DockerNetwork,
  defineFact,
  type Fleet,
  formatNetwork,
  given,
  type HostView,
  type KnownHost,
  networkOf,
  overlaps,
  ownCommand,
  parseAddress,
  type Remark,
  type Route,
  type Standing,
  sh,
  together,
  versionParts,
} from "causeway";
import { differs, readNetwork, type SwarmNetSeen } from "../../tasks/swarm-net.ts";
import { readSwarm, type Swarm, type SwarmSeen } from "../../tasks/swarm-node.ts";
import { networkOverHosts } from "./addresses.ts";
import { type Lifeline, lifelinesTaken } from "./lifelines.ts";

/** The variables that decide what the swarm and its network are. */
export interface SwarmVars {
  swarm_name: string;
  swarm_subnet: string;
  swarm_pool?: string;
  swarm_data_port: number;
  swarm_encrypted: boolean;
}

/** The prefix of the networks that Docker takes out of the pool itself; `ingress` is the first. */
export const pooledPrefix = 24;

export const swarmFacts = {
  swarm: defineFact({ name: "swarm", read: (host) => readSwarm(host) }),
  network: defineFact({
    name: "network",
    read: (host, { vars }: KnownHost<SwarmVars>) => readNetwork(host, vars.swarm_name),
  }),
  esp: defineFact({
    name: "esp",
    read: async (host, { vars }: KnownHost<SwarmVars>) =>
      !vars.swarm_encrypted || (await host.read(hasEsp, { looksAt: [] })).code === 0,
  }),
};

/** Docker encrypts by ESP with AES in GCM (libnetwork, drivers/overlay/encryption.go), in the kernel or in a module that it loads. */
const hasEsp = sh`ip xfrm state count >/dev/null 2>&1 || ip xfrm state >/dev/null 2>&1 || exit 1
grep -q 'rfc4106(gcm(aes' /proc/crypto || modprobe -qn esp4 && modprobe -qn gcm`;

export interface SwarmSeenFacts {
  swarm: SwarmSeen;
  network: SwarmNetSeen;
  esp: boolean;
  docker: string;
  networks: readonly DockerNetwork[];
  addresses: readonly { cidr: string }[];
  lifelines: readonly Lifeline[];
  byHand: { routes: readonly Route[]; standing: readonly Standing[] };
}

type Host = HostView<SwarmVars, SwarmSeenFacts>;
type SwarmFleet = Fleet<SwarmVars, SwarmSeenFacts>;

/** The hosts that are to be managers: the group of that name; without one a host that is a manager already, or else the first. */
export function managersOf(fleet: SwarmFleet): readonly Host[] {
  const named = fleet.group("swarm_manager");
  if (named.length > 0) return named;
  const now = fleet.reached.filter(({ facts }) => facts.swarm.isManager);
  return now.length > 0 ? now : fleet.group("docker").slice(0, 1);
}

/** The host that starts the swarm: none where there is one. */
export function starterOf(fleet: SwarmFleet): Host | undefined {
  const isNode = fleet.reached.some(({ facts }) => facts.swarm.state === "active");
  return isNode ? undefined : managersOf(fleet)[0];
}

/** The manager on which is done what is the swarm's: one that stays a manager, if any of them is one already. */
export function keeperOf(fleet: SwarmFleet): Host | undefined {
  const now = fleet.reached.filter(({ facts }) => facts.swarm.swarm !== undefined);
  const wanted = new Set(managersOf(fleet).map(({ name }) => name));
  return now.find(({ name }) => wanted.has(name)) ?? now[0] ?? starterOf(fleet);
}

/** The swarm as one of its managers has it; nothing as long as there is none. */
export function swarmIn(fleet: SwarmFleet): Swarm | undefined {
  return keeperOf(fleet)?.facts.swarm.swarm;
}

/** Managers that can let a host in: their addresses. */
export function doorsOf(fleet: SwarmFleet): string[] {
  return fleet.reached
    .filter(({ facts }) => facts.swarm.swarm !== undefined)
    .map(({ address }) => address)
    .sort();
}

/** The pool: the given one, the one that the swarm has, or the first /16 of 10.0.0.0/8 from 10.200 on in which nothing is. */
export function poolOf(fleet: SwarmFleet): string | undefined {
  const [first] = fleet.group("docker");
  const given = first?.vars.swarm_pool ?? swarmIn(fleet)?.pools[0];
  if (given !== undefined || !first) return given;
  const taken = [
    ...fleet.hosts.flatMap(({ address, vars }) => [`${address}/16`, vars.swarm_subnet]),
    ...fleet.reached.flatMap(({ facts }) => [
      ...facts.networks.flatMap(({ subnets }) => subnets),
      ...facts.addresses.map(({ cidr }) => cidr),
      ...facts.byHand.routes.map(({ dst }) => dst),
      ...facts.lifelines.map(({ address }) => address),
    ]),
  ].flatMap((text) => within(text) ?? []);
  for (let second = 200; second < 256; second += 1) {
    const pool = { first: parseAddress(`10.${second}.0.0`) ?? 0, prefix: 16 };
    if (!taken.some((network) => overlaps(network, pool))) return formatNetwork(pool);
  }
  return undefined;
}

/** The network of an address with a prefix, whatever its host bits are. */
function within(text: string): ReturnType<typeof networkOf> {
  const [address = "", prefix = "32"] = text.split("/");
  const [number, bits] = [parseAddress(address), Number(prefix)];
  if (number === undefined) return undefined;
  const size = 2 ** (32 - bits);
  return { first: Math.floor(number / size) * size, prefix: bits };
}

/** Errors in swarm's variables, before the first connection. */
export function badSwarmVars(fleet: Fleet<SwarmVars>): CausewayError[] {
  const [owner] = fleet.group("docker");
  if (!owner) return [];
  return [
    ...networkOverHosts(fleet, "swarm_subnet", "10.199.0.0/24"),
    ...(owner.vars.swarm_pool === undefined
      ? []
      : networkOverHosts(fleet as Fleet<SwarmVars & { swarm_pool: string }>, "swarm_pool", "10.200.0.0/16")),
    ...smallSubnet(fleet, owner),
    ...badPool(owner),
    ...badManagers(fleet),
  ];
}

/** Its own address, the gateway, the broadcast address and one a node for its load balancer are nobody's. */
function smallSubnet(fleet: Fleet<SwarmVars>, owner: HostView<SwarmVars>): CausewayError[] {
  const hosts = fleet.group("docker").length;
  const room = Math.max(0, 2 ** (32 - (networkOf(owner.vars.swarm_subnet)?.prefix ?? 0)) - 3 - hosts);
  if (room >= hosts) return [];
  return [
    new CausewayError("variables", "swarm_subnet is too small for a container on every host", {
      ...together(given(owner, "swarm_subnet")),
      found: `${room} addresses for containers, and ${hosts} hosts, each of which takes one for itself`,
      expected: `a prefix of at most ${32 - Math.ceil(Math.log2(2 * hosts + 3))}`,
      advice: "choose a larger swarm_subnet, such as 10.199.0.0/24",
    }),
  ];
}

function badPool(owner: HostView<SwarmVars>): CausewayError[] {
  const { swarm_pool, swarm_subnet } = owner.vars;
  const [pool, subnet] = [networkOf(swarm_pool ?? ""), networkOf(swarm_subnet)];
  if (!pool || !subnet) return [];
  if (pool.prefix > pooledPrefix - 1)
    return [
      new CausewayError("variables", "swarm_pool has no room for two networks", {
        ...together(given(owner, "swarm_pool")),
        expected: `a prefix of at most ${pooledPrefix - 1}: each of its networks is a /${pooledPrefix}, and ingress is the first`,
        advice: "choose a larger swarm_pool, such as 10.200.0.0/16",
      }),
    ];
  if (!overlaps(pool, subnet)) return [];
  return [
    new CausewayError("variables", "swarm_pool and swarm_subnet overlap", {
      ...together(given(owner, "swarm_pool"), given(owner, "swarm_subnet")),
      expected: "a pool apart from the network: Docker gives parts of it to others",
      advice: "choose another swarm_pool, such as 10.200.0.0/16",
    }),
  ];
}

/** Managers are nodes; and with two of them, one that is lost stops both. What is left when one of three was taken out goes on. */
function badManagers(fleet: Fleet<SwarmVars>): CausewayError[] {
  const managers = fleet.group("swarm_manager");
  const outside = managers.filter(({ groups }) => !groups.includes("docker"));
  const isShrinking = fleet.leaving.some(({ groups }) => groups.includes("swarm_manager"));
  return [
    ...outside.map(
      ({ name, at }) =>
        new CausewayError("inventory", `${name} is in the group swarm_manager and not in docker`, {
          ...(at ? { at } : {}),
          host: name,
          expected: "managers among the hosts of the group docker",
          advice: `add ${name} to the group docker, or take it out of swarm_manager`,
        }),
    ),
    ...(managers.length === 2 && !isShrinking
      ? [
          new CausewayError("inventory", "a swarm with two managers stops when either is lost", {
            found: managers.map(({ name }) => name).join(", "),
            expected: "one manager, or three or five, in the group swarm_manager",
            advice: "add a host to the group swarm_manager, or take one out of it",
          }),
        ]
      : []),
  ];
}

/** What would be in the way of one swarm for all hosts, found before anything is touched. */
export function refusedSwarms(fleet: SwarmFleet): CausewayError[] {
  return [
    ...mixedDockers(fleet),
    ...withoutManager(fleet),
    ...otherSwarms(fleet),
    ...movedNodes(fleet),
    ...changedSwarm(fleet),
    ...withoutEsp(fleet),
    ...withoutPool(fleet),
  ];
}

/** A container asks its host's DNS server from where it is: one that is in its own network's subnet it would seek there. */
export function networksOverDns(fleet: SwarmFleet): CausewayError[] {
  const [owner] = fleet.group("docker");
  const networks = (["swarm_subnet", "swarm_pool"] as const).flatMap((name) => {
    const network = owner?.vars[name];
    return owner && network !== undefined ? [{ network, value: given(owner, name) }] : [];
  });
  return lifelinesTaken(fleet.reached, networks, { only: /DNS/ });
}

/** A mix of versions is for the time of an upgrade, node by node, and no state to start from. */
function mixedDockers({ reached }: SwarmFleet): CausewayError[] {
  const versions = reached.filter(({ facts }) => facts.docker !== "");
  const majors = new Set(versions.map(({ facts }) => versionParts(facts.docker)[0]));
  if (majors.size < 2) return [];
  return [
    new CausewayError("host", "the hosts have Dockers of different major versions", {
      found: versions.map(({ name, facts }) => `${name}: ${facts.docker}`).join("\n"),
      expected: "one major version on all nodes of a swarm",
      advice: "upgrade the older ones first; or leave them out: --limit",
    }),
  ];
}

/** A host is let in, and the network made, by a manager: one of this swarm has to be there. */
function withoutManager(fleet: SwarmFleet): CausewayError[] {
  const nodes = fleet.reached.filter(({ facts }) => facts.swarm.state === "active");
  if (nodes.length === 0 || nodes.some(({ facts }) => facts.swarm.isManager)) return [];
  const leaving = fleet.leaving.map(({ name }) => name).join(", ");
  return [
    new CausewayError("host", "no manager of the swarm is among the hosts of this run", {
      found: `workers: ${nodes.map(({ name }) => name).join(", ")}`,
      expected: "a manager, which alone can change anything in a swarm",
      advice:
        leaving === ""
          ? `start the managers, or run without --limit; if they are gone for good: ${ownCommand("reset")} on these hosts, then this playbook`
          : `${leaving} was the only one: put another host into the group swarm_manager, run the playbook, and take ${leaving} out of that group first`,
    }),
  ];
}

/** Hosts of two swarms. Which of them causeway made, their journals say; somebody's is refused as a leftover. */
function otherSwarms(fleet: SwarmFleet): CausewayError[] {
  const swarm = swarmIn(fleet);
  if (!swarm) return [];
  const known = new Set(swarm.nodes.map(({ id }) => id));
  return fleet.reached
    .filter(({ facts }) => facts.swarm.state === "active" && !known.has(facts.swarm.node))
    .map(
      ({ name, facts }) =>
        new CausewayError("host", `${name} is a node of another swarm, or was taken out of this one`, {
          host: name,
          found: `node ${facts.swarm.node}, which ${keeperOf(fleet)?.name} does not know`,
          expected: `a node of swarm ${swarm.id}, or of none`,
          advice: `if nobody needs that swarm, on ${name}: docker swarm leave --force; then run again`,
        }),
    );
}

/** A node keeps the address at which it joined. */
function movedNodes({ reached }: SwarmFleet): CausewayError[] {
  return reached
    .filter(({ address, facts: { swarm } }) => swarm.state === "active" && swarm.address !== address)
    .map(
      ({ name, address, facts: { swarm } }) =>
        new CausewayError("host", `${name} is a node of the swarm at another address`, {
          host: name,
          found: `${swarm.address}; the inventory has ${address}`,
          expected: "the address at which the others reach it",
          advice: `on ${name}: docker swarm leave (a manager first: docker node demote, on another); then run again: it joins at ${address}`,
        }),
    );
}

/** What a swarm has from its start on. */
function changedSwarm(fleet: SwarmFleet): CausewayError[] {
  const [owner, swarm] = [fleet.group("docker")[0], swarmIn(fleet)];
  if (!owner || !swarm) return [];
  const { swarm_pool: pool, swarm_data_port: port } = owner.vars;
  const change = (variable: "swarm_pool" | "swarm_data_port", now: string) =>
    new CausewayError("host", `${variable} cannot change while the swarm exists`, {
      ...together(given(owner, variable)),
      found: `the swarm has ${now}`,
      expected: "what it was started with",
      advice: `put back ${variable}: ${now}; or: ${ownCommand("reset")}, then this playbook`,
    });
  return [
    ...(pool === undefined || swarm.pools.includes(pool)
      ? []
      : [change("swarm_pool", swarm.pools.join(", "))]),
    ...(port === swarm.dataPort ? [] : [change("swarm_data_port", String(swarm.dataPort))]),
  ];
}

/** Without it Docker makes the network and starts the containers, and nothing crosses. */
function withoutEsp({ reached }: SwarmFleet): CausewayError[] {
  return reached
    .filter(({ facts }) => !facts.esp)
    .map(
      ({ name }) =>
        new CausewayError(
          "host",
          `the kernel of ${name} cannot encrypt the network: it has no ESP with AES in GCM`,
          {
            host: name,
            found: "no rfc4106(gcm(aes)) in /proc/crypto, and no module esp4 and gcm",
            expected: "a kernel with ESP, for swarm_encrypted: true",
            advice: "set swarm_encrypted: false, or use a kernel that has it",
          },
        ),
    );
}

function withoutPool(fleet: SwarmFleet): CausewayError[] {
  const [owner] = fleet.group("docker");
  if (!owner || fleet.reached.length === 0 || poolOf(fleet) !== undefined) return [];
  return [
    new CausewayError("host", "there is no free pool for the swarm's own networks", {
      found: "something is in each /16 from 10.200.0.0 to 10.255.0.0 on a host",
      expected: "a network that nothing uses on any host",
      advice: "choose one: -e swarm_pool=…",
    }),
  ];
}

/** A network is made anew once the containers of all hosts have left it. */
export function changedNetwork({ reached }: SwarmFleet): string | undefined {
  const changed = reached.find(({ facts, vars }) => differs(facts.network, wantedNetwork({ vars })));
  if (!changed) return undefined;
  const { vars, facts } = changed;
  return `${vars.swarm_name} ${facts.network.seen} → ${vars.swarm_subnet}${vars.swarm_encrypted ? " encrypted" : ""}`;
}

export function wantedNetwork({ vars }: { vars: SwarmVars }) {
  return { name: vars.swarm_name, subnet: vars.swarm_subnet, encrypted: vars.swarm_encrypted };
}

/** What a person should know of the swarm. */
export function swarmRemarks(fleet: SwarmFleet): Remark[] {
  return [...strangers(fleet), ...fewManagers(fleet), ...autolocked(fleet)];
}

/** Nodes of hosts that the inventory does not name: left alone, and told. */
function strangers(fleet: SwarmFleet): Remark[] {
  const known = new Set([...fleet.hosts, ...fleet.leaving].map(({ address }) => address));
  const others = swarmIn(fleet)?.nodes.filter(({ address }) => !known.has(address)) ?? [];
  if (others.length === 0) return [];
  const names = others.map(({ hostname, address, state }) => `${hostname} (${address}, ${state})`).join(", ");
  return [
    {
      text: `the swarm has nodes that the inventory does not name: ${names}; they are left alone, and the ports are closed to them; to take one out: docker node rm --force NODE, on a manager`,
    },
  ];
}

function fewManagers(fleet: SwarmFleet): Remark[] {
  const managers = fleet.group("swarm_manager");
  if (managers.length === 0 || managers.length % 2 === 1) return [];
  const lost = managers.length / 2 - 1;
  return [
    {
      text: `the swarm has ${managers.length} managers: it goes on when ${lost} of them ${lost === 1 ? "is" : "are"} lost, which it does with ${managers.length - 1}, too`,
    },
  ];
}

function autolocked(fleet: SwarmFleet): Remark[] {
  if (!swarmIn(fleet)?.isAutolocked) return [];
  return [
    {
      text: "the swarm is autolocked: a manager whose Docker restarts stays locked, its containers down, until somebody unlocks it; to switch that off: docker swarm update --autolock=false",
    },
  ];
}
