import type { Reader } from "../host/reader.ts";
import { type DockerState, versionParts } from "../host/tools/docker.ts";
import type { FileState } from "../host/tools/file.ts";
import { type Rules, rulesIn, tableOf } from "../host/tools/iptables.ts";
import type { UnitState } from "../host/tools/systemd.ts";
import { readJson } from "../kinds/file/json.ts";
import type { Family } from "../net/ipv6.ts";
import { type Owed, owed, restart } from "../task/step.ts";

/** What decides whether Docker's own rules of iptables, or of ip6tables, are there, and who brings them back. */
export interface DockerRules {
  /** Those of one family. */
  rules: Rules;
  docker: DockerState;
  /** docker.service. */
  unit: UnitState;
  /** /etc/docker/daemon.json. */
  config: FileState;
}

export async function readDockerRules(host: Reader, family: Family = 4): Promise<DockerRules> {
  const [rules, docker, unit, config] = await Promise.all([
    host.rules(family),
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
export function chainForContainers(state: DockerRules, family: Family = 4): "DOCKER-USER" | "FORWARD" {
  const there = state.rules.policies.has(`${tableOf(family, "filter")} DOCKER-USER`);
  const isAsked = isLedTo(state.rules, family) || keepsRules(state, family);
  return there && isAsked ? "DOCKER-USER" : "FORWARD";
}

/**
 * A flush of iptables, by hand or by the reload of a firewall's service, takes Docker's rules with it. Docker makes them
 * only when it starts.
 */
export function lostDockerRules(state: DockerRules, family: Family = 4): Owed[] {
  const [major = 0] = versionParts(state.docker.version);
  // DOCKER-USER came with 17.06.
  if (state.docker.state !== "running" || !keepsRules(state, family) || major < 18) return [];
  const { rules } = state;
  if (!rules.present || isLedTo(rules, family)) return [];
  const lost = rules.policies.has(`${tableOf(family, "filter")} DOCKER-USER`)
    ? "nothing leads to DOCKER-USER"
    : "DOCKER-USER is gone";
  const whose = family === 6 ? "Docker's rules of ip6tables" : "Docker's rules";
  return [owed(restart("docker"), `${whose}, which were flushed: ${lost}`)];
}

/** A rule of FORWARD, and none before it that ends every packet. */
function isLedTo(rules: Rules, family: Family): boolean {
  const specs = rulesIn(rules, tableOf(family, "filter"), "FORWARD").map(({ spec }) => spec);
  const at = specs.findIndex((spec) => /^-j DOCKER-USER$/.test(spec));
  const end = specs.findIndex((spec) => /^-j (DROP|REJECT|RETURN)\b/.test(spec));
  return at >= 0 && (end < 0 || at < end);
}

/**
 * Whether Docker makes rules of iptables: not with `"iptables": false`, and not with the backend of nftables (29). Those of
 * ip6tables it makes by itself from 27.0 on (its release notes); an older one was an experiment there.
 */
function keepsRules({ docker, unit, config }: DockerRules, family: Family): boolean {
  if (docker.state === "missing") return false;
  const flags = `${unit.execStart} ${unit.commandLine}`;
  if (/--iptables=false\b/.test(flags) || /--firewall-backend[= ]nftables\b/.test(flags)) return false;
  const keys = keysOf(config);
  if (keys.iptables === false || keys["firewall-backend"] === "nftables") return false;
  if (family === 4) return true;
  const [major = 0] = versionParts(docker.version);
  return major >= 27 && keys.ip6tables !== false && !/--ip6tables=false\b/.test(flags);
}

/** A file that is not JSON is named by the task that would write it. */
function keysOf(config: FileState): Record<string, unknown> {
  try {
    return readJson(config);
  } catch {
    return {};
  }
}
