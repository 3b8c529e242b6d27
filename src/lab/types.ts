/** A lab: real hosts on this machine, each a systemd-nspawn machine. */
export interface LabSpec {
  name: string;
  /** In CIDR notation; its first address is this machine's. */
  subnet: string;
  image: "bullseye" | "bookworm";
  /** Where the image's packages come from; the machine's own Debian mirror unless given. */
  mirror?: string;
  hosts: readonly { name: string; address: string }[];
}

/** How to reach a lab's hosts. Keys and known_hosts are the lab's own. */
export interface LabConnection {
  user: "root";
  privateKeyFile: string;
  knownHostsFile: string;
  hosts: readonly { name: string; address: string; port: 22 }[];
}

export interface LabHostStatus {
  name: string;
  address: string;
  state: "up" | "booting" | "down";
  /** The process id of the host's init, seen from this machine. */
  pid?: number;
}

/** Told what the lab is doing, for a person who waits. */
export type LabProgress = (message: string) => void;
