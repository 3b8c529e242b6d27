import type { Reader } from "../host/reader.ts";
import { type DockerState, versionParts } from "../host/tools/docker.ts";
import type { FileState } from "../host/tools/file.ts";
import { type Rules, rulesIn } from "../host/tools/iptables.ts";
import type { UnitState } from "../host/tools/systemd.ts";
import { readJson } from "../kinds/file/json.ts";
import { type Owed, owed, restart } from "../task/step.ts";

/** What decides whether Docker's own rules of iptables are there, and who brings them back. */
export interface DockerRules {
  rules: Rules;
  docker: DockerState;
  /** docker.service. */
  unit: UnitState;
  /** /etc/docker/daemon.json. */
  config: FileState;
}

export async function readDockerRules(host: Reader): Promise<DockerRules> {
  const [rules, docker, unit, config] = await Promise.all([
    host.rules(),
    host.docker(),
    host.unit("docker.service"),
    host.file("/etc/docker/daemon.json"),
  ]);
  return { rules, docker, unit, config };
}

/**
 * The chain of the table filter in which a rule decides about containers' packets: DOCKER-USER, which Docker leaves to the
 * administrator, where something leads to it or Docker will see to that when it starts; FORWARD itself elsewhere.
 */
export function chainForContainers(state: DockerRules): "DOCKER-USER" | "FORWARD" {
  const there = state.rules.policies.has("filter DOCKER-USER");
  return there && (isLedTo(state.rules) || keepsRules(state)) ? "DOCKER-USER" : "FORWARD";
}

/**
 * A flush of iptables, by hand or by the reload of a firewall's service, takes Docker's rules with it. Docker makes them
 * only when it starts.
 */
export function lostDockerRules(state: DockerRules): Owed[] {
  const [major = 0] = versionParts(state.docker.version);
  // DOCKER-USER came with 17.06.
  if (state.docker.state !== "running" || !keepsRules(state) || major < 18) return [];
  const { rules } = state;
  if (!rules.present || isLedTo(rules)) return [];
  const lost = rules.policies.has("filter DOCKER-USER")
    ? "nothing leads to DOCKER-USER"
    : "DOCKER-USER is gone";
  return [owed(restart("docker"), `Docker's rules, which were flushed: ${lost}`)];
}

/** A rule of FORWARD, and none before it that ends every packet. */
function isLedTo(rules: Rules): boolean {
  const specs = rulesIn(rules, "filter", "FORWARD").map(({ spec }) => spec);
  const at = specs.findIndex((spec) => /^-j DOCKER-USER$/.test(spec));
  const end = specs.findIndex((spec) => /^-j (DROP|REJECT|RETURN)\b/.test(spec));
  return at >= 0 && (end < 0 || at < end);
}

/** Whether Docker makes rules of iptables: not with `"iptables": false`, and not with the backend of nftables (29). */
function keepsRules({ docker, unit, config }: DockerRules): boolean {
  if (docker.state === "missing") return false;
  const flags = `${unit.execStart} ${unit.commandLine}`;
  if (/--iptables=false\b/.test(flags) || /--firewall-backend[= ]nftables\b/.test(flags)) return false;
  const keys = keysOf(config);
  return keys.iptables !== false && keys["firewall-backend"] !== "nftables";
}

/** A file that is not JSON is named by the task that would write it. */
function keysOf(config: FileState): Record<string, unknown> {
  try {
    return readJson(config);
  } catch {
    return {};
  }
}
