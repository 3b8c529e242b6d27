import { type Counter, type Family, meet } from "causeway";
import { outerFamily, overheadOf } from "./outer.ts";
import {
  type Cause,
  endsOf,
  type HostFacts,
  isRoutedByHosts,
  type PairFacts,
  shownBy,
  type Tunnel,
  type Wire,
} from "./wire.ts";

/** One cause for a pair that failed: the first that its facts bear out, from what everything rests on to the last step. */
export function causeOf(pair: PairFacts, wire: Wire | undefined): Cause {
  const judged: readonly (() => Cause | undefined)[] = [
    () => wire?.first?.(pair),
    () => noContainer(pair),
    () => notTried(pair),
    () => notForwarded(pair),
    () => missingRoute(pair, wire),
    () => masqueraded(pair),
    () => dropped(pair),
    () => wire?.silent?.(pair),
    () => oneWayTunnel(pair, wire),
    () => tooSmall(pair, wire),
    () => wire?.nameless?.(pair),
    () => nameless(pair),
  ];
  for (const judge of judged) {
    const cause = judge();
    if (cause) return cause;
  }
  return unexplained(pair);
}

function noContainer(pair: PairFacts): Cause | undefined {
  const without = endsOf(pair).find((end) => end.unstarted !== undefined);
  if (!without) return undefined;
  return {
    cause: `no container on ${without.name}: ${without.unstarted}`,
    ...shownBy("docker info", without, pair),
  };
}

/** Docker could run nothing in the sender's container. */
function notTried({ from, tried }: PairFacts): Cause | undefined {
  if (tried?.failed === undefined) return undefined;
  const full = /no space left on device/i.test(tried.failed);
  return {
    cause: `the ping could not be tried: Docker on ${from.name} ran nothing in its container: ${tried.failed}`,
    command: full ? "df -h /tmp /run /var/lib/docker" : `journalctl -u docker -n 20`,
  };
}

function notForwarded(pair: PairFacts): Cause | undefined {
  if (isFine(pair)) return undefined;
  for (const end of endsOf(pair)) {
    const [off] = end.forwardingOff ?? [];
    if (!off) continue;
    const by = off.file === undefined ? "" : `; ${off.file} says so`;
    return {
      cause: `forwarding off: ${end.name} does not forward (${off.key} = 0)${by}`,
      ...shownBy(`sysctl ${off.key}`, end, pair),
    };
  }
  return undefined;
}

export function missingRoute(pair: PairFacts, wire: Wire | undefined): Cause | undefined {
  if (!isRoutedByHosts(wire) || isFine(pair)) return undefined;
  const ways = [
    [pair.from, pair.to, pair.wayThere],
    [pair.to, pair.from, pair.wayBack],
  ] as const;
  for (const [here, there, way] of ways) {
    if (way === undefined || leadsTo(way, there, wire)) continue;
    const cure = wire?.cure === undefined ? "" : `; ${wire.cure}`;
    return {
      cause: `missing route: ${here.name} has no route to ${there.container} by ${there.name}: ${way || "none at all"}${cure}`,
      ...shownBy(`ip route get ${there.container}`, here, pair),
    };
  }
  return undefined;
}

/** Where the wire is not known, any device that is named as a tunnel's usually is will do. */
export function leadsTo(
  way: string,
  there: { readonly hops: readonly string[] },
  wire: Wire | undefined,
): boolean {
  const words = way.split(/\s+/);
  const after = (word: string) => (words.includes(word) ? words[words.indexOf(word) + 1] : undefined);
  const device = wire?.tunnel?.device;
  if (device !== undefined) return after("dev") === device;
  return (
    there.hops.includes(after("via") ?? "") ||
    (wire === undefined && /^(flannel|wg|tun)/.test(after("dev") ?? ""))
  );
}

