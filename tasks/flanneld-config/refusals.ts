import { CausewayError, readJson } from "causeway";
import { marker } from "./files.ts";
import { paths, type State } from "./state.ts";

/** flannel's options go to dockerd as flags, and it does not start with a key both as a flag and in its file. */
export function refuseKeysOfDaemon({ files }: State): void {
  const keys = readJson(files.daemon);
  const both = ["bip", "bridge", "mtu", "ip-masq"].filter((key) => keys[key] !== undefined);
  if (both.length === 0) return;
  throw new CausewayError(
    "host",
    `${both.join(" and ")} in ${paths.daemon} would keep dockerd from starting`,
    {
      found: both.map((key) => `"${key}": ${JSON.stringify(keys[key])}`).join(", "),
      expected: "an address of docker0 that comes from flannel's lease only",
      restsOn: [`file:${paths.daemon}`],
      advice: `remove ${both.join(" and ")} from ${paths.daemon}: causeway did not set it, or would have removed it`,
    },
  );
}

/**
 * Another flanneld's device, lease or service, be it k3s's, Kubernetes' or a package's: two of them cannot share the names, and
 * an undo could not tell whose they are.
 */
export function refuseForeignFlannel({ files, flanneld, links, addresses }: State): void {
  if (files.unit.content.startsWith(marker)) return;
  const runs = ["active", "activating"].includes(flanneld.active);
  const device = (name: string) => {
    const { kind = "link", mtu } = links.find((link) => link.name === name) ?? {};
    const has = addresses.filter(({ dev }) => dev === name).map(({ cidr }) => cidr);
    return [`the interface ${name} (${kind}, mtu ${mtu})`, ...has].join(", ");
  };
  const devices = links.map(({ name }) => name).filter((name) => /^flannel[.\d-]/.test(name));
  const network = /^FLANNEL_NETWORK=.*$/m.exec(files.lease.content)?.[0];
  const found = [
    ...(runs ? [`flanneld.service is ${flanneld.active}, from ${flanneld.fragmentPath}`] : []),
    ...devices.map(device),
    ...(files.lease.kind === "file" ? [`${paths.lease}${network ? `: ${network}` : ""}`] : []),
  ];
  if (found.length === 0) return;
  throw new CausewayError("host", "a flannel that causeway did not set up is on this host", {
    found: found.join("\n"),
    expected: "none: k3s, Kubernetes or somebody's own flanneld needs these names for itself",
    advice: `use another scheme, such as static-route; or, if nobody needs it: ${[
      "stop what made it (systemctl disable --now flanneld, k3s or kubelet)",
      ...devices.map((name) => `ip link del ${name}`),
      `rm -f ${paths.lease}`,
    ].join("; ")}`,
  });
}

export function refuseFlag({ docker }: State): void {
  const flag = /--bip[= ]\S+/.exec(docker.execStart)?.[0];
  if (flag === undefined) return;
  throw new CausewayError("host", "dockerd is started with its own --bip flag", {
    found: `${flag} in ExecStart of ${[docker.fragmentPath, ...docker.dropIns].join(", ")}`,
    expected: "an address of docker0 that comes from flannel's lease only",
    advice: "remove the flag: systemctl edit --full docker.service, then systemctl daemon-reload",
  });
}

export function refuseWithoutDocker({ daemon, docker }: State): void {
  if (daemon.state !== "missing" && docker.present) return;
  throw new CausewayError("host", "Docker is not installed on this host", {
    found: daemon.state === "missing" ? "no docker command" : "no docker.service",
    advice:
      "install Docker first (Debian: apt-get install docker.io); causeway configures Docker, but does not install it",
  });
}
