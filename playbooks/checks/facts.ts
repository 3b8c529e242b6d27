import {
  CausewayError,
  contains,
  defineFact,
  type Fleet,
  type HostView,
  networkOf,
  parseAddress,
  type Remark,
  versionParts,
} from "causeway";
import { schemes } from "../schemes/index.ts";
import { ipv4Of } from "./addresses.ts";
import { byHandOf } from "./by-hand.ts";
import { dockerInfo } from "./docker.ts";
import { ipv6Fact } from "./ipv6.ts";
import { lifelinesFact } from "./lifelines.ts";
import { said } from "./look.ts";
import { networksFact } from "./networks.ts";

/** What is asked of every host before the first step anywhere. */
export const hostFacts = {
  byHand: byHandOf(
    [...new Set(schemes.flatMap(({ processes = [] }) => processes))],
    schemes.flatMap(({ look }) => look ?? []),
  ),
  networks: networksFact,
  hostname: defineFact({ name: "hostname", read: async (host) => (await said(host, "hostname"))[0] ?? "" }),
  addresses: defineFact({ name: "addresses", read: (host) => host.addresses() }),
  docker: defineFact({ name: "docker", read: async (host) => (await host.docker()).version }),
  dockerInfo,
  dockerState: defineFact({ name: "dockerState", read: async (host) => (await host.docker()).state }),
  /** firewalld and ufw, where active, delete rules or put their own before them. ufw's unit is active even when ufw is off. */
  firewall: defineFact({ name: "firewall", read: async (host) => (await said(host, "firewall")).join("\n") }),
  lifelines: lifelinesFact,
  ipv6: ipv6Fact,
};

type Facts = { readonly [K in keyof typeof hostFacts]: Awaited<ReturnType<(typeof hostFacts)[K]["read"]>> };
type AnyFleet<V extends object> = Fleet<V, Facts>;

/** Two hosts with one name: cluster software, and people, would take them for one. */
export function sameHostNames<V extends object>(fleet: AnyFleet<V>): CausewayError[] {
  const seen = new Map<string, HostView<V, Facts>>();
  return fleet.reached.flatMap((host) => {
    const other = seen.get(host.facts.hostname);
    seen.set(host.facts.hostname, host);
    if (!other) return [];
    return [
      new CausewayError(
        "host",
        `${other.name} and ${host.name} have the same hostname: ${host.facts.hostname}`,
        {
          host: host.name,
          expected: "a different hostname on each host",
          advice: `on ${host.name}: hostnamectl set-hostname ${host.name}`,
        },
      ),
    ];
  });
}

/** A next hop has to be on the host's own link, or the kernel refuses the route; a host that only keeps a store is none. */
export function offLinkPeers<V extends object>(fleet: AnyFleet<V>): CausewayError[] {
  const hops = fleet.group("docker").map((peer) => ({ peer, address: parseAddress(ipv4Of(peer)) }));
  return fleet.reached.flatMap((host) => {
    if (!host.groups.includes("docker")) return [];
    const links = host.facts.addresses.flatMap((a) => networkOf(a.cidr) ?? []);
    return hops.flatMap(({ peer, address }) => {
      const near = address === undefined || links.some((network) => contains(network, address));
      if (near || peer.name === host.name) return [];
      return [
        new CausewayError("host", `${peer.name} (${ipv4Of(peer)}) is not on a link of ${host.name}`, {
          host: host.name,
          found: host.facts.addresses.map((a) => `${a.cidr} on ${a.dev}`).join(", "),
          expected: `an address in the same network as ${ipv4Of(peer)}`,
          advice: "static routes need one layer-2 segment; across routers use flannel (vxlan) or overlay",
        }),
      ];
    });
  });
}

/** A run that starts Docker says that it did not run before: somebody may have stopped it on purpose. */
export function stoppedDockers<V extends object>(fleet: AnyFleet<V>): Remark[] {
  return fleet.reached
    .filter(({ groups, facts }) => groups.includes("docker") && facts.dockerState === "stopped")
    .map(({ name }) => ({
      host: name,
      text: "Docker does not run here; a run that changes its settings or networks starts it",
    }));
}

/** A firewall manager that would delete the rules or put its own before them. */
export function foreignFirewalls<V extends object>(fleet: AnyFleet<V>): CausewayError[] {
  return fleet.reached
    .filter((host) => host.facts.firewall !== "")
    .map(
      (host) =>
        new CausewayError(
          "host",
          `${host.facts.firewall} is active: it would delete the rules or put its own before them`,
          {
            host: host.name,
            advice: host.facts.firewall.includes("ufw")
              ? "let ufw allow the container subnets, or: ufw disable"
              : "systemctl disable --now firewalld, or open the container subnets there",
          },
        ),
    );
}

/** Docker 28.0 and 28.1 drop packets to a container's own address before any rule of ours, and have no key against it. */
export function dockersWithoutDirectRouting<V extends object>(fleet: AnyFleet<V>): CausewayError[] {
  return fleet.reached.flatMap((host) => {
    const [major = 0, minor = 0] = versionParts(host.facts.docker);
    if (!host.groups.includes("docker") || major !== 28 || minor >= 2) return [];
    return [
      new CausewayError("host", `Docker ${host.facts.docker} drops direct traffic to containers`, {
        host: host.name,
        expected: "Docker before 28, or 28.2 and newer (allow-direct-routing)",
        advice: `upgrade Docker on ${host.name}, or use macvlan, which does not go through Docker's rules`,
      }),
    ];
  });
}
