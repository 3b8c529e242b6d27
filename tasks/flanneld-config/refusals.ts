import { CausewayError, readJson, runningContainers } from "causeway";
import type { Params } from "./params.ts";
import { paths, type State } from "./state.ts";

/** What a restart of Docker would disconnect without permission. */
export function interruption(containers: readonly string[]): CausewayError {
  return new CausewayError("host", "restarting Docker would disconnect running containers", {
    found: `on docker0: ${containers.join(", ")}`,
    expected: "no running container on docker0, or permission to interrupt them",
    advice: "stop them, or run with -e interrupt_containers=true",
  });
}

export function refuseInterruption({ daemon }: State, { interrupt_containers }: Params): void {
  const hit = runningContainers(daemon, "bridge");
  if (hit.length > 0 && !interrupt_containers) throw interruption(hit);
}

/** flannel's options go to dockerd as flags, and it does not start with a key both as a flag and in its file. */
export function refuseKeysOfDaemon({ files }: State): void {
  const keys = readJson(files.daemon);
  const both = ["bip", "mtu", "ip-masq"].filter((key) => keys[key] !== undefined);
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
