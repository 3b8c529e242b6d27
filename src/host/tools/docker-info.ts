/** What a host's Docker says of itself, as far as a scheme rests on it. */
export interface DockerInfo {
  /** Whether the system's own Docker runs; the rest is empty where it does not. */
  runs: boolean;
  /** `iptables`, `nftables`, `nftables+firewalld`; empty before Docker 28, which does not say it. */
  firewall: string;
  /** `seccomp`, `rootless`, `userns`: how containers are kept apart from the host. */
  security: readonly string[];
  /** The sockets of rootless Dockers: `/run/user/1000/docker.sock`. */
  ofUsers: readonly string[];
}

/** Parses lines `user SOCKET`, and behind them the answer of Docker's API to `GET /info`, which `docker info` prints as JSON, too. */
export function parseDockerInfo(text: string): DockerInfo {
  const ofUsers = [...text.matchAll(/^user (.*)$/gm)].map(([, socket = ""]) => socket);
  const json = /^\{.*\}$/m.exec(text)?.[0];
  if (json === undefined) return { runs: false, firewall: "", security: [], ofUsers };
  const { FirewallBackend, SecurityOptions } = JSON.parse(json) as {
    FirewallBackend?: { Driver?: string } | null;
    SecurityOptions?: readonly string[] | null;
  };
  return {
    runs: true,
    firewall: FirewallBackend?.Driver ?? "",
    security: (SecurityOptions ?? []).map((option) => option.replace(/^name=/, "").replace(/,.*/, "")),
    ofUsers,
  };
}
