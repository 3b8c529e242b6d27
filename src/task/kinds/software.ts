import type { Resource } from "../../host/resources.ts";
import { rawScript, type Script, sh } from "../../host/sh.ts";
import { journalFolder } from "../../journal/entries.ts";
import type { Consequence, Step } from "../step.ts";

export interface PackageStep {
  names: readonly string[];
  causes?: readonly Consequence[];
}

/**
 * Installs packages from the distribution (apt, dnf or yum), with the start of their services prevented. The undo
 * purges exactly what came with them.
 */
export function packages({ names, causes = [] }: PackageStep): Step {
  return {
    kind: "package",
    what: `package ${names.join(", ")}`,
    from: null,
    to: "installed",
    resource: ["package", names.join(" ")],
    perform: sh`cw_package_put ${names.join(" ")}`,
    touches: ["*"],
    causes,
    timeoutMs: 600_000,
  };
}

export interface UnitStep {
  name: string;
  enabled?: boolean;
  active?: boolean;
  /** What it is now: `disabled, inactive`. */
  was: string;
  /** Do not wait until it is up: for a unit that needs its peers. */
  noBlock?: boolean;
}

/** Enables, disables, starts or stops a unit. */
export function unit({ name, enabled, active, was, noBlock = false }: UnitStep): Step {
  const word = (flag: boolean | undefined) => (flag === undefined ? "" : flag ? "yes" : "no");
  const to = [
    enabled === undefined ? "" : enabled ? "enabled" : "disabled",
    active === undefined ? "" : active ? "active" : "inactive",
  ];
  return {
    kind: "unit",
    what: `unit ${name}`,
    from: was,
    to: to.filter(Boolean).join(", "),
    resource: ["unit", name],
    perform: sh`cw_unit_put ${name} ${word(enabled)} ${word(active)} ${noBlock ? "--no-block" : ""}`,
    touches: ["*"],
    causes: [],
  };
}

export interface DockerNetworkStep {
  name: string;
  driver: string;
  subnet?: string;
  gateway?: string;
  ipRange?: string;
  auxAddresses?: Readonly<Record<string, string>>;
  options?: Readonly<Record<string, string>>;
  labels?: Readonly<Record<string, string>>;
  attachable?: boolean;
  internal?: boolean;
  /** The network of that name that is there now, in words, if there is one. */
  was?: string | null;
}

/** A Docker network. One that is there and differs is made anew, and its containers get their addresses back. */
export function dockerNetwork(net: DockerNetworkStep): Step {
  const words = networkWords(net);
  return {
    kind: "network",
    what: `network ${net.name}`,
    from: net.was ?? null,
    to: words.join(" ").replaceAll("--", ""),
    resource: ["network", net.name],
    perform: sh`cw_network_put ${net.name} ${words.join("\n")}`,
    touches: ["docker", "link", "route", "rule", "shared:docker"],
    causes: [],
  };
}

/** The words for `docker network create`, without the name. */
export function networkWords(net: DockerNetworkStep): string[] {
  const pairs = (flag: string, map: Readonly<Record<string, string>> = {}) =>
    Object.entries(map).flatMap(([key, value]) => [flag, `${key}=${value}`]);
  return [
    "--driver",
    net.driver,
    ...(net.subnet ? ["--subnet", net.subnet] : []),
    ...(net.gateway ? ["--gateway", net.gateway] : []),
    ...(net.ipRange ? ["--ip-range", net.ipRange] : []),
    ...pairs("--aux-address", net.auxAddresses),
    ...pairs("--opt", net.options),
    ...pairs("--label", net.labels),
    ...(net.internal ? ["--internal"] : []),
    ...(net.attachable ? ["--attachable"] : []),
  ];
}

/** Takes a Docker network away; containers on it are taken off first. */
export function noDockerNetwork({ name, was }: { name: string; was: string }): Step {
  return {
    ...dockerNetwork({ name, driver: "" }),
    from: was,
    to: null,
    perform: sh`cw_network_drop ${name}`,
  };
}

