import {
  type Address,
  CausewayError,
  defineFact,
  type Fleet,
  type HostView,
  type Link,
  localOutput,
  sh,
} from "causeway";
import { apiOf, versionOf } from "../../tasks/flanneld-config/etcd-api.ts";
import { backendOf, type Lease, leaseOf } from "../../tasks/flanneld-config/lease.ts";

/** The variables that a user sets; the rest follows from the inventory. */
export interface FlannelVars {
  flannel_network: string;
  flannel_subnet_len: number;
  flannel_backend: "udp" | "vxlan" | "host-gw";
  flannel_prefix: string;
  flannel_binary?: string;
  flannel_url?: string;
  flannel_sha256?: string;
  flannel_package?: string;
}

interface Running {
  /** The lease of the flanneld that runs. */
  lease: Lease | undefined;
  /** The folder of its keys in etcd, where causeway told it. */
  prefix: string | undefined;
  links: readonly Link[];
  /** Of the flanneld that is installed, where there is one. */
  version: string | undefined;
}

const toldPrefix = /^# Written by causeway[\s\S]*^FLANNEL_ETCD_PREFIX="(.*)"$/m;

/** What of flannel is on a host before the first step. */
export const flannelFact = defineFact({
  name: "flannel",
  read: async (host): Promise<Running> => {
    const [unit, env, redhat, debian, links, said] = await Promise.all([
      host.unit("flanneld.service"),
      host.file("/run/flannel/subnet.env"),
      host.file("/etc/sysconfig/flanneld"),
      host.file("/etc/default/flanneld"),
      host.links(),
      host.read(sh`f=$(command -v flanneld) && timeout 5 "$f" --version 2>&1`, { looksAt: ["package"] }),
    ]);
    const lease = unit.active === "active" ? leaseOf(env) : undefined;
    const prefix = [redhat, debian].flatMap(({ content }) => toldPrefix.exec(content)?.[1] ?? [])[0];
    return { lease, prefix, links, version: versionOf(said.stdout) };
  },
});

interface Facts {
  flannel: Running;
  addresses: readonly Address[];
}

/** Whence a flanneld comes; one of them, or none. */
export const sources = ["flannel_binary", "flannel_url", "flannel_package"] as const;

/** flanneld binds to the address that its peers send to. */
export function addressesNotOnHost<F extends Pick<Facts, "addresses">>({
  reached,
}: Fleet<FlannelVars, F>): CausewayError[] {
  return reached.flatMap(({ name, address, facts }) =>
    facts.addresses.some((own) => own.address === address)
      ? []
      : [
          new CausewayError("host", `${address} is not an address of ${name}`, {
            host: name,
            found: facts.addresses.map((own) => own.address).join(", "),
            expected: "an ansible_host that is an address on the host itself",
          }),
        ],
  );
}

/**
 * What changes that flannelds of before and after would not understand each other: between two backends, networks or stores of
 * leases every packet is lost.
 */
export function sharedChange<F extends Facts>(fleet: Fleet<FlannelVars, F>): string | undefined {
  return dockerHosts(fleet.reached).flatMap((host) => changeOf(host) ?? [])[0];
}

/** Where no flanneld has a lease yet, no host can lose one. */
export function beforeFirstLease<F extends Facts>(fleet: Fleet<FlannelVars, F>): string | undefined {
  const stands = dockerHosts(fleet.reached).some(({ facts: { flannel } }) => flannel.lease !== undefined);
  return stands ? undefined : "no host has a lease yet";
}

/** Such a change has to reach all hosts in one run. */
export function partialReconfiguration<F extends Facts>(fleet: Fleet<FlannelVars, F>): CausewayError[] {
  const reached = dockerHosts(fleet.reached);
  const left = dockerHosts(fleet.hosts).filter(({ name }) => !reached.some((host) => host.name === name));
  if (left.length === 0) return [];
  return reached.flatMap((host) => {
    const change = changeOf(host);
    if (change === undefined) return [];
    return [
      new CausewayError("host", "flannel's configuration must change on all hosts in one run", {
        host: host.name,
        found: `${change}; not in this run, or unreachable: ${left.map(({ name }) => name).join(", ")}`,
        expected:
          "every host of the group docker in this run; otherwise their containers could not reach each other",
        advice: "run without --limit; remove a host that no longer exists from the inventory",
      }),
    ];
  });
}

/** Leases that were made through one of etcd's APIs are invisible through the other. */
export function mixedFlannelds<F extends Facts>({ reached }: Fleet<FlannelVars, F>): CausewayError[] {
  const known = dockerHosts(reached).flatMap(({ name, vars, facts: { flannel } }) =>
    sources.every((source) => vars[source] === undefined) && flannel.version !== undefined
      ? [{ name, version: flannel.version, api: apiOf(flannel.version) }]
      : [],
  );
  if (new Set(known.map(({ api }) => api)).size < 2) return [];
  return [
    new CausewayError("host", "the hosts' flannelds could not read each other's leases", {
      found: known.map(({ name, version, api }) => `${name}: ${version}, etcd's API ${api}`).join("; "),
      expected: "0.17 or older on all hosts, or 0.18 or newer on all hosts",
      advice: "give all hosts the same one: -e flannel_binary=./flanneld",
    }),
  ];
}

/** In what a running flanneld differs from what is wanted of all of them, in the words of the variables. */
function changeOf<F extends Facts>({
  address,
  vars,
  facts: { flannel, addresses },
}: HostView<FlannelVars, F>): string | undefined {
  const { lease, prefix, links, version } = flannel;
  if (!lease) return undefined;
  const backend = backendOf(lease, { addresses, links }, address);
  const changes: [string, string | number | undefined, string | number][] = [
    ["flannel_network", lease.network, vars.flannel_network],
    ["flannel_subnet_len", Number(lease.subnet.split("/")[1]), vars.flannel_subnet_len],
    ["flannel_backend", backend, vars.flannel_backend],
    ["flannel_prefix", prefix, vars.flannel_prefix],
  ];
  const words = changes.flatMap(([name, now, next]) =>
    now === undefined || now === next ? [] : [`${name} ${now} → ${next}`],
  );
  return words.length > 0 ? words.join(", ") : apiChange(version, vars);
}

/** A flanneld that comes in place of one with etcd's other API finds none of the leases that there are. */
function apiChange(now: string | undefined, vars: FlannelVars): string | undefined {
  const next = nextVersion(vars);
  if (now === undefined || next === undefined || apiOf(now) === apiOf(next)) return undefined;
  return `flanneld ${now} stores its leases through etcd's API ${apiOf(now)}, and ${next} through ${apiOf(next)}`;
}

/** That of the file that is given, or that the URL of a release names; what else there is tells it once it is on the host. */
function nextVersion({ flannel_binary, flannel_url }: FlannelVars): string | undefined {
  if (flannel_binary !== undefined) return versionOf(localOutput(flannel_binary, ["--version"]));
  return flannel_url === undefined ? undefined : versionOf(flannel_url.replaceAll(/[/_-]/g, " "));
}

export function dockerHosts<V, F>(hosts: readonly HostView<V, F>[]): readonly HostView<V, F>[] {
  return hosts.filter(({ groups }) => groups.includes("docker"));
}
