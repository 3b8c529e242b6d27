import type { Wire } from "../../tasks/ping-check/wire.ts";
import { type ByHand, type Setting, settings } from "../checks/by-hand.ts";
import { commands, flagFind, flags, type Trace } from "../checks/traces.ts";
import { hasFlanneld, isLeased } from "./flannel.ts";
import { isRouted, isRouted6, keysOf, type Ran, type Scheme } from "./scheme.ts";

/** As it is: by a route of each host to each peer's containers. */
const routed: Wire = { name: "routed", routed: true };

/** With containers of IPv6 beside those of IPv4, or of IPv4 alone. */
export const routedContainers = (withIpv6: boolean): Ran => ({
  words: withIpv6 ? "static-route (IPv4 and IPv6)" : "static-route",
  ...(withIpv6 ? { families: [4, 6] as const } : {}),
  proof: () => ({ network: "bridge", wire: routed }),
});

/** A --bip in docker.service, or in a variable that it uses. */
export const bipFlag: Trace = {
  finds: (byHand) =>
    [...flags(byHand, /--bip[= ]\S+/g), ...bipOfVariables(byHand)].map((flag) =>
      flagFind("dockerd is started with a --bip that causeway did not set", [flag]),
    ),
};

/** A variable that ExecStart uses. What our own flanneld writes is no find, and the article's way to read it is another. */
function bipOfVariables(byHand: ByHand): Setting[] {
  const { unit, variables, standing } = byHand;
  const files = settings(unit, "EnvironmentFile")
    .filter(({ value }) => !value.startsWith("/run/flannel/"))
    .map(({ value }) => value.replace(/^-/, ""))
    .filter((file) => !file.startsWith("/run/flannel/") || !hasFlanneld(standing));
  return variables
    .filter(({ path, name }) => {
      const use = new RegExp(`\\$\\{?${name}\\b`);
      return files.includes(path) && commands(byHand).some(({ value }) => use.test(value));
    })
    .map(({ path, flag }) => ({ path, value: flag }));
}

export const staticRoute: Scheme = {
  name: "static-route",
  wires: [routed],
  // An encrypted link has routes, too, by an interface of its own.
  held: ({ on }) =>
    keysOf(on, "static-route").length > 0 && keysOf(on, "wireguard-link").length === 0
      ? [routedContainers(isRouted6(on))]
      : [],
  shown: (place) => (isRouted(place) && !isLeased(place.on) ? [routedContainers(false)] : []),
  traces: [bipFlag],
  makes: ({ task }, name) => task === "docker-bip" && name === "docker0",
};