/** Where a host remembers who has left a network, while it is made anew: name, address and aliases, a line each. */
export function leftFile(network: string): string {
  return `${journalFolder}/left/${network}`;
}

/** Takes this host's containers off a network that another host is about to make anew; they are remembered. */
export function leaveNetwork({ name, who }: { name: string; who: string }): Step {
  return {
    kind: "members",
    what: `containers on ${name}`,
    from: who,
    to: "off it, until it is made anew",
    resource: ["members", name, "leave"],
    perform: sh`cw_members_leave ${name}`,
    touches: ["docker", "link", "rule", "shared:docker", `file:${leftFile(name)}`],
    causes: [],
  };
}

/** Puts them back, with their aliases, and with their addresses where the network has them. */
export function returnToNetwork({ name, who }: { name: string; who: string }): Step {
  return {
    ...leaveNetwork({ name, who }),
    from: "off it",
    to: `${who} on it again`,
    resource: ["members", name, "return"],
    perform: sh`cw_members_return ${name}`,
  };
}

interface RunCommon {
  what: string;
  from?: string | null;
  to: string | null;
  do: Script;
  touches?: readonly Resource[];
  causes?: readonly Consequence[];
  timeoutMs?: number;
}

/** The open kind has to say how it is taken back and how to see that it is done, or why it cannot be. */
export type RunStep = RunCommon & ({ undo: Script; done: Script } | { irreversible: string });

/** Whatever no other kind covers. */
export function run(step: RunStep): Step {
  const reversible = "undo" in step;
  const built: Step = {
    kind: "run",
    what: step.what,
    from: step.from ?? null,
    to: step.to,
    resource: reversible ? ["run", step.done.text, step.undo.text] : ["run", "false", ":"],
    perform: rawScript(step.do.text, step.do.secrets),
    touches: step.touches ?? ["*"],
    causes: step.causes ?? [],
  };
  if (!reversible) built.irreversible = step.irreversible;
  if (step.timeoutMs !== undefined) built.timeoutMs = step.timeoutMs;
  return built;
}

export interface SystemUserStep {
  /** Its group has the same name. */
  name: string;
  home: string;
}

/** A user for a daemon of its own, and a group, where no package brings them. */
export function systemUser({ name, home }: SystemUserStep): Step {
  return run({
    what: `user ${name}`,
    to: "of the system, without a login",
    do: sh`gid=$(getent group ${name} | cut -d : -f 3)
printf %s "$gid" >"$B.gid"
useradd --system $([ "$gid" ] && echo "--gid $gid" || echo --user-group) --home-dir ${home} --no-create-home --shell /usr/sbin/nologin ${name}`,
    done: sh`getent passwd ${name}`,
    // userdel takes the group along where it is the user's own, also one that was there before.
    undo: sh`! getent passwd ${name} >/dev/null || userdel ${name} || exit 1
gid=$(cat "$B.gid" 2>/dev/null)
if [ "$gid" ]; then getent group ${name} >/dev/null || groupadd --gid "$gid" ${name}
else ! getent group ${name} >/dev/null || groupdel ${name}; fi`,
    touches: ["user"],
  });
}

export interface FolderStep {
  path: string;
  /** User and group. */
  owner: string;
}

/** A daemon's own folder for its data. Taken back, it goes with all that is in it, and so does the one above it, if new. */
export function folder({ path, owner }: FolderStep): Step {
  return run({
    what: `folder ${path}`,
    to: `of user ${owner}, mode 700`,
    do: sh`above=$(dirname -- ${path})
[ -d "$above" ] || printf %s "$above" >"$B.above"
install -d -o ${owner} -g ${owner} -m 700 ${path}`,
    done: sh`[ -d ${path} ]`,
    undo: sh`rm -rf ${path} || exit 1
[ ! -f "$B.above" ] || rmdir -- "$(cat "$B.above")" 2>/dev/null || true`,
    touches: [`file:${path}`],
  });
}
