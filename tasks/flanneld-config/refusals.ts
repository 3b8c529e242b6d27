import { CausewayError, readJson } from "causeway";
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
