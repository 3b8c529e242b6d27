import { type Static, Type } from "causeway";

/** How packets cross the network between the hosts. */
export const Wire = Type.Union(
  [
    Type.Literal("routed"),
    Type.Literal("flannel-udp"),
    Type.Literal("flannel-vxlan"),
    Type.Literal("flannel-host-gw"),
    Type.Literal("overlay"),
    Type.Literal("macvlan"),
  ],
  {
    description:
      "how packets should cross the network between the hosts: what evidence and causes are judged by",
  },
);
export type Wire = Static<typeof Wire>;

/** A tunnel: UDP to this port, and how many bytes it adds to a packet. */
export interface Tunnel {
  port: number;
  overhead: number;
  /** The host's device into it; Docker's own is out of sight in a namespace. */
  device?: string;
}

/** The tunnel of a wire; undefined where packets cross as they are. */
export function tunnelOf(wire: Wire | undefined): Tunnel | undefined {
  switch (wire) {
    case "flannel-udp":
      return { port: 8285, overhead: 28, device: "flannel0" };
    case "flannel-vxlan":
      return { port: 8472, overhead: 50, device: "flannel.1" };
    case "overlay":
      return { port: 4789, overhead: 50 };
    default:
      return undefined;
  }
}

/** Whether hosts themselves route to containers: not where containers have an interface on a network of all hosts. */
export function isRoutedByHosts(wire: Wire | undefined): boolean {
  return wire !== "overlay" && wire !== "macvlan";
}

export function isFlannel(wire: Wire | undefined): boolean {
  return wire?.startsWith("flannel-") === true;
}
