import { versionParts } from "../host/tools/docker.ts";
import type { DockerRules } from "./docker-rules.ts";

/**
 * The key of daemon.json with which a container can be reached by its own address from other hosts; empty where Docker has no need
 * of it, or its command line says it already: dockerd does not start with both. From 28.0 on Docker drops such packets in the
 * table raw, before any rule of an administrator's; the key came with 28.2 (Docker's release notes).
 */
export function directRoutingKey({
  docker,
  unit,
}: Pick<DockerRules, "docker" | "unit">): Record<string, true> {
  const [major = 0, minor = 0] = versionParts(docker.version);
  const isKnown = major > 28 || (major === 28 && minor >= 2);
  const isFlag = /--allow-direct-routing(=| |$)/.test(`${unit.execStart} ${unit.commandLine}`);
  return isKnown && !isFlag ? { "allow-direct-routing": true } : {};
}
