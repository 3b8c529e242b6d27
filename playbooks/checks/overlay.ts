import {
  CausewayError,
  defineFact,
  type Fleet,
  type HostView,
  type KnownHost,
  ownCommand,
  type Remark,
} from "causeway";
import {
  type ClusterStoreParams,
  type Dockerd,
  readDockerd,
  refuseClusterStore,
  type StoreKind,
  standingStore,
} from "../../tasks/dockerd-cluster-store.ts";
import { differs, type OverlaySeen, readOverlay, refuseOverlay } from "../../tasks/overlay-net.ts";
import { leavingStore, movedStore, type StoreConfig, storeFact, storeHosts, storeRunsFact } from "./store.ts";

/** The variables that decide how Docker is joined to its store, and what it then shares. */
export interface OverlayVars {
  overlay_name: string;
  overlay_subnet: string;
  overlay_store: StoreKind;
  docker_api: ClusterStoreParams["api"];
  docker_api_address?: string;
  docker_tls_ca?: string;
  docker_tls_cert?: string;
  docker_tls_key?: string;
}

/** Where a host's configuration names the store: each Docker connects to etcd itself, or to the consul agent of its host. */
const storeConfig: Readonly<Record<StoreKind, StoreConfig>> = {
  consul: { files: ["/etc/consul.d/causeway.json"], pattern: /"retry_join": \[[^\]]*\]/ },
  etcd: {
    files: ["/etc/systemd/system/docker.service.d/causeway-cluster-store.conf"],
    pattern: /--cluster-store=etcd:\S+/,
  },
};

/** Docker on a host, and the network as it sees it: whatever would be refused is found before anything is touched. */
export const overlayFacts = {
  dockerd: defineFact({
    name: "dockerd",
    read: async (host, { groups, vars }: KnownHost<OverlayVars>) =>
      groups.includes("docker") ? readDockerd(host, vars.overlay_store, tlsFiles(vars)) : undefined,
  }),
  overlay: defineFact({
    name: "overlay",
    read: async (host, { groups, vars }: KnownHost<OverlayVars>) =>
      groups.includes("docker") ? readOverlay(host, vars.overlay_name) : undefined,
  }),
  store: storeFact(({ overlay_store }: OverlayVars) => storeConfig[overlay_store]),
  storeRuns: storeRunsFact(({ overlay_store }: OverlayVars) => `${overlay_store}.service`, "overlay"),
};

interface Seen {
  addresses: readonly { address: string; dev: string; cidr: string }[];
  dockerd: Dockerd | undefined;
  overlay: OverlaySeen | undefined;
  store: readonly string[];
}

/** Where no Docker sees the network yet, no container can lose it. */
export function beforeFirstNetwork(fleet: Fleet<OverlayVars, Seen>): string | undefined {
  const stands = fleet.reached.some(({ facts: { overlay } }) => overlay?.seen !== undefined);
  return stands ? undefined : "no host has the network yet";
}

/**
 * What changes that Dockers of before and after would not understand each other: those of two stores do not see each other's
 * networks, and a network is recreated once all its containers have left it.
 */
export function sharedChange(fleet: Fleet<OverlayVars, Seen>): string | undefined {
  const changes = fleet.reached.flatMap((host) => [...storeChange(host), ...networkChange(host)]);
  return changes.length > 0 ? [...new Set(changes)].join(", ") : undefined;
}

function storeChange({ vars, facts }: HostView<OverlayVars, Seen>): string[] {
  const now = facts.dockerd && standingStore(facts.dockerd);
  return now === undefined || now === vars.overlay_store
    ? []
    : [`overlay_store ${now} → ${vars.overlay_store}`];
}

function networkChange({ vars, facts: { overlay } }: HostView<OverlayVars, Seen>): string[] {
  if (!overlay?.seen || !differs(overlay, wantedNetwork({ vars }))) return [];
  return [`${vars.overlay_name} ${overlay.seen} → overlay global ${vars.overlay_subnet}`];
}

