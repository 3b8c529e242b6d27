import type { Reader } from "../host/reader.ts";
import { sh } from "../host/sh.ts";
import { defineFact } from "./define.ts";

/** The distribution, as /etc/os-release has it (os-release(5)); what it does not say is empty. */
export interface OsFacts {
  /** `debian`, `ubuntu`, `rocky`. */
  id: string;
  /** What it is derived from or like: `["rhel", "centos", "fedora"]`. */
  like: readonly string[];
  /** `12`, `9.4`; empty for one that has none. */
  version: string;
  /** `bookworm`. */
  codename: string;
  /** As a person reads it: `Debian GNU/Linux 12 (bookworm)`. */
  name: string;
}

/** The kernel and the machine, as `uname`, /proc and systemd-detect-virt tell. */
export interface KernelFacts {
  /** `6.1.0-18-amd64`. */
  release: string;
  /** `x86_64`, `aarch64`. */
  machine: string;
  /** The host's own name. */
  hostname: string;
  cpus: number;
  /** The memory in bytes. */
  memory: number;
  /** `none` on a machine of metal; `kvm`, `vmware`, `lxc`, `systemd-nspawn`; empty where systemd does not say. */
  virtualization: string;
}

/** Parses /etc/os-release: lines of KEY=value, as a shell would read them. */
export function parseOsRelease(text: string): OsFacts {
  const value = (key: string) => {
    const raw = new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
    return raw.replace(/^(["'])(.*)\1$/, "$2").replaceAll(/\\(.)/g, "$1");
  };
  return {
    id: value("ID") || "linux",
    like: value("ID_LIKE").split(" ").filter(Boolean),
    version: value("VERSION_ID"),
    codename: value("VERSION_CODENAME"),
    name: value("PRETTY_NAME"),
  };
}

async function readKernel(host: Reader): Promise<KernelFacts> {
  const { stdout } = await host.read(
    sh`uname -r; uname -m; uname -n; nproc --all; sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo; systemd-detect-virt 2>/dev/null; true`,
    { looksAt: [] },
  );
  const [release = "", machine = "", hostname = "", cpus = "0", kilobytes = "0", virtualization = ""] =
    stdout.split("\n");
  return { release, machine, hostname, cpus: Number(cpus), memory: Number(kilobytes) * 1024, virtualization };
}

/** `v2` is the unified hierarchy alone; `hybrid` is v1 with v2 beside it, for systemd only. */
async function readCgroup(host: Reader): Promise<"v1" | "v2" | "hybrid"> {
  const { stdout } = await host.read(
    sh`stat -f -c %T /sys/fs/cgroup; [ ! -d /sys/fs/cgroup/unified ] || echo hybrid`,
    { looksAt: [] },
  );
  if (stdout.startsWith("cgroup2")) return "v2";
  return stdout.includes("hybrid") ? "hybrid" : "v1";
}

/**
 * What can be known of every host, as facts for a playbook: `facts: { os: hostFacts.os, docker: hostFacts.docker }`, or
 * `facts: hostFacts` for all. Only those that are named are read, in the first trip.
 */
export const hostFacts = {
  os: defineFact({
    name: "os",
    read: async (host) =>
      parseOsRelease((await host.read(sh`cat /etc/os-release /dev/null`, { looksAt: [] })).stdout),
  }),
  kernel: defineFact({ name: "kernel", read: readKernel }),
  /** Network interfaces, with their kind and state. */
  links: defineFact({ name: "links", read: (host) => host.links() }),
  /** IPv4 addresses, with their interface. */
  addresses: defineFact({ name: "addresses", read: (host) => host.addresses() }),
  /** IPv4 routes of the main table. */
  routes: defineFact({ name: "routes", read: (host) => host.routes() }),
  /** Whether Docker is there and runs, its version, networks and containers. */
  docker: defineFact({ name: "docker", read: (host) => host.docker() }),
  cgroup: defineFact({ name: "cgroup", read: readCgroup }),
};
