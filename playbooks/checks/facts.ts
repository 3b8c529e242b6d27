import {
  CausewayError,
  contains,
  defineFact,
  type Fleet,
  type HostView,
  networkOf,
  parseAddress,
  type Reader,
  sh,
  versionParts,
} from "causeway";
import { byHand } from "./by-hand.ts";

/** A few words about a host, which it says in one read: a line each, `NAME VALUE`. */
const look = sh`read -r name </proc/sys/kernel/hostname && echo "hostname $name"
echo "runner \${SSH_CONNECTION%% *}"
command -v firewalld >/dev/null && systemctl is-active -q firewalld && echo "firewall firewalld"
[ -e /etc/ufw/ufw.conf ] && grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf && echo "firewall ufw"
true`;

async function said(host: Reader, name: string): Promise<string> {
  const { stdout } = await host.read(look, { looksAt: [] });
  const lines = stdout.split("\n").filter((line) => line.startsWith(`${name} `));
  return lines
    .map((line) => line.slice(name.length + 1))
    .join("\n")
    .trim();
}

/** What is asked of every host before the first step anywhere. */
export const hostFacts = {
  byHand,
  hostname: defineFact({ name: "hostname", read: (host) => said(host, "hostname") }),
  addresses: defineFact({ name: "addresses", read: (host) => host.addresses() }),
  docker: defineFact({ name: "docker", read: async (host) => (await host.docker()).version }),
  /** firewalld and ufw, where active, delete rules or put their own before them. ufw's unit is active even when ufw is off. */
  firewall: defineFact({ name: "firewall", read: (host) => said(host, "firewall") }),
  /** The address from which this run connects; empty for a local host or behind sudo. */
  runner: defineFact({ name: "runner", read: (host) => said(host, "runner") }),
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
  const hops = fleet.group("docker").map((peer) => ({ peer, address: parseAddress(peer.address) }));
  return fleet.reached.flatMap((host) => {
    if (!host.groups.includes("docker")) return [];
    const links = host.facts.addresses.flatMap((a) => networkOf(a.cidr) ?? []);
    return hops.flatMap(({ peer, address }) => {
      const near = address === undefined || links.some((network) => contains(network, address));
      if (near || peer.name === host.name) return [];
      return [
        new CausewayError("host", `${peer.name} (${peer.address}) is not on a link of ${host.name}`, {
          host: host.name,
          found: host.facts.addresses.map((a) => `${a.cidr} on ${a.dev}`).join(", "),
          expected: `an address in the same network as ${peer.address}`,
          advice: "static routes need one layer-2 segment; across routers use flannel (vxlan) or overlay",
        }),
      ];
    });
  });
}

/** A container subnet that contains the address from which this run connects would take over the route back to it. */
export function subnetsOverTheRunner<V extends object>(
  fleet: AnyFleet<V>,
  bipOf: (host: HostView<V, Facts>) => string,
): CausewayError[] {
  const networks = fleet.hosts.map((other) => ({ other, network: networkOf(bipOf(other)) }));
  return fleet.reached.flatMap((host) => {
    const runner = parseAddress(host.facts.runner);
    const taking = networks.find(
      ({ network }) => runner !== undefined && network !== undefined && contains(network, runner),
    )?.other;
    if (!taking) return [];
    return [
      new CausewayError(
        "host",
        `the container subnet of ${taking.name} contains this machine's own address`,
        {
          host: host.name,
          found: `this run connects from ${host.facts.runner}; bip ${bipOf(taking)}`,
          expected: "a container subnet outside the network on which hosts are reached",
          advice: `give ${taking.name} another bip; with this one the hosts could no longer answer`,
        },
      ),
    ];
  });
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
    if (major !== 28 || minor >= 2) return [];
    return [
      new CausewayError("host", `Docker ${host.facts.docker} drops direct traffic to containers`, {
        host: host.name,
        expected: "Docker before 28, or 28.2 and newer (allow-direct-routing)",
        advice: "upgrade Docker on this host",
      }),
    ];
  });
}
