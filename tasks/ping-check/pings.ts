import { formatAddress, formatAddress6 } from "causeway";
import { callerPort, everyOf, isStarted, type ProbeContainer, type Unstarted } from "./containers.ts";
import { capSeconds, inEach, secondsFor, type Work } from "./inside.ts";

/** Seconds for the answer to the last packet: a machine that is busy answers late, and late is not lost. */
export const patience = 4;
/** How often a far side that answers pings is called before it counts as silent. */
const calls = 3;

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
  /** What Docker said where it could run nothing in the container. */
  failed?: string;
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

export interface PingOptions {
  count: number;
  /** Also resolve the far container's name. */
  names?: boolean | undefined;
}

/** In the shell of a container: how many bytes the headers of IP and ICMP take in a packet to an address. */
export function headersOf(address: string): string {
  return `case ${address} in *:*) headers=48 ;; *) headers=28 ;; esac`;
}

/**
 * A packet that fits the interface carries the don't-fragment flag, as the kernel sets it while `ip_no_pmtu_disc` is 0;
 * busybox's ping cannot ask for it. Only the first packet of a size counts: once a router has said that it is too large,
 * the kernel cuts the next ones itself. A container that many call at once may
 * miss a call. Without `-W` busybox waits ten seconds for the answer to the last packet, whatever `-w` says.
 */
const inside = `${headersOf("$2")}
dev=$(ip route get $2 2>/dev/null | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p')
mtu=$(cat /sys/class/net/\${dev:-eth0}/mtu)
[ "$(cat /proc/sys/net/ipv4/ip_no_pmtu_disc)" = 0 ] && [ -n "$mtu" ] && echo "@promised $mtu"
(sleep 1; ping -q -c 1 -W ${patience} -s $((mtu - headers)) $2 >/dev/null 2>&1 && echo @crossed) &
said=$(ping -q -c $1 -w $(($1 + ${patience})) -W ${patience} $2 2>&1)
echo "$said"
wait $!
[ -z "$3" ] || $cap nslookup "$3" 127.0.0.11 2>/dev/null | sed -n '/^Name:/,$s/^Address[^:]*: *\\([0-9.]*\\).*/@resolved \\1/p'
case $said in *round-trip*) calls=${calls} ;; *) calls=1 ;; esac
while [ -z "$caller" ] && [ $calls -gt 0 ]; do
  caller=$($cap nc -w 2 $2 ${callerPort} </dev/null 2>/dev/null); calls=$((calls - 1))
done
echo "@caller $caller"`;

/** What one container needs for one pair at most: its pings, and then its calls; and a name takes as long as a call. */
function pinging({ count, names = false }: PingOptions): Omit<Work, "script"> {
  return { seconds: Math.max(count, 2) + patience + (calls + (names ? 1 : 0)) * capSeconds, atOnce: 8 };
}

/** How many seconds it takes at most to try so many pairs of one container: all containers work at the same time. */
export function secondsToTry(peers: number, options: PingOptions): number {
  return secondsFor(peers, pinging(options));
}

/** Tries pairs, those of one container by one process; a pair of which a container did not start comes back untried. */
export async function tryPairs(pairs: readonly Pair[], options: PingOptions): Promise<Pair[]> {
  const tried = await everyOf(
    [...bySender(pairs)].map(async ([from, peers]) => {
      const answers = await inEach(from, peers, { script: inside, ...pinging(options) }, (to) => [
        options.count,
        to.address,
        ...(options.names ? [to.name] : []),
      ]);
      return peers.map((to, index) => ({
        from,
        to,
        tried: readPing(answers[index] ?? "", options.names === true),
      }));
    }),
  );
  return [...tried.flat(), ...pairs.filter(({ from, to }) => !isStarted(from) || !isStarted(to))];
}

function bySender(pairs: readonly Pair[]): Map<ProbeContainer, ProbeContainer[]> {
  const groups = new Map<ProbeContainer, ProbeContainer[]>();
  for (const { from, to } of pairs) {
    if (!isStarted(from) || !isStarted(to)) continue;
    const group = groups.get(from);
    if (group) group.push(to);
    else groups.set(from, [to]);
  }
  return groups;
}

/** Parses what a pair's script says. */
export function readPing(answer: string, names: boolean): Tried {
  const loss = /(\d+)% packet loss/.exec(answer)?.[1];
  const rtt = /= [\d.]+\/([\d.]+)\//.exec(answer)?.[1];
  const promised = /^@promised (\d+)$/m.exec(answer)?.[1];
  const failed = /^@failed (.*)$/m.exec(answer)?.[1];
  return {
    ...(failed === undefined ? {} : { failed }),
    loss: loss === undefined ? undefined : Number(loss),
    rtt: rtt === undefined ? undefined : Number(rtt),
    caller: addressOf(/^@caller ([0-9A-F]+):/m.exec(answer)?.[1]),
    resolved: names ? (/^@resolved ([\d.]+)$/m.exec(answer)?.[1] ?? "") : undefined,
    promised: promised === undefined ? undefined : Number(promised),
    crossed: /^@crossed$/m.test(answer),
  };
}

/**
 * `0264A8C0`, as /proc/net/tcp writes 192.168.100.2 on a little-endian machine; /proc/net/tcp6 has four such words, the last
 * of which is an IPv4 address where the first three say so (RFC 4291, section 2.5.5.2).
 */
export function addressOf(hex: string | undefined): string | undefined {
  const words = hex?.match(/.{8}/g)?.map((word) => word.match(/../g)?.reverse().join("") ?? "") ?? [];
  const last = words.at(-1);
  if (last === undefined) return undefined;
  const isIpv4 = words.length === 1 || words.slice(0, -1).join("") === "00000000000000000000FFFF";
  return isIpv4 ? formatAddress(Number.parseInt(last, 16)) : formatAddress6(BigInt(`0x${words.join("")}`));
}