/** The parameters of dockerd-cluster-store on one host. */
export function joining<F extends Pick<Seen, "store">>(
  { address, vars }: HostView<OverlayVars, F>,
  fleet: Fleet<OverlayVars, F>,
): ClusterStoreParams {
  const { docker_api: api, docker_api_address: api_address } = vars;
  const tls = tlsFiles(vars);
  const members = serversOf(fleet)
    .map((member) => `${member.address}:2379`)
    .sort();
  return {
    // Every host has a consul agent of its own; etcd is asked over the network, any member of it.
    store: storeOf(fleet) === "consul" ? "consul://127.0.0.1:8500" : `etcd://${members.join(",")}`,
    address,
    api,
    ...(api_address === undefined ? {} : { api_address }),
    ...(tls ? { tls } : {}),
  };
}

/** The three files, where the API listens with TLS. */
export function tlsFiles({
  docker_api,
  docker_tls_ca: ca,
  docker_tls_cert: cert,
  docker_tls_key: key,
}: OverlayVars) {
  return docker_api === "tls" && ca && cert && key ? { ca, cert, key } : undefined;
}

/** Which store the Dockers share; a host without Docker, which only keeps it, need not say so. */
export function storeOf<F>(fleet: Fleet<OverlayVars, F>): StoreKind {
  return fleet.group("docker")[0]?.vars.overlay_store ?? "consul";
}

/** The hosts that speak with each other as consul's agents, servers or clients. */
export function agents<V extends OverlayVars, F>(fleet: Fleet<V, F>): readonly HostView<V, F>[] {
  if (storeOf(fleet) !== "consul") return [];
  return fleet.hosts.filter(({ groups }) => groups.includes("docker") || groups.includes("consul"));
}

/** The servers of the store. */
export function serversOf<F extends Pick<Seen, "store">>(
  fleet: Fleet<OverlayVars, F>,
): readonly HostView<OverlayVars, F>[] {
  return storeHosts(fleet, storeOf(fleet));
}

/** Servers join and leave a consul cluster one by one: consul-agent would refuse the change on each host; here no host is touched. */
export function movedServers(fleet: Fleet<OverlayVars, Seen>): CausewayError[] {
  const moved = movedStore(fleet, storeOf(fleet));
  if (moved.length > 0 || storeOf(fleet) !== "consul") return moved;
  const servers = serversOf(fleet).map(({ address }) => address);
  const wanted = servers.toSorted().join(", ");
  return fleet.reached.flatMap(({ name, address, facts: { store } }) => {
    const leaving = leavingStore(fleet, "consul").leaving?.map((server) => server.address) ?? [];
    const asks = store
      .filter((server) => !leaving.includes(server))
      .sort()
      .join(", ");
    const isServer = [...store, ...servers].includes(address);
    if (store.length === 0 || asks === wanted || !isServer) return [];
    return [
      new CausewayError("host", "the servers of this consul cluster changed", {
        host: name,
        found: asks,
        expected: `${wanted}, as the inventory has it now`,
        advice: `put the servers back into the group consul; one that has to go is taken out with: ${ownCommand("remove overlay HOST")}; to start again with an empty store: ${ownCommand("reset")} with the previous inventory, then this playbook`,
      }),
    ];
  });
}

/** An open port is a warning in every run. */
export function openApis<F>(fleet: Fleet<OverlayVars, F>): Remark[] {
  const open = fleet.group("docker").filter(({ vars }) => vars.docker_api === "insecure");
  if (open.length === 0) return [];
  const where = open.map(({ address, vars }) => `${vars.docker_api_address ?? address}:2375`);
  const text = `docker_api: insecure OPENS DOCKER'S API WITHOUT TLS on ${where.join(", ")}: anyone who can reach the port is root on that host; only the inventory's hosts can reach it, but each of them, and each container on them, is then root on all (safer: docker_api: tls or closed)`;
  return [{ text }];
}

/** What the tasks themselves would refuse on a host, before any host is touched. */
export function refusals(fleet: Fleet<OverlayVars, Seen>): CausewayError[] {
  return fleet.reached.flatMap((host) => {
    const { dockerd, overlay } = host.facts;
    // Where Docker is missing its task says so.
    if (!dockerd || !overlay) return [];
    return [
      ...refusalOf(host.name, () => refuseClusterStore(dockerd, joining(host, fleet))),
      ...refusalOf(host.name, () => refuseOverlay(overlay, wantedNetwork(host))),
    ];
  });
}