/** A far side that lets its peers' containers in drops what comes from a host instead: then the rewriting rule tells. */
function masqueraded(pair: PairFacts): Cause | undefined {
  const { from, to, tried, sent } = pair;
  const rewriting = (end: HostFacts) =>
    end.moved.find(
      (rule) =>
        rule.table === "nat" &&
        /(^| )-j (MASQUERADE|SNAT)( |$)/.test(rule.spec) &&
        rule.packets >= sent &&
        couldMeet(rule.spec, from.container, to.container),
    );
  const end = rewriting(from) ? from : to;
  const rule = rewriting(end);
  const by = rule ? `${end.name} rewrites it by ${ruleWords(rule)}` : "";
  const shown = shownBy(`${tablesOf(pair)} -t nat -vnL POSTROUTING`, rule ? end : from, pair);
  if (tried?.caller !== undefined && tried.caller !== from.container) {
    const saw = `${to.name} saw ${tried.caller} instead of ${from.container}`;
    return { cause: `masqueraded source: ${[saw, by].filter(Boolean).join("; ")}`, ...shown };
  }
  if (!rule || tried?.loss !== 100) return undefined;
  return { cause: `masqueraded source: ${from.container} does not stay what it is: ${by}`, ...shown };
}

/** A rule or policy that let nothing of it through: its counter moved by what was sent at least. */
function dropped(pair: PairFacts): Cause | undefined {
  const { from, to, sent, tried } = pair;
  if (isFine(pair)) return undefined;
  const noTcp = tried?.loss === 0;
  const least = tried?.loss === 100 ? sent : 1;
  const protocol = noTcp ? "tcp" : pair.family === 6 ? "ipv6-icmp" : "icmp";
  const isGuilty = (rule: Counter) =>
    isForwarding(rule) && drops(rule) && rule.packets >= least && meets(rule, pair, protocol);
  for (const end of [to, from]) {
    const guilty = end.moved.find(isGuilty);
    if (guilty && isDirectAccessDrop(guilty)) return notAllowed(end, guilty, pair);
    if (guilty)
      return end.flushed ? flushed(end, guilty, pair) : droppedBy(tablesOf(pair), end, guilty, pair);
    const other = end.otherMoved?.moved.find(isGuilty);
    if (other && end.otherMoved) return droppedBy(end.otherMoved.tool, end, other, pair);
  }
  return undefined;
}

/** A rule of either backend of iptables: the kernel applies both. */
function droppedBy(tool: string, end: HostFacts, guilty: Counter, pair: PairFacts): Cause {
  const where = tool === tablesOf(pair) ? "" : ` in the other iptables, ${tool}`;
  return {
    cause: `FORWARD drop: ${end.name} drops it by ${ruleWords(guilty)}${where}`,
    ...shownBy(`${tool} ${tableFlag(guilty)}-vnL ${guilty.chain}`, end, pair),
  };
}

/** Docker's own from 28.0 on, one a running container: only its own bridge may reach its address. No rule of iptables can undo it. */
function isDirectAccessDrop({ table, chain, spec }: Counter): boolean {
  return table === "raw" && chain === "PREROUTING" && /^-d \S+ ! -i \S+ -j DROP$/.test(spec);
}

function notAllowed(end: HostFacts, guilty: Counter, pair: PairFacts): Cause {
  return {
    cause: `direct routing: Docker on ${end.name} lets no other host reach a container by its own address: ${ruleWords(guilty)}; run the playbook again, or set "allow-direct-routing": true (Docker 28.2 and newer) in /etc/docker/daemon.json and restart docker there`,
    ...shownBy(`${tablesOf(pair)} -t raw -vnL PREROUTING`, end, pair),
  };
}

/** What accepts is in a chain that is never asked. */
function flushed(end: HostFacts, guilty: Counter, pair: PairFacts): Cause {
  return {
    cause: `rules flushed: nothing leads to DOCKER-USER on ${end.name}, so it drops it by ${ruleWords(guilty)}; restart docker there`,
    ...shownBy(`${tablesOf(pair)} -S FORWARD`, end, pair),
  };
}

function oneWayTunnel(pair: PairFacts, wire: Wire | undefined): Cause | undefined {
  const tunnel = wire?.tunnel;
  if (!tunnel || pair.tried?.loss !== 100) return undefined;
  const [sender, receiver] = silentWay(pair);
  const what = pair.arrived ? "the answer" : "the request";
  const way = `UDP ${tunnel.port} from ${sender.name} to ${receiver.name}`;
  const guilty = tunnelDrop(sender, receiver, tunnel, pair.sent);
  const by = guilty ? `; ${guilty.end.name} drops it by ${ruleWords(guilty.rule)}` : "";
  const command = guilty ? shownRule(guilty) : `tcpdump -ni any udp port ${tunnel.port}`;
  return {
    cause: `${tunnel.filtered ?? "one-way tunnel"}: ${way} does not get through: ${what} leaves and does not arrive${by}`,
    ...shownBy(command, guilty?.end ?? receiver, pair),
  };
}

