import { type Counter, type Family, type ProbeHost, parseCounters, sh } from "causeway";
import { everyOf, isStarted } from "./containers.ts";
import type { Pair } from "./pings.ts";
import type { Off, Wire } from "./wire.ts";

/**
 * What comes in by a device is forwarded where that device's switch is on; ip_forward sets them all (ip-sysctl). In IPv6 the one
 * for all devices decides.
 */
export async function forwardingOff(
  host: ProbeHost,
  devices: readonly string[],
  family: Family,
): Promise<Off[]> {
  const { stdout } = await host.sh(family === 6 ? offIn6 : offIn4(devices));
  return everyOf(
    stdout
      .split("\n")
      .filter(Boolean)
      .map(async (key) => {
        const said = (await host.reader.sysctlFiles(key)).at(-1);
        return { key, ...(said?.value === "0" ? { file: said.path } : {}) };
      }),
  );
}

const offIn6 = sh`[ "$(cat /proc/sys/net/ipv6/conf/all/forwarding)" != 0 ] || echo net.ipv6.conf.all.forwarding`;

const offIn4 = (devices: readonly string[]) => sh`cd /proc/sys/net/ipv4 || exit 0
[ "$(cat ip_forward)" != 0 ] || { echo net.ipv4.ip_forward; exit 0; }
for dev in ${devices}; do
  [ "$(cat "conf/$dev/forwarding" 2>/dev/null)" != 0 ] || echo "net.ipv4.conf.$dev.forwarding"
done`;

/** The devices by which packets of containers come into a host. */
export function devicesOf(end: Pair["from"], wire: Wire | undefined): string[] {
  const underlay = isStarted(end) ? [...end.ways.values()].map(({ device }) => device) : [];
  return [...new Set(["docker0", wire?.tunnel?.device ?? "docker0", ...underlay])];
}

/** Docker makes the chain and what leads to it at its start only. */
export function isFlushed(saved: string): boolean {
  return /^:DOCKER-USER /m.test(saved) && !/ -A FORWARD (?:.* )?-j DOCKER-USER$/m.test(saved);
}

/** The counters of iptables or ip6tables, of one family or of both; none where the host has no such program. */
export async function countersOf(
  host: ProbeHost,
  families: readonly Family[],
): Promise<{ of: ReadonlyMap<Family, readonly Counter[]>; flushed: ReadonlyMap<Family, boolean> }> {
  const saved = await everyOf(
    families.map(async (family) => {
      const save = family === 6 ? "ip6tables-save" : "iptables-save";
      const { stdout } = await host.sh(sh`command -v ${save} >/dev/null || exit 0; ${save} -c`);
      return [family, stdout] as const;
    }),
  );
  return {
    of: new Map(saved.map(([family, text]) => [family, parseCounters(text)])),
    flushed: new Map(saved.map(([family, text]) => [family, isFlushed(text)])),
  };
}

/** The counters of the other backend of iptables, where the host has rules in both. */
export async function otherCounters(
  host: ProbeHost,
): Promise<{ tool: string; counters: readonly Counter[] } | undefined> {
  const tool = (await host.reader.otherRules())?.tool;
  return tool && { tool, counters: parseCounters((await host.sh(sh`${tool}-save -c`)).stdout) };
}
