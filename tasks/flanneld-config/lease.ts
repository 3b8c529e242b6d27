import type { Address, FileState, Link } from "causeway";
import type { Params } from "./params.ts";

/** By how much a packet grows on its way. */
const overhead = { udp: 28, vxlan: 50, "host-gw": 0 };

export type Backend = keyof typeof overhead;

/** What subnet.env says: the lease that the running flanneld holds. */
export interface Lease {
  network: string;
  /** docker0's address with its prefix. */
  subnet: string;
  mtu: number;
  masqueraded: string;
}

export function leaseOf({ content }: Pick<FileState, "content">): Lease | undefined {
  const value = (key: string) => new RegExp(`^FLANNEL_${key}=(.*)$`, "m").exec(content)?.[1];
  const [network, subnet, mtu] = [value("NETWORK"), value("SUBNET"), value("MTU")];
  if (!network || !subnet || !mtu) return undefined;
  return { network, subnet, mtu: Number(mtu), masqueraded: value("IPMASQ") ?? "false" };
}

/** Where a host's packets leave, and through what. */
export interface Underlay {
  addresses: readonly Address[];
  links: readonly Link[];
}

function underlayMtu({ addresses, links }: Underlay, address: string): number {
  const dev = addresses.find((a) => a.address === address)?.dev;
  return links.find((l) => l.name === dev)?.mtu ?? 1500;
}

/** The backend of a running flanneld, by the MTU of its lease; undefined where the link has another one by now. */
export function backendOf(lease: Lease, underlay: Underlay, address: string): Backend | undefined {
  const grows = underlayMtu(underlay, address) - lease.mtu;
  return (Object.keys(overhead) as Backend[]).find((backend) => overhead[backend] === grows);
}

/**
 * In what a running flanneld differs from what is wanted of all: it reads the network and the backend at its start only.
 * No backend has the MTU of another on the same link, so that the lease tells which one runs.
 */
export function leaseDifference(
  lease: Lease,
  { addresses, links }: Underlay,
  { network, subnet_len, backend, address }: Pick<Params, "network" | "subnet_len" | "backend" | "address">,
): string | undefined {
  if (lease.network !== network) return `flanneld runs with the network ${lease.network}`;
  if (!lease.subnet.endsWith(`/${subnet_len}`)) return `flanneld runs with the subnet ${lease.subnet}`;
  const mtu = underlayMtu({ addresses, links }, address) - overhead[backend];
  if (lease.mtu !== mtu) return `flanneld runs with an MTU of ${lease.mtu}, and ${backend} has ${mtu} here`;
  return undefined;
}
