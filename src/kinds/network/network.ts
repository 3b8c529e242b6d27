import { sh } from "../../host/sh.ts";
import type { Step } from "../../task/step.ts";

/** The addresses of one family. */
interface Pool {
  subnet?: string;
  gateway?: string;
  ipRange?: string;
}

export interface DockerNetworkStep extends Pool {
  name: string;
  driver: string;
  /** Those of IPv6, beside the others. */
  six?: Pool;
  auxAddresses?: Readonly<Record<string, string>>;
  options?: Readonly<Record<string, string>>;
  labels?: Readonly<Record<string, string>>;
  attachable?: boolean;
  internal?: boolean;
  /** The network of that name that is there now, in words, if there is one. */
  was?: string | null;
}

/** A Docker network. An existing one that differs is recreated, and its containers get their addresses back. */
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
    ...poolWords(net),
    ...(net.six ? ["--ipv6", ...poolWords(net.six)] : []),
    ...pairs("--aux-address", net.auxAddresses),
    ...pairs("--opt", net.options),
    ...pairs("--label", net.labels),
    ...(net.internal ? ["--internal"] : []),
    ...(net.attachable ? ["--attachable"] : []),
  ];
}

function poolWords({ subnet, gateway, ipRange }: Pool): string[] {
  return [
    ...(subnet ? ["--subnet", subnet] : []),
    ...(gateway ? ["--gateway", gateway] : []),
    ...(ipRange ? ["--ip-range", ipRange] : []),
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
