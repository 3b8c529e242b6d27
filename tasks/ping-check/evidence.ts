import {
  type Family,
  type Frame,
  type Packet,
  type ProbeHost,
  type ProbeRun,
  readFrame,
  readPcap,
  sh,
  writePcap,
} from "causeway";
import { everyOf, type ProbeContainer } from "./containers.ts";
import { outerAddress } from "./outer.ts";
import { keyOf } from "./pairs.ts";
import { concerns, verdictOf } from "./verdict.ts";
import type { Verdict, Wire } from "./wire.ts";

/** A capture ends by itself after so many packets, if its time is not up before. */
const most = 20_000;
/** Enough for two headers of Ethernet, IP and UDP, and what says which packet it is. */
const bytesEach = 160;
/**
 * Pings alone, bare or in a tunnel on whichever port: a tunnel that others use, too, would fill the capture. The numbers are
 * offsets from the outer UDP header: a bare IP packet of ICMP behind it, or one behind the headers of vxlan and Ethernet.
 */
const pings =
  "icmp or icmp6 or (udp[8] = 0x45 and udp[17] = 1) or (udp[8:4] = 0x08000000 and (udp[39] = 1 or udp[36] = 58)) or ip proto 4 or ip proto 47";

interface Caught {
  frame: Frame;
  packet: Packet;
}

/** What one host's devices carried, and why that is not known where it could not be captured. */
interface Seen {
  caught: ReadonlyMap<string, readonly Caught[]>;
  missing?: string;
}

export interface Evidence {
  verdicts: ReadonlyMap<string, Verdict>;
  /** Where the captures are, on this machine. */
  folder: string | undefined;
}

/**
 * Begins to capture on every host. The files lie in a folder of this proof's own, and a keeper takes them away when their
 * time is up, whatever became of the run. The shell writes the file: tcpdump gives up root before it would open it.
 */
export async function startCaptures(
  containers: readonly ProbeContainer[],
  label: string,
  { wire, seconds }: { wire: Wire | undefined; seconds: number },
): Promise<Map<ProbeHost, string>> {
  const refusals = await everyOf(
    containers.map(async ({ host, ways }) => {
      const devices = devicesOf(ways, wire);
      const also = wire?.alsoOn?.join(" ") ?? "";
      const { code, stderr } = await host.sh(
        sh`command -v tcpdump >/dev/null || { echo 'tcpdump is not installed' >&2; exit 44; }
umask 077; d=${folderOf(label)}; mkdir "$d" || exit 1
{ echo room >"$d/room" && [ -s "$d/room" ]; } 2>/dev/null || { rm -rf "$d"; echo "no space left in \${d%/*}" >&2; exit 46; }
nohup sh -c ${keeper} sh "$d" ${seconds} ${filterOf(wire)} ${devices} >/dev/null 2>&1 &
for dev in ${devices}; do
  n=0
  until grep -qs 'listening on' "$d/$dev.said"; do
    case " "${also}" " in *" $dev "*) ip link show dev "$dev" >/dev/null 2>&1 || break ;; esac
    n=$((n + 1)); [ $n -lt 100 ] || { cat "$d/$dev.said" >&2; exit 45; }
    sleep 0.1
  done
done`,
        { timeoutMs: 30_000, shown: `tcpdump -ni ${devices.join(", ")}` },
      );
      return [host, code === 0 ? "" : stderr.trim() || `tcpdump ended with ${code}`] as const;
    }),
  );
  return new Map(refusals.filter(([, why]) => why !== ""));
}

const keeper = `d=$1 seconds=$2 filter=$3; shift 3
for dev; do
  timeout $seconds tcpdump -ni "$dev" -U -s ${bytesEach} -c ${most} -w - "$filter" >"$d/$dev.pcap" 2>"$d/$dev.said" &
  pids="$pids $!"
done
echo "$$" >"$d/keeper"; echo "$pids" >"$d/pids"
sleep $((seconds + 10)) & last=$!
trap 'kill $pids $last 2>/dev/null; rm -rf "$d"; exit' TERM INT HUP
wait $last
rm -rf "$d"`;

/** Where only root can write: what lies there is believed, its process ids are ended, and it is removed. */
const folderOf = (label: string) => `/run/causeway-${label}`;

function devicesOf(ways: ProbeContainer["ways"], wire: Wire | undefined): string[] {
  const underlay = [...new Set([...ways.values()].map(({ device }) => device))];
  return [...underlay, ...(wire?.alsoOn ?? [])];
}

function filterOf(wire: Wire | undefined): string {
  return wire?.filter === undefined ? pings : `${pings} or (${wire.filter})`;
}

