import type { ImageName } from "./images.ts";

/** A lab: real hosts on this machine, each a systemd-nspawn machine. */
export interface LabSpec {
  name: string;
  /** In CIDR notation; its first address is this machine's. */
  subnet: string;
  image: ImageName;
  /** Where the image's packages come from; the machine's own Debian mirror unless given. */
  mirror?: string;
  /** The version of cgroups that hosts are given: 2, or that of this machine. */
  cgroup?: 2;
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
  /** `faulty`: it has faults, and does not answer. */
  state: "up" | "booting" | "faulty" | "down";
  /** The process id of the host's init, seen from this machine. */
  pid?: number;
  /** What `run lab fault` did to it, and was not healed. */
  faults?: Faults;
}

/** What is wrong with a lab host on purpose. */
export interface Faults {
  /** Packets that are lost: all to the host (`in`), all from it (`out`), or `both`. */
  cut?: "both" | "in" | "out";
  /** The share of packets that is lost each way, in percent: above 0, at most 100. */
  drop?: number;
  /** How much later each packet to the host comes, in milliseconds. */
  delay?: number;
  /** Larger IP packets are lost each way, and nobody is told; in bytes. */
  mtu?: number;
  /** A folder of the host's on whose file system nothing is free. */
  fill?: string;
  /** A unit of systemd's that is stopped. */
  stop?: string;
  /** No process of the host goes on. */
  freeze?: true;
  /** Its power is off. */
  kill?: true;
}

/** Told what the lab is doing, for a person who waits. */
export type LabProgress = (message: string) => void;

/** That a host has faults: as long as the file is there with this mark in it, they are those of that command. */
export interface Harm {
  file: string;
  mark: string;
}
