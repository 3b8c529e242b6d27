import { CausewayError, type Fleet, given, networkOf, together } from "causeway";
import { networkOverHosts } from "./addresses.ts";
import { type Lifeline, lifelinesTaken } from "./lifelines.ts";
import { type OverlayVars, tlsFiles } from "./overlay.ts";

/** Errors in overlay's variables, before the first connection. */
export function badOverlayVars(fleet: Fleet<OverlayVars>): CausewayError[] {
  return [
    ...networkOverHosts(fleet, "overlay_subnet", "172.31.0.0/24"),
    ...smallSubnet(fleet),
    ...missingTlsPaths(fleet),
  ];
}

/** All hosts' containers share it: its own address, the gateway and the broadcast address are nobody's. */
function smallSubnet(fleet: Fleet<OverlayVars>): CausewayError[] {
  const hosts = fleet.group("docker");
  const [owner] = hosts;
  const prefix = networkOf(owner?.vars.overlay_subnet ?? "")?.prefix ?? 0;
  const room = Math.max(0, 2 ** (32 - prefix) - 3);
  if (!owner || room >= hosts.length) return [];
  return [
    new CausewayError("variables", "overlay_subnet is too small for a container on every host", {
      ...together(given(owner, "overlay_subnet")),
      found: `${room} addresses for containers, and ${hosts.length} hosts`,
      expected: `a prefix of at most ${32 - Math.ceil(Math.log2(hosts.length + 3))}`,
      advice: "choose a larger overlay_subnet, such as 172.31.0.0/24",
    }),
  ];
}

/** The API over TLS without the files for it. */
function missingTlsPaths(fleet: Fleet<OverlayVars>): CausewayError[] {
  const files = ["docker_tls_ca", "docker_tls_cert", "docker_tls_key"] as const;
  return fleet
    .group("docker")
    .filter(({ vars }) => vars.docker_api === "tls" && !tlsFiles(vars))
    .map(
      (host) =>
        new CausewayError("variables", "docker_api: tls needs three files", {
          ...together(given(host, "docker_api"), ...files.map((name) => given(host, name))),
          host: host.name,
          expected: "paths on the host, such as docker_tls_ca: /etc/docker/tls/ca.pem",
        }),
    );
}

/** Containers ask the host's DNS servers, and would look for one in the overlay's subnet among themselves. */
export function subnetOverDns<F extends { lifelines: readonly Lifeline[] }>(
  fleet: Fleet<OverlayVars, F>,
): CausewayError[] {
  const [owner] = fleet.group("docker");
  if (!owner) return [];
  const hosts = fleet.reached.filter(({ groups }) => groups.includes("docker"));
  const value = given(owner, "overlay_subnet");
  return lifelinesTaken(hosts, [{ network: owner.vars.overlay_subnet, value }], { only: /DNS/ });
}
