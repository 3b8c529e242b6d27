/** A container as Docker tells of it, before or after a restart of Docker. */
export interface RunningContainer {
  id: string;
  name: string;
  running: boolean;
  /** Of its last end; 0 while it runs. */
  exitCode: number;
  /** By the host's clock, in milliseconds. */
  startedAt: number;
  /** When it last ended; long ago where it never did. */
  finishedAt: number;
  /** `no`, `always`, `unless-stopped` or `on-failure`. */
  policy: string;
  /** It was started with --rm: Docker removes it when it ends. */
  removed: boolean;
  /** The swarm's service whose task it is. */
  service?: string;
  networks: readonly string[];
}

/** What a restart or stop of some units does to the containers of a host. */
export interface AtRisk {
  /** Those of the units with which Docker ends. */
  units: readonly string[];
  /** Containers go on without their daemon: live-restore. */
  outlive: boolean;
  containers: readonly RunningContainer[];
}

/** Takes apart what `cw_tell_running` prints. */
export function parseAtRisk(lines: readonly string[]): AtRisk {
  const said = (word: string) =>
    lines.filter((l) => l.startsWith(`${word} `)).map((l) => l.slice(word.length + 1));
  return {
    units: said("ends").flatMap((units) => units.split(" ").filter(Boolean)),
    outlive: lines.includes("outlive"),
    containers: said("runs").map(parseContainer),
  };
}

/** Takes one line of `cw_containers` apart. */
export function parseContainer(json: string): RunningContainer {
  const { id, name, running, exitCode, policy, removed, ...told } = JSON.parse(json) as Inspected;
  return {
    id,
    name: name.replace(/^\//, ""),
    running,
    exitCode,
    startedAt: Date.parse(told.startedAt),
    finishedAt: Date.parse(told.finishedAt),
    policy: policy || "no",
    removed,
    ...(told.service ? { service: told.service } : {}),
    networks: told.networks.filter((network) => network !== null),
  };
}

interface Inspected
  extends Pick<RunningContainer, "id" | "name" | "running" | "exitCode" | "policy" | "removed"> {
  startedAt: string;
  finishedAt: string;
  service?: string | null;
  networks: readonly (string | null)[];
}
