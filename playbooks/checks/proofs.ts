import type { Static } from "causeway";
import { pingCheck } from "../../tasks/ping-check.ts";

/** A scheme as far as its proof depends on it. */
export type Scheme =
  | { name: "static-route" }
  | { name: "flannel"; backend?: "udp" | "vxlan" | "host-gw" | undefined }
  /** `shims` are the hosts that reach their own containers. */
  | { name: "macvlan"; network: string; shims: readonly string[] }
  | { name: "overlay"; network: string };

type Params = Static<(typeof pingCheck)["definition"]["params"]>;

/** The proof of a scheme, the same for its own playbook and for verify; of the hosts that have its containers. */
export function proofOf(
  scheme: Scheme,
  hosts: readonly { readonly name: string }[],
  { image = "busybox", count = 3 }: { image?: string | undefined; count?: number } = {},
) {
  const names = hosts.map(({ name }) => name);
  return pingCheck({ hosts: names, image, count, source: "preserved", ...paramsOf(scheme, names) });
}

function paramsOf(
  scheme: Scheme,
  hosts: readonly string[],
): Pick<Params, "network" | "wire" | "names" | "pairs"> {
  switch (scheme.name) {
    case "static-route":
      return { network: "bridge", wire: "routed" };
    case "flannel":
      return { network: "bridge", ...(scheme.backend ? { wire: `flannel-${scheme.backend}` } : {}) };
    case "overlay":
      return { network: scheme.network, wire: "overlay", names: true };
    case "macvlan":
      return {
        network: scheme.network,
        wire: "macvlan",
        pairs: hosts.map((name) => ({
          from: name,
          to: name,
          expected: scheme.shims.includes(name) ? "reachable" : "unreachable",
        })),
      };
  }
}
