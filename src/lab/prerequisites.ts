import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { CausewayError } from "../errors.ts";
import { command } from "./command.ts";
import type { LabProgress } from "./types.ts";

/** A command that the lab needs, and the Debian package that brings it. */
const needs = [
  ["systemd-nspawn", "systemd-container"],
  ["mmdebstrap", "mmdebstrap"],
  ["ip", "iproute2"],
  ["ssh", "openssh-client"],
  ["ssh-keygen", "openssh-client"],
  ["flock", "util-linux"],
] as const;

/** The same, for faults of a host's link only. */
const needsOfLinkFaults = [["nft", "nftables"]] as const;

function onPath(name: string): boolean {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.some((folder) => folder !== "" && existsSync(join(folder, name)));
}

/** The Debian packages that this machine lacks for a lab. */
export function missingPrerequisites(): string[] {
  return missing(needs);
}

/** Those that it lacks for faults of a host's link. */
export function missingForLinkFaults(): string[] {
  return missing(needsOfLinkFaults);
}

function missing(wanted: readonly (readonly [command: string, debian: string])[]): string[] {
  return [...new Set(wanted.filter(([name]) => !onPath(name)).map(([, debian]) => debian))];
}

/** Installs them through apt-get, after saying so. Needs root and a Debian or Ubuntu machine. */
export async function installPrerequisites(missing: readonly string[], progress: LabProgress): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new CausewayError("lab", "the embedded lab needs root: it boots real hosts on this machine", {
      advice: "run it with sudo, or name your own hosts with -i inventory.yaml",
    });
  }
  if (missing.length === 0) return;
  if (!onPath("apt-get")) {
    throw new CausewayError("lab", `the embedded lab needs ${missing.join(", ")}`, {
      advice: "install them with this machine's own package manager; the lab is tested on Debian and Ubuntu",
    });
  }
  progress(`installing ${missing.join(", ")} with apt-get`);
  await command`apt-get -q update`;
  await command`env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends ${missing}`;
}
