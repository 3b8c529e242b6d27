import { formatAddress, rawScript, sh } from "causeway";
import { callerPort, type ProbeContainer, type Unstarted } from "./containers.ts";

/** What came of trying one pair. */
export interface Tried {
  /** Percent; undefined when the ping could not be tried at all. */
  loss: number | undefined;
  rtt: number | undefined;
  /** The address that the far side saw over TCP; undefined when no connection came about. */
  caller: string | undefined;
  /** The address that the far container's name has, empty when it has none; undefined when it was not asked for. */
  resolved: string | undefined;
  /** What the interface inside promises, in bytes of IP packet; undefined when the size could not be tried. */
  promised: number | undefined;
  /** Whether a packet of that size crossed in one piece. */
  crossed: boolean;
}

/** Two hosts in their order, and what came of them; nothing where a container did not start. */
export interface Pair {
  from: ProbeContainer | Unstarted;
  to: ProbeContainer | Unstarted;
  tried?: Tried;
}

export interface TriedPair {
  from: ProbeContainer;
  to: ProbeContainer;
  tried: Tried;
}

export function isTried(pair: Pair): pair is TriedPair {
  return pair.tried !== undefined;
}

interface PingOptions {
  count: number;
  /** Also resolve the far container's name. */
  names?: boolean;
}

/**
 * A packet that fits the interface carries the don't-fragment flag, as the kernel sets it while `ip_no_pmtu_disc` is 0;
 * busybox's ping cannot ask for it. Only the first packet of a size counts: once a router has said that it is too large,
 * the kernel cuts the next ones itself.
 */
const inside = `dev=$(ip -4 route get $2 2>/dev/null | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p')
mtu=$(cat /sys/class/net/\${dev:-eth0}/mtu)
[ "$(cat /proc/sys/net/ipv4/ip_no_pmtu_disc)" = 0 ] && [ -n "$mtu" ] && echo "@promised $mtu"
(sleep 1; ping -c 1 -W 2 -s $((mtu - 28)) $2 >/dev/null 2>&1 && echo @crossed) &
ping -c $1 -w $(($1 + 2)) $2
wait $!
[ -z "$3" ] || nslookup "$3" 127.0.0.11 2>/dev/null | sed -n '/^Name:/,$s/^Address[^:]*: *\\([0-9.]*\\).*/@resolved \\1/p'
echo "@caller $(nc -w 2 $2 ${callerPort} </dev/null 2>/dev/null)"`;

/** All pings of one container at once, each answer in a file of its own on the host. */
export async function pingAll(
  from: ProbeContainer,
  peers: readonly ProbeContainer[],
  { count, names = false }: PingOptions,
): Promise<TriedPair[]> {
  if (peers.length === 0) return [];
  const answers = await inEach(from, peers, { script: inside, seconds: count + 30 }, (to) => [
    count,
    to.address,
    names ? to.name : "",
  ]);
  return peers.map((to, index) => ({ from, to, tried: readPing(answers[index] ?? "", names) }));
}

/** Runs a script in a container for each of the peers, all at once; each answer comes back apart from the others. */
export async function inEach(
  { id, host }: ProbeContainer,
  peers: readonly ProbeContainer[],
  { script, seconds }: { script: string; seconds: number },
  argumentsFor: (peer: ProbeContainer) => readonly (string | number)[],
): Promise<string[]> {
  const lines = peers.map(
    (to, index) =>
      sh`(timeout ${seconds + 10} docker exec ${id} sh -c ${script} sh ${argumentsFor(to)} >"$d/${index}" 2>&1) &`
        .text,
  );
  const all = peers.map((_, index) => index).join(" ");
  const { stdout } = await host.sh(
    rawScript(
      `d=$(mktemp -d) || exit 1\n${lines.join("\n")}\nwait\nfor i in ${all}; do echo "@pair $i"; cat "$d/$i"; done\nrm -rf "$d"`,
    ),
    { timeoutMs: (seconds + 30) * 1000 + peers.length * 500 },
  );
  const parts = stdout.split(/^@pair /m).slice(1);
  const byIndex = new Map(parts.map((part) => [Number.parseInt(part, 10), part]));
  return peers.map((_, index) => byIndex.get(index) ?? "");
}

/** Takes apart what a pair's script says. */
export function readPing(answer: string, names: boolean): Tried {
  const loss = /(\d+)% packet loss/.exec(answer)?.[1];
  const rtt = /= [\d.]+\/([\d.]+)\//.exec(answer)?.[1];
  const promised = /^@promised (\d+)$/m.exec(answer)?.[1];
  return {
    loss: loss === undefined ? undefined : Number(loss),
    rtt: rtt === undefined ? undefined : Number(rtt),
    caller: addressOf(/^@caller [0-9A-F]*([0-9A-F]{8}):/m.exec(answer)?.[1]),
    resolved: names ? (/^@resolved ([\d.]+)$/m.exec(answer)?.[1] ?? "") : undefined,
    promised: promised === undefined ? undefined : Number(promised),
    crossed: /^@crossed$/m.test(answer),
  };
}

/** `0264A8C0`, as /proc/net/tcp and the end of a tcp6 address write 192.168.100.2 on a little-endian machine. */
export function addressOf(hex: string | undefined): string | undefined {
  if (hex === undefined) return undefined;
  const bytes = hex.match(/../g) ?? [];
  return formatAddress(bytes.reverse().reduce((sum, byte) => sum * 256 + Number.parseInt(byte, 16), 0));
}