/** Which of a pair's hosts sends what does not arrive: the sender its request, or the far side its answer. */
export function silentWay<Own>(
  pair: PairFacts<Own>,
): readonly [sender: HostFacts<Own>, receiver: HostFacts<Own>] {
  return pair.arrived ? [pair.to, pair.from] : [pair.from, pair.to];
}

interface TunnelDrop {
  end: HostFacts;
  rule: Counter;
  family: Family;
}

/** A rule that drops the tunnel's own packets, so many at least, where they leave or arrive. */
export function tunnelDrop(
  sender: HostFacts,
  receiver: HostFacts,
  tunnel: Tunnel,
  sent: number,
): TunnelDrop | undefined {
  const family = outerFamily(tunnel, sender.name, receiver.name);
  for (const [end, chains] of [
    [receiver, /^(INPUT|PREROUTING)$/],
    [sender, /^(OUTPUT|POSTROUTING)$/],
  ] as const) {
    const builtIn = /^(INPUT|OUTPUT|FORWARD|PREROUTING|POSTROUTING)$/;
    const rule = (end.outerMoved ?? end.moved).find(
      (one) =>
        drops(one) &&
        one.packets >= sent &&
        (chains.test(one.chain) || !builtIn.test(one.chain)) &&
        (one.spec.startsWith("policy ") || isOfPort(one.spec, tunnel.port)) &&
        couldMeet(one.spec, sender.address, receiver.address),
    );
    if (rule) return { end, rule, family };
  }
  return undefined;
}

/** The command that shows such a rule. */
export function shownRule({ rule, family }: TunnelDrop): string {
  return `${family === 6 ? "ip6tables" : "iptables"} ${tableFlag(rule)}-vnL ${rule.chain}`;
}

function isOfPort(spec: string, port: number): boolean {
  const protocol = / ?-p (\S+)/.exec(spec)?.[1];
  if (protocol !== undefined && protocol !== "udp") return false;
  const ports = /--dports? (\S+)/.exec(spec)?.[1];
  if (ports === undefined) return !/--sports? /.test(spec);
  return ports.split(",").some((range) => {
    const [first, last = first] = range.split(":").map(Number);
    return first !== undefined && last !== undefined && first <= port && port <= last;
  });
}

/** The smallest device on the way is named; where all are large enough it lies between the hosts. */
function tooSmall(pair: PairFacts, wire: Wire | undefined): Cause | undefined {
  const { tried, largest, to } = pair;
  if (tried?.promised === undefined || tried.loss !== 0) return undefined;
  const narrow = narrowest(pair, wire, tried.promised);
  if (tried.crossed && !narrow) return undefined;
  const size = largest ?? narrow?.size;
  const bytes = size === undefined ? "of that size" : `of more than ${size} bytes`;
  const because = narrow
    ? `; ${narrow.device} of ${narrow.end.name} has an MTU of ${narrow.mtu}`
    : "; something between the hosts has a smaller MTU";
  return {
    cause: `MTU: no packet ${bytes} reaches ${to.name} in one piece, and the interface inside promises ${tried.promised}${because}`,
    ...(narrow
      ? shownBy(`ip link show dev ${narrow.device}`, narrow.end, pair)
      : { command: `ping -M do -s ${tried.promised - (pair.family === 6 ? 48 : 28)} ${to.hops[0]}` }),
  };
}

interface Narrow {
  end: HostFacts;
  device: string;
  mtu: number;
  /** The largest packet of a container that it carries. */
  size: number;
}

function narrowest(pair: PairFacts, wire: Wire | undefined, promised: number): Narrow | undefined {
  const tunnel = wire?.tunnel;
  const devices = endsOf(pair).flatMap((end) => {
    const sized = (device: string | undefined, overhead: number) => {
      const mtu = end.links.find((link) => link.name === device)?.mtu;
      return mtu === undefined || device === undefined ? [] : [{ end, device, mtu, size: mtu - overhead }];
    };
    const bridge = isRoutedByHosts(wire) ? sized("docker0", 0) : [];
    const added = tunnel ? overheadOf(tunnel, pair.from.name, pair.to.name) : 0;
    return [...sized(end.underlay, added), ...sized(tunnel?.device, 0), ...bridge];
  });
  return devices.filter(({ size }) => size < promised).sort((a, b) => a.size - b.size)[0];
}

