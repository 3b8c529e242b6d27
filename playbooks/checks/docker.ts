import { CausewayError, type DockerInfo, defineFact, type Fleet, type Remark, readJson } from "causeway";

/** What Docker says of itself; of one that does not run, the firewall that it is told to have. */
export const dockerInfo = defineFact({
  name: "docker info",
  read: async (host): Promise<DockerInfo> => {
    const [info, config, unit] = await Promise.all([
      host.dockerInfo(),
      host.file("/etc/docker/daemon.json"),
      host.unit("docker.service"),
    ]);
    return info.runs ? info : { ...info, firewall: firewallSet(config, unit.execStart) };
  },
});

/** A file that is not JSON is named by the task that would write it. */
function firewallSet(config: Parameters<typeof readJson>[0], execStart: string): string {
  const flag = /--firewall-backend[= ](\S+)/.exec(execStart)?.[1];
  if (flag !== undefined) return flag;
  try {
    return String(readJson(config)["firewall-backend"] ?? "");
  } catch {
    return "";
  }
}

type AnyFleet<V extends object> = Fleet<V, { dockerInfo: DockerInfo }>;

function dockersOf<V extends object>(fleet: AnyFleet<V>) {
  return fleet.reached
    .filter(({ groups }) => groups.includes("docker"))
    .map(({ name, facts }) => ({ name, info: facts.dockerInfo }));
}

/**
 * With nftables (Docker 29, where it is asked for) there is no DOCKER-USER, and what a rule of iptables accepts Docker's own chains
 * drop all the same: in nftables each base chain has its say (Docker's documentation, "Docker with nftables").
 */
export function dockersOnNftables<V extends object>(
  fleet: AnyFleet<V>,
  needs = "this scheme lets containers through in its chain DOCKER-USER",
): CausewayError[] {
  return dockersOf(fleet)
    .filter(({ info }) => info.firewall.startsWith("nftables"))
    .map(
      ({ name, info }) =>
        new CausewayError("host", `Docker on ${name} keeps its firewall in nftables, without DOCKER-USER`, {
          host: name,
          found: `firewall backend ${info.firewall}`,
          expected: `iptables, Docker's default: ${needs}`,
          command: "docker info | grep -i -A 1 firewall",
          advice: `on ${name}: remove "firewall-backend" from /etc/docker/daemon.json, or --firewall-backend from docker.service, then systemctl daemon-reload && systemctl restart docker; or use macvlan, which needs no rule of Docker's`,
        }),
    );
}

/** A rootless Docker has its containers behind a process of its user's, where no route, bridge or rule of the host's leads. */
export function rootlessDockers<V extends object>(fleet: AnyFleet<V>): CausewayError[] {
  return dockersOf(fleet)
    .filter(({ info }) => info.security.includes("rootless") || (!info.runs && info.ofUsers.length > 0))
    .map(
      ({ name, info: { ofUsers, security } }) =>
        new CausewayError("host", `Docker on ${name} is rootless: no other host reaches its containers`, {
          host: name,
          found: security.includes("rootless") ? "security option rootless" : ofUsers.join(", "),
          expected: "a Docker of the system's, docker.service, that runs",
          command: "docker info | grep -i rootless; systemctl status docker",
          advice: `on ${name}: systemctl enable --now docker, and run there what others have to reach; or --limit '!${name}'`,
        }),
    );
}

/** Beside the system's Docker: what runs there stays as it is. */
export function dockersOfUsers<V extends object>(fleet: AnyFleet<V>): Remark[] {
  return dockersOf(fleet)
    .filter(({ info }) => info.runs && info.ofUsers.length > 0)
    .map(({ name, info }) => ({
      host: name,
      text: `rootless Dockers of users run here, too; their containers are not reached (${info.ofUsers.join(", ")})`,
    }));
}
