import type { RunningContainer } from "../host/tools/containers.ts";

/** What becomes of one container that ends with Docker. */
export interface ContainerFate {
  name: string;
  networks: readonly string[];
  /** Its restart policy, `rm` for one that Docker removes when it ends, or `swarm` for a task of a service. */
  policy: string;
  /** Beforehand, as its policy has it; afterwards, whether it runs again. */
  returns: "yes" | "no" | "after an error" | "replaced";
  /** Afterwards: how long it was away, in seconds. */
  awaySeconds?: number;
}

/** What becomes of a container that runs, as its restart policy has it (Docker's page “Start containers automatically”; on-failure as seen on 20.10.5). */
export function fateOf({ name, networks, policy, removed, service }: RunningContainer): ContainerFate {
  const about = { name, networks };
  if (service !== undefined) return { ...about, policy: "swarm", returns: "replaced" };
  if (removed) return { ...about, policy: "rm", returns: "no" };
  const returns = { always: "yes", "unless-stopped": "yes", "on-failure": "after an error" } as const;
  return { ...about, policy, returns: returns[policy as keyof typeof returns] ?? "no" };
}

/** So many names of a sort are told; of more, how many there are. */
const namesAtMost = 8;

/** `4 containers; back again: web (n1), db (n1); not back: job (bridge, restart policy no)`, before they end. */
export function fateWords(fates: readonly ContainerFate[]): string {
  const of = (returns: ContainerFate["returns"]) => fates.filter((fate) => fate.returns === returns);
  return joined(fates, [
    listed("back again", of("yes"), plain),
    listed("back again only after an error", of("after an error"), why),
    listed("replaced by swarm", of("replaced"), plain),
    listed("not back", of("no"), why),
  ]);
}

/** `3 containers; back: web after 1.6 s, db after 2 s; not back: job (bridge, restart policy no)`, after they ended. */
export function endedWords(fates: readonly ContainerFate[]): string {
  const back = fates.filter(({ returns }) => returns === "yes");
  const gone = fates.filter(({ returns }) => returns !== "yes");
  return joined(fates, [
    listed("back", back, ({ name, awaySeconds = 0 }) => `${name} after ${awaySeconds} s`),
    listed("not back", gone, why),
  ]);
}

function joined({ length }: readonly ContainerFate[], parts: readonly string[]): string {
  return [length === 1 ? "1 container" : `${length} containers`, ...parts.filter(Boolean)].join("; ");
}

function listed(
  heading: string,
  fates: readonly ContainerFate[],
  one: (fate: ContainerFate) => string,
): string {
  if (fates.length === 0) return "";
  const names = fates.slice(0, namesAtMost).map(one).join(", ");
  return `${heading}: ${fates.length > namesAtMost ? `${fates.length}, such as ` : ""}${names}`;
}

function plain({ name, networks }: ContainerFate): string {
  return networks.length > 0 ? `${name} (${networks.join(", ")})` : name;
}

function why({ name, networks, policy }: ContainerFate): string {
  const reasons: Readonly<Record<string, string>> = {
    rm: "started with --rm, so removed",
    swarm: "a task of swarm, which starts another",
  };
  return `${name} (${[...networks, reasons[policy] ?? `restart policy ${policy}`].join(", ")})`;
}
