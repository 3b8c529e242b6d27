import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Machine } from "./machine.ts";
import type { LabSpec } from "./types.ts";

/** Everything that a lab makes on this machine lies below this folder. */
export const labsFolder = "/var/lib/causeway-lab";
export const imagesFolder = join(labsFolder, "images");

/** A short name for interfaces, which have at most 15 characters. */
function short(lab: string): string {
  return createHash("sha256").update(lab).digest("hex").slice(0, 8);
}

/** What systemd-nspawn calls a host: unlike those of other labs, whose hosts may have the same names. At most 64 characters. */
export function machineName(lab: string, host: string): string {
  const name = `${host}.${lab}`;
  return name.length <= 64 ? name : `${host.slice(0, 55)}-${short(lab)}`;
}

export interface LabPaths {
  folder: string;
  hosts: string;
  privateKey: string;
  knownHosts: string;
  lock: string;
  /** The network namespace's name, and the path under which others join it. */
  netns: string;
  netnsPath: string;
  /** The machine's end of the veth, and the lab's end. */
  outer: string;
  inner: string;
}

export function labPaths(lab: string): LabPaths {
  const folder = join(labsFolder, "labs", lab);
  const netns = `causeway-${short(lab)}`;
  return {
    folder,
    hosts: join(folder, "hosts"),
    privateKey: join(folder, "id_ed25519"),
    knownHosts: join(folder, "known_hosts"),
    lock: join(labsFolder, "labs", `${lab}.lock`),
    netns,
    netnsPath: `/run/netns/${netns}`,
    outer: `cw${short(lab)}o`,
    inner: `cw${short(lab)}i`,
  };
}

export interface HostPaths {
  folder: string;
  /** The merged root that the machine sees. */
  root: string;
  upper: string;
  work: string;
  docker: string;
  /** `PID STARTTIME` of the keeper. */
  keeper: string;
  /** While it is there, a machine that ends is not started again. */
  off: string;
  /** What `run lab fault` did to it and `run lab heal` has to undo. */
  faults: string;
  log: string;
  hostKey: string;
  machineId: string;
  /** The host's cgroup, below every hierarchy. */
  cgroup: string;
}

export function hostPaths(spec: LabSpec, host: string): HostPaths {
  const folder = join(labPaths(spec.name).hosts, host);
  return {
    folder,
    root: join(folder, "root"),
    upper: join(folder, "disk/upper"),
    work: join(folder, "disk/work"),
    docker: join(folder, "disk/docker"),
    keeper: join(folder, "keeper"),
    off: join(folder, "off"),
    faults: join(folder, "faults.json"),
    log: join(folder, "console.log"),
    hostKey: join(folder, "ssh_host_ed25519_key"),
    machineId: join(folder, "machine-id"),
    cgroup: join("causeway-lab", spec.name, host),
  };
}

/** A host of a lab as the machine that it is. */
export function machineOf(spec: LabSpec, host: string): Machine {
  return {
    name: machineName(spec.name, host),
    hostname: host,
    netnsPath: labPaths(spec.name).netnsPath,
    paths: hostPaths(spec, host),
    unified: spec.cgroup === 2,
  };
}

/** How a folder of a host is removed. What a killed boot started may still be copying into it: tried again for a while. */
export const withAllInIt = { recursive: true, force: true, maxRetries: 12, retryDelay: 100 } as const;
