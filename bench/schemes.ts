import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { labConnection } from "../src/lab/index.ts";
import type { LabSpec } from "../src/lab/types.ts";
import { packageDir } from "../src/package-dir.ts";
import { measure, median } from "./measure.ts";

/** Between containers of two hosts: how long a stream of 100 MB takes, and how long a packet is on its way there and back. */
const megabytes = 100;
const pings = 50;
const port = 5001;

/** A scheme, and the Docker network that its containers are on. */
export interface Measured {
  readonly scheme: string;
  readonly network: string;
}

/** What Docker 28 runs, the plainest first: the ratios are to it. */
export const schemesOfToday: readonly Measured[] = [
  { scheme: "static-route", network: "bridge" },
  { scheme: "macvlan", network: "macvlan_1" },
  { scheme: "flannel", network: "bridge" },
  { scheme: "swarm", network: "swarm_1" },
  { scheme: "wireguard", network: "bridge" },
];

/** What Docker 20.10 alone runs, beside the plainest. */
export const schemesOf2022: readonly Measured[] = [
  { scheme: "static-route", network: "bridge" },
  { scheme: "overlay", network: "overlay_1" },
];

/** One scheme after the other on the same two hosts, several times, so that a slow moment of the machine hits them all. */
export async function schemeSpeeds(
  { lab, inventory, sshConfig }: { lab: LabSpec; inventory: string; sshConfig: string },
  schemes: readonly Measured[],
  rounds: number,
  print: (line: string) => void,
): Promise<void> {
  const playbook = (name: string) => join(packageDir, "playbooks", `${name}.ts`);
  const common = ["-i", inventory, "--ssh-config", sshConfig];
  const seen = new Map(schemes.map((of) => [of, { mtu: 0, seconds: [] as number[], rtts: [] as number[] }]));
  for (let round = 0; round < rounds; round += 1)
    for (const [{ scheme, network }, found] of seen) {
      await measure({ argv: [join(packageDir, "run"), playbook(scheme), ...common, "--no-verify"] });
      const { mtu, seconds, rtt } = between(lab, network);
      found.mtu = mtu;
      found.seconds.push(seconds);
      found.rtts.push(rtt);
    }
  const plain = median([...seen.values()][0]?.seconds ?? []);
  print(
    `\nContainers of two lab hosts of ${lab.image}, by scheme; medians of ${rounds}\n\n| scheme | MTU | ${megabytes} MB in | ratio | round trip |\n|---|---|---|---|---|`,
  );
  for (const [{ scheme }, { mtu, seconds, rtts }] of seen) {
    const time = median(seconds);
    print(
      `| ${scheme} | ${mtu} | ${time.toFixed(2)} s | ${(time / plain).toFixed(2)} | ${median(rtts).toFixed(3)} ms |`,
    );
  }
}

function between(lab: LabSpec, network: string): { mtu: number; seconds: number; rtt: number } {
  const [here, there] = lab.hosts;
  if (!here || !there) throw new Error("the lab has no two hosts");
  const { privateKeyFile, knownHostsFile } = labConnection(lab);
  const on = (address: string, script: string) =>
    execFileSync(
      "ssh",
      ["-i", privateKeyFile, "-o", `UserKnownHostsFile=${knownHostsFile}`, `root@${address}`, script],
      { encoding: "utf8", timeout: 120_000 },
    ).trim();
  try {
    const far = on(
      there.address,
      `docker run -d --rm --network ${network} --name bench-sink busybox nc -ll -p ${port} -e sh -c 'cat >/dev/null' >/dev/null && docker inspect -f '{{(index .NetworkSettings.Networks "${network}").IPAddress}}' bench-sink`,
    );
    const said = on(
      here.address,
      `docker run --rm --network ${network} busybox sh -c 'cat /sys/class/net/eth0/mtu
ping -q -c ${pings} -i 0.05 ${far} | sed -n "s/.*= [0-9.]*\\/\\([0-9.]*\\)\\/.*/\\1/p"
read began rest </proc/uptime
dd if=/dev/zero bs=64k count=${megabytes * 16} 2>/dev/null | nc ${far} ${port}
read ended rest </proc/uptime
echo $began $ended'`,
    );
    const [mtu = "", rtt = "", times = ""] = said.split("\n");
    const [began = 0, ended = 0] = times.split(" ").map(Number);
    return { mtu: Number(mtu), rtt: Number(rtt), seconds: ended - began };
  } finally {
    on(there.address, "docker rm -f bench-sink >/dev/null 2>&1; true");
  }
}