/** What another scheme of causeway's may have set, and a switch undoes first, is left to the engine: it plans the tasks, too. */
function refusalOf(host: string, refuse: () => void): CausewayError[] {
  try {
    refuse();
    return [];
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    if (error.detail.restsOn) return [];
    return [new CausewayError(error.code, error.message, { ...error.detail, host })];
  }
}

/** The network that is shared, as a host's variables have it. */
export function wantedNetwork({ vars }: { vars: OverlayVars }) {
  return { name: vars.overlay_name, subnet: vars.overlay_subnet };
}

/**
 * Containers of a host that is dead keep their place on the network: the other Dockers remember where their addresses were until
 * they are restarted (peerDb in libnetwork's drivers/overlay), and what got one of these addresses would not be reached.
 */
export function containersOfTheDead(fleet: Fleet<OverlayVars, Seen>): Remark[] {
  if (!fleet.leaving.some(({ dead }) => dead)) return [];
  const here = fleet.reached.flatMap(({ facts }) => facts.overlay?.members.map(({ name }) => name) ?? []);
  const seeing = fleet.reached.find(({ facts }) => facts.overlay?.seen !== undefined);
  const lost = seeing?.facts.overlay?.endpoints.filter((name) => !here.includes(name)) ?? [];
  if (!seeing || lost.length === 0) return [];
  const { overlay_name: name } = seeing.vars;
  const commands = lost.map((container) => `docker network disconnect -f ${name} ${container}`).join("; ");
  return [
    {
      text: `on ${name} stay, of hosts that are dead: ${lost.join(", ")}: their addresses are given to nobody else, because each Docker remembers where they were until its next restart; before a reset or another subnet, on any host: ${commands}`,
    },
  ];
}

/** A network is recreated after all its containers have left it: those of a host outside this run cannot. */
export function containersElsewhere(fleet: Fleet<OverlayVars, Seen>): CausewayError[] {
  const hosts = fleet.reached.filter(({ facts: { overlay } }) => overlay);
  const seeing = hosts.find((host) => host.facts.overlay && differs(host.facts.overlay, wantedNetwork(host)));
  if (!seeing?.facts.overlay) return [];
  const here = hosts.flatMap(({ facts }) => facts.overlay?.members.filter((m) => m.running) ?? []);
  const names = here.map((member) => member.name);
  const far = seeing.facts.overlay.endpoints.filter((name) => {
    const at = names.indexOf(name);
    if (at >= 0) names.splice(at, 1);
    return at < 0;
  });
  if (far.length === 0) return [];
  const { overlay_name: name } = seeing.vars;
  return [
    new CausewayError(
      "host",
      `the network ${name} has to be recreated, but containers of hosts outside this run are on it`,
      {
        host: seeing.name,
        found: `${seeing.facts.overlay.seen}; containers on other hosts: ${far.join(", ")}`,
        expected:
          "all hosts whose containers are on it in this run, so that they can be disconnected and reconnected",
        advice: `run on all of them at once; or on those hosts: docker network disconnect ${name} NAME; for a host that no longer exists, on any other host: docker network disconnect -f ${name} ${far[0]}`,
      },
    ),
  ];
}

/** The API can only listen on an address that the host has. */
export function apiAddressesNotOnHost(fleet: Fleet<OverlayVars, Seen>): CausewayError[] {
  return fleet.reached.flatMap(({ name, address, vars, facts, groups }) => {
    const wanted = vars.docker_api_address ?? address;
    if (vars.docker_api === "closed" || !groups.includes("docker")) return [];
    if (facts.addresses.some((own) => own.address === wanted)) return [];
    return [
      new CausewayError(
        "variables",
        `${wanted} is not an address of ${name}, so Docker's API cannot listen there`,
        {
          host: name,
          found: facts.addresses.map((own) => own.address).join(", "),
          expected: "docker_api_address: an address of the host itself",
        },
      ),
    ];
  });
}
