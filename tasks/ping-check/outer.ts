import { type Family, familyOf } from "causeway";
import type { Tunnel } from "./wire.ts";

interface Host {
  readonly name: string;
  readonly address: string;
}

/** The header of IPv6 has 40 bytes, that of IPv4 has 20. */
const longer = 20;

/** Where packets to a host go: to its end of the tunnel, where that is elsewhere than where the runner reaches it. */
export function outerAddress({ name, address }: Host, tunnel: Tunnel | undefined): string {
  return tunnel?.endpoints?.get(name) ?? address;
}

/** By which family a tunnel's packets cross between two hosts: one that cannot be called calls. */
export function outerFamily({ endpoints }: Tunnel, from: string, to: string): Family {
  return familyOf(endpoints?.get(to) ?? endpoints?.get(from) ?? "");
}

/** How many bytes a tunnel adds to a packet between two hosts. */
export function overheadOf(tunnel: Tunnel, from: string, to: string): number {
  return tunnel.overhead + (outerFamily(tunnel, from, to) === 6 ? longer : 0);
}