function nameless({ to, tried }: PairFacts): Cause | undefined {
  if (tried?.resolved === undefined || tried.resolved === to.container) return undefined;
  return { cause: namelessWords(to, tried.resolved), command: "journalctl -u docker -n 20" };
}

export function namelessWords(to: HostFacts, resolved: string): string {
  const found = resolved === "" ? "has no address" : `is ${resolved}, not ${to.container}`;
  return `name: the container of ${to.name} is reached by its address, and its name ${found}`;
}

/** Everything is in its place as far as can be seen, and yet it does not work. */
function unexplained(pair: PairFacts): Cause {
  const { from, to, tried, arrived, wayThere } = pair;
  if (tried?.loss === undefined)
    return {
      cause: "the ping could not be tried",
      command: `docker run --rm busybox ping -c 1 ${to.container}`,
    };
  if (tried.loss > 0 && tried.loss < 100)
    return { cause: `lost: ${tried.loss}% of the packets`, command: `ping -c 100 -i 0.2 ${to.address}` };
  if (tried.loss === 0 && tried.caller === undefined)
    return {
      cause: "no TCP: it answers pings, and no connection: which address it sees is not known",
      command: `${tablesOf(pair)} -vnL FORWARD`,
      commandOn: to.name,
    };
  const routed = wayThere === undefined ? "" : `, although it is routed to ${to.name}`;
  if (arrived === undefined)
    return {
      cause: `no answer: whether the requests arrive on ${to.name} cannot be told from others' there${routed}`,
      command: `tcpdump -ni any host ${from.container}`,
      commandOn: to.name,
    };
  return arrived
    ? {
        cause: `no answer: the requests arrive on ${to.name}, and its answers do not on ${from.name}`,
        command: `tcpdump -ni any host ${to.container}`,
      }
    : {
        cause: `no answer: the requests do not arrive on ${to.name}${routed}`,
        command: `tcpdump -ni any host ${from.container}`,
        commandOn: to.name,
      };
}

const tablesOf = ({ family }: PairFacts) => (family === 6 ? "ip6tables" : "iptables");

/** Whether packets and connections get through, so that what is wrong is something about them. */
function isFine({ tried }: PairFacts): boolean {
  return tried?.loss === 0 && tried.caller !== undefined;
}

function isForwarding({ table, chain }: Counter): boolean {
  if (table === "nat") return false;
  return !/^(INPUT|OUTPUT|POSTROUTING)$/.test(chain);
}

/** A chain of peer-ports is reached by the packets of its ports alone, which no container's and no tunnel's are. */
function drops({ chain, spec }: Counter): boolean {
  if (chain.startsWith("CAUSEWAY-PORT-")) return false;
  return spec === "policy DROP" || /(^| )-j (DROP|REJECT)( |$)/.test(spec);
}

/** Whether the pair's packets, or their answers, can have been the ones that a rule met. */
function meets({ spec }: Counter, { from, to }: PairFacts, protocol: string): boolean {
  const only = / ?(! )?-p (\S+)/.exec(spec);
  if (only && (only[2] === protocol) === (only[1] !== undefined)) return false;
  return couldMeet(spec, from.container, to.container) || couldMeet(spec, to.container, from.container);
}

function couldMeet(spec: string, source: string, destination: string): boolean {
  const fits = (flag: string, address: string) => {
    const [, not, network] = new RegExp(`(?:^| )(! )?-${flag} (\\S+)`).exec(spec) ?? [];
    if (network === undefined) return true;
    return meet(network, address) === (not === undefined);
  };
  return fits("s", source) && fits("d", destination);
}

export function ruleWords({ table, chain, spec, packets }: Counter): string {
  const where = table === "filter" ? chain : `${table} ${chain}`;
  return `${where} ${spec} (+${packets} packets)`;
}

const tableFlag = ({ table }: Counter) => (table === "filter" ? "" : `-t ${table} `);
