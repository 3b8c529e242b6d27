import { existsSync } from "node:fs";
import { CausewayError } from "../errors.ts";
import { ownCommand } from "../own-command.ts";
import { command, succeeds } from "./command.ts";
import { labPaths } from "./paths.ts";
import type { LabSpec } from "./types.ts";

/** The machine's own address in a lab's subnet: the first one; hosts have it as their default route. */
export function gateway(spec: LabSpec): { address: string; prefix: string } {
  const [network = "", prefix = "24"] = spec.subnet.split("/");
  const parts = network.split(".").map(Number);
  parts[3] = (parts[3] ?? 0) + 1;
  return { address: parts.join("."), prefix };
}

/** A namespace of the lab's own with a bridge in it, and one veth to this machine. */
export async function networkUp(spec: LabSpec): Promise<void> {
  const { netns, netnsPath, outer, inner } = labPaths(spec.name);
  const { address, prefix } = gateway(spec);
  if (!existsSync(netnsPath)) await command`ip netns add ${netns}`;
  // nsenter, because `ip netns exec` would hide /sys from what runs in it.
  const inside = ["nsenter", `--net=${netnsPath}`];
  if (!(await succeeds`${inside} ip link show br0`))
    await command`${inside} ip link add br0 type bridge forward_delay 0`;
  const prepare =
    "ip link set lo up; ip link set br0 up; for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $f ] || echo 0 >$f; done";
  await command`${inside} sh -c ${prepare}`;
  if (!(await succeeds`ip link show ${outer}`)) {
    await refuseOverlap(spec);
    await command`ip link add ${outer} type veth peer name ${inner} netns ${netns}`;
  }
  await command`${inside} ip link set ${inner} master br0 up`;
  await command`ip addr replace ${address}/${prefix} dev ${outer}`;
  await command`ip link set ${outer} up`;
}

/** Another lab or a network of this machine in the same place would swallow the lab's packets. */
async function refuseOverlap(spec: LabSpec): Promise<void> {
  const routes = await command`ip -4 route show table main`;
  const wanted = range(spec.subnet);
  const taken = routes.split("\n").find((line) => {
    const dst = line.split(" ")[0] ?? "";
    if (!/^\d/.test(dst)) return false;
    const other = range(dst);
    return other.from <= wanted.to && wanted.from <= other.to;
  });
  if (taken === undefined) return;
  throw new CausewayError("lab", `the lab's subnet ${spec.subnet} is already in use on this machine`, {
    found: taken.trim(),
    expected: "a subnet that no route of this machine names",
    advice: `give the lab another subnet: in its inventory, or take the other lab down: ${ownCommand("lab down -i …")}`,
  });
}

function range(cidr: string): { from: number; to: number } {
  const [network = "", prefix = "32"] = cidr.split("/");
  const from = network.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return { from, to: from + 2 ** (32 - Number(prefix)) - 1 };
}

export async function networkDown(spec: LabSpec): Promise<void> {
  const { netns, netnsPath, outer } = labPaths(spec.name);
  if (await succeeds`ip link show ${outer}`) await command`ip link del ${outer}`;
  if (existsSync(netnsPath)) await command`ip netns del ${netns}`;
}