/** Ends the captures, and gives what they saw. */
export async function endCaptures(
  containers: readonly ProbeContainer[],
  label: string,
  refused: ReadonlyMap<ProbeHost, string>,
): Promise<Map<string, Seen>> {
  const seen = await everyOf(
    containers.map(async ({ host }): Promise<[string, Seen]> => {
      const why = refused.get(host);
      if (why !== undefined) return [host.name, { caught: new Map(), missing: why }];
      // What is still on its way through the kernel is waited for: a packet that is there counts.
      const { stdout, code } = await host.sh(
        sh`d=${folderOf(label)}; sleep 0.3; pids=$(cat "$d/pids") || exit 1
for pid in $pids; do
  kill $pid 2>/dev/null
  for n in $(seq 50); do kill -0 $pid 2>/dev/null || break; sleep 0.1; done
done
for file in "$d"/*.pcap; do dev=\${file##*/}; echo "@device \${dev%.pcap}"; base64 -w 0 "$file"; echo; done`,
        { timeoutMs: 60_000 },
      );
      if (code !== 0) return [host.name, { caught: new Map(), missing: "the capture is gone" }];
      return [host.name, { caught: readCaptures(stdout) }];
    }),
  );
  return new Map(seen);
}

function readCaptures(text: string): Map<string, readonly Caught[]> {
  const parts = text.split(/^@device /m).slice(1);
  return new Map(
    parts.map((part) => {
      const [device = "", base64 = ""] = part.split("\n");
      const frames = readPcap(Buffer.from(base64, "base64")) ?? [];
      return [
        device,
        frames.flatMap((frame) => {
          const packet = readFrame(frame.bytes);
          return packet ? [{ frame, packet }] : [];
        }),
      ];
    }),
  );
}

/** Ends the captures of a host and takes their files away; fine where there is none. */
export async function removeCaptures(host: ProbeHost, label: string): Promise<void> {
  await host.sh(
    sh`d=${folderOf(label)}; [ -d "$d" ] || exit 0; kill $(cat "$d/keeper") 2>/dev/null; for n in $(seq 30); do [ -d "$d" ] || exit 0; sleep 0.1; done; rm -rf "$d"`,
    { timeoutMs: 30_000 },
  );
}

/** The verdict on pairs; what the sender's end carried of each is kept as a file. */
export async function judgeCaptures(
  pairs: readonly { from: ProbeContainer; to: ProbeContainer }[],
  seen: ReadonlyMap<string, Seen>,
  {
    wire,
    network,
    family = 4,
    keep,
  }: { wire?: Wire; network: string; family?: Family; keep: ProbeRun["keep"] },
): Promise<Evidence> {
  const verdicts = new Map<string, Verdict>();
  let folder: string | undefined;
  for (const { from, to } of pairs) {
    const [here, there] = [seenBy(from, seen), seenBy(to, seen)];
    const atSender = underlay(here, from, to);
    verdicts.set(
      keyOf({ from: from.host.name, to: to.host.name }),
      uncaptured(here, from) ??
        uncaptured(there, to) ??
        verdictOf(wire, endOf(from), endOf(to), {
          atSender: packetsOf(atSender),
          atReceiver: packetsOf(underlay(there, to, from)),
          beside: [here, there].flatMap(({ caught }) =>
            (wire?.alsoOn ?? []).flatMap((device) => packetsOf(caught.get(device) ?? [])),
          ),
        }),
    );
    if (here.missing !== undefined) continue;
    const which = family === 6 ? `${network}-ipv6` : network;
    const file = `${which}_${from.host.name}_${to.host.name}.pcap`.replaceAll("/", "-");
    const frames = framesOfPair(atSender, from, { ...to, outer: outerAddress(to.host, wire?.tunnel) });
    folder = await keep(file, writePcap(frames));
  }
  return { verdicts, folder };
}

function seenBy({ host }: ProbeContainer, seen: ReadonlyMap<string, Seen>): Seen {
  return seen.get(host.name) ?? { caught: new Map(), missing: "nothing was captured" };
}

function uncaptured({ missing }: Seen, { host }: ProbeContainer): Verdict | undefined {
  if (missing === undefined) return undefined;
  return { ok: false, seen: `not captured: ${missing} on ${host.name}`, without: host.name };
}

function underlay({ caught }: Seen, here: ProbeContainer, there: ProbeContainer): readonly Caught[] {
  return caught.get(here.ways.get(there.host.name)?.device ?? "") ?? [];
}

const packetsOf = (caught: readonly Caught[]) => caught.map(({ packet }) => packet);

/** A masqueraded packet belongs to the pair by its far end alone; an encrypted one to the two hosts. */
function framesOfPair(
  caught: readonly Caught[],
  from: { readonly address: string },
  to: { readonly address: string; readonly outer: string },
): Frame[] {
  return caught
    .filter(
      ({ packet }) =>
        concerns(packet, from.address, to.address) ||
        packet.source === to.address ||
        packet.destination === to.address ||
        (packet.sealed !== undefined && [packet.source, packet.destination].includes(to.outer)),
    )
    .map(({ frame }) => frame);
}

function endOf({ host, address, mac }: ProbeContainer) {
  return { host: host.name, address, mac };
}
