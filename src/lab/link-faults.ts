import { existsSync } from "node:fs";
import { CausewayError } from "../errors.ts";
import { ownCommand } from "../own-command.ts";
import { command, onHost, succeeds } from "./command.ts";
import { initPid } from "./machine.ts";
import { labPaths, machineOf } from "./paths.ts";
import type { Faults, LabSpec } from "./types.ts";

/**
 * What is wrong with the link of a host. It is done on the lab's bridge, where nothing that happens on the host can undo it: not
 * a restart of Docker, and not a reboot, for the host's port of the bridge keeps its name.
 */
export async function breakLink(spec: LabSpec, host: string, faults: Faults): Promise<void> {
  const rules = rulesOf(await portOf(spec, host), faults);
  if (rules.length > 0) await ruleset(spec, tableOf(host), rules);
  if (faults.mtu !== undefined) await aggregate(spec, 1);
  if (faults.delay !== undefined) await delay(spec, host, faults.delay);
}

/** Puts the link of a host right again, whatever was wrong with it. */
export async function mendLink(spec: LabSpec, host: string, faults: Faults): Promise<void> {
  if (!existsSync(labPaths(spec.name).netnsPath)) return;
  const [inside, table] = [insideOf(spec), tableOf(host)];
  // One that is not there cannot be deleted.
  if (rulesOf("", faults).length > 0)
    await command`${inside} nft ${`add table bridge ${table}; delete table bridge ${table}`}`;
  if (faults.mtu !== undefined) await aggregate(spec, 65535);
  // It went with the port, if the host booted meanwhile.
  if (faults.delay !== undefined && (await initPid(machineOf(spec, host))) !== undefined)
    await succeeds`${inside} tc qdisc del dev ${await portOf(spec, host)} root`;
}

const tableOf = (host: string) => `faults-${host}`;

/** Not `ip netns exec`, which would hide /sys from what runs in it. */
const insideOf = (spec: LabSpec) => ["nsenter", `--net=${labPaths(spec.name).netnsPath}`];

/** The lines of an nftables chain for what passes by a port of the bridge. */
function rulesOf(port: string, { cut, drop, mtu }: Faults): string[] {
  const [to, from] = [`oifname "${port}"`, `iifname "${port}"`];
  const both = (what: string) => [`${to} ${what} drop`, `${from} ${what} drop`];
  return [
    ...(cut === "in" || cut === "both" ? [`${to} drop`] : []),
    ...(cut === "out" || cut === "both" ? [`${from} drop`] : []),
    ...(drop === undefined ? [] : both(`numgen random mod 10000 < ${Math.round(drop * 100)}`)),
    ...(mtu === undefined ? [] : both(`meta length > ${mtu}`)),
  ];
}

async function ruleset(spec: LabSpec, table: string, rules: readonly string[]): Promise<void> {
  const chain = ["type filter hook forward priority 0; policy accept;", ...rules].join("\n");
  await command`${insideOf(spec)} nft ${`table bridge ${table} {\nchain passing {\n${chain}\n}\n}`}`;
}

/**
 * So many segments of TCP travel as one packet on the lab's links, where 1 shows each as large as it would be on a wire. Of all
 * hosts, for what one sends to another is large already when it comes to the bridge.
 */
async function aggregate(spec: LabSpec, segments: number): Promise<void> {
  await command`ip link set dev ${labPaths(spec.name).outer} gso_max_segs ${segments}`;
  for (const { name } of spec.hosts) {
    const pid = await initPid(machineOf(spec, name));
    if (pid !== undefined)
      await command`nsenter -t ${pid} --net ip link set dev host0 gso_max_segs ${segments}`;
  }
}

async function delay(spec: LabSpec, host: string, ms: number): Promise<void> {
  const port = await portOf(spec, host);
  await command`${insideOf(spec)} tc qdisc add dev ${port} root netem delay ${`${ms}ms`} limit 100000`.catch(
    (error: CausewayError) => {
      if (!/qdisc kind is unknown/.test(error.detail.output ?? "")) throw error;
      throw new CausewayError("lab", "this kernel cannot delay packets: it has no netem", {
        host,
        ...error.detail,
        advice:
          "use a kernel with CONFIG_NET_SCH_NETEM (modprobe sch_netem, where it is a module); --drop and --freeze need none",
      });
    },
  );
}

/** The host's port of the bridge, as the lab's namespace calls it. */
async function portOf(spec: LabSpec, host: string): Promise<string> {
  const pid = await initPid(machineOf(spec, host));
  if (pid === undefined)
    throw new CausewayError("lab", `lab host ${host} is down, so its link cannot be broken`, {
      advice: `${ownCommand("lab up")}, with the same -i`,
    });
  const index = (await command`${onHost(pid)} cat /sys/class/net/host0/iflink`).trim();
  const links = await command`${insideOf(spec)} ip -o link show`;
  const port = new RegExp(`^${index}: ([^@:]+)`, "m").exec(links)?.[1];
  if (port === undefined)
    throw new CausewayError("lab", `the bridge has no port that leads to ${host}`, { found: links });
  return port;
}
