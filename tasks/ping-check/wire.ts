import { type Counter, type Family, type Link, type Packet, type ProbeHost, Type } from "causeway";
import type { Tried } from "./pings.ts";

/**
 * How packets of a scheme cross the network between the hosts: what evidence and causes are judged by. A scheme describes its
 * own, with what only it knows to look at; `Own` is what its `look` gives.
 */
export interface Wire<Own = unknown> {
  name: string;
  /** Absent where packets cross as they are. */
  tunnel?: Tunnel;
  /** What is in the tunnel is encrypted: both ends have to see the same messages there, and the inner addresses bare nowhere. */
  sealed?: true;
  /** Hosts themselves route to containers: not so where containers have an interface on a network of all hosts. */
  routed: boolean;
  /** What brings a route back that is missing, where that is not the playbook: `restart flanneld there`. */
  cure?: string;
  /** Within how many seconds Dockers that started at the same time know each other's containers, where that may take longer than usual. */
  rejoins?: number;
  /** Devices on which its packets must not be, or have to be: captured beside the ones that lead to the peers. */
  alsoOn?: readonly string[];
  /** What else evidence has to capture than pings, bare or readable in a tunnel: an expression of pcap-filter(7). */
  filter?: string;
  /** Judges a pair's packets, where more has to hold than that they cross bare or in the tunnel. */
  verdict?(captured: CapturedPair): Verdict;
  /** Looks at a host of a pair that failed; changes nothing there. */
  look?(host: ProbeHost, probe: { label: string; image: string }): Promise<Own>;
  /** Why nothing can work, which is judged before anything else. */
  first?(pair: PairFacts<Own>): Cause | undefined;
  /** Why nothing arrives, where neither a route nor a rule is why. */
  silent?(pair: PairFacts<Own>): Cause | undefined;
  /** Why a container is reached, and not by its name. */
  nameless?(pair: PairFacts<Own>): Cause | undefined;
}

/** A tunnel: UDP to this port, and how many bytes it adds to a packet where its own packets are of IPv4. */
export interface Tunnel {
  port: number;
  overhead: number;
  /** By the hosts' names, the addresses at which its ends are called; IPv4, and the hosts' own, unless said. */
  endpoints?: ReadonlyMap<string, string>;
  /** The host's device into it; Docker's own is out of sight in a namespace. */
  device?: string;
  /** What it is called where its packets do not get through; `one-way tunnel` unless said. */
  filtered?: string;
}

/** The parameter of ping-check. */
export const wireParam = Type.Unsafe<Wire>(
  Type.Object(
    { name: Type.String(), routed: Type.Boolean() },
    {
      description:
        "how packets should cross the network between the hosts: what evidence and causes are judged by; a scheme's own, from playbooks/schemes",
    },
  ),
);

/** Where the wire is not known, hosts may route. */
export function isRoutedByHosts(wire: Wire | undefined): boolean {
  return wire?.routed ?? true;
}

/** One end of a pair, as its packets name it. */
export interface End {
  host: string;
  address: string;
  mac: string;
}

/** What was captured for a pair, on the way to the other host and on the devices beside it. */
export interface Captured {
  atSender: readonly Packet[];
  atReceiver: readonly Packet[];
  /** Of both ends. */
  beside: readonly Packet[];
}

/** The pair's requests as they left the sender and came to the receiver, and in which form: `bare inner addresses`. */
export interface CapturedPair extends Captured {
  from: End;
  to: End;
  left: readonly Packet[];
  came: readonly Packet[];
  form: string;
}

export interface Verdict {
  ok: boolean;
  /** `UDP 8472 with the inner addresses inside` */
  seen: string;
  /** The host that cannot capture. */
  without?: string;
}

/** A switch of the kernel by which it does not forward, and the file that says so, where one does. */
export interface Off {
  key: string;
  file?: string;
}

/** What is known of one host of a pair that failed. */
export interface HostFacts<Own = unknown> {
  name: string;
  /** At which the tunnel's packets reach it; without a tunnel, the runner. */
  address: string;
  /** Where peers send their packets to. */
  hops: readonly string[];
  /** What Docker said when the container did not start. */
  unstarted?: string;
  /** The container's address; empty where it did not start. */
  container: string;
  /** The device on the way to the other host. */
  underlay?: string;
  links: readonly Link[];
  /** What the wire's own look gave. */
  own?: Own;
  /** By which switches of the kernel it does not forward. */
  forwardingOff?: readonly Off[];
  /** Docker's rules were flushed: nothing leads to DOCKER-USER. */
  flushed?: boolean;
  /** What iptables let through or dropped while it was tried again; ip6tables, where the containers' family is IPv6. */
  moved: readonly Counter[];
  /** The same of the family of the tunnel's own packets, where that is the other one. */
  outerMoved?: readonly Counter[];
  /** The same of the other backend of iptables, where the host has rules in both. */
  otherMoved?: { tool: string; moved: readonly Counter[] };
}

/** What is known of a pair that failed. */
export interface PairFacts<Own = unknown> {
  /** By which addresses the containers were to reach each other. */
  family: Family;
  from: HostFacts<Own>;
  to: HostFacts<Own>;
  /** Absent where a container did not start. */
  tried?: Tried;
  /** Where each host sends packets to the other's container: `192.168.200.2 via 10.0.0.201 dev eth0`. */
  wayThere?: string;
  wayBack?: string;
  /** Whether packets of the sender arrive in the far container; undefined where pings of others arrive there, too. */
  arrived: boolean | undefined;
  /** How many pings were sent when it was tried again. */
  sent: number;
  /** The largest packet that crossed, in bytes, where the one that the interface promises did not. */
  largest?: number;
}

/** Why a pair failed, and the command that shows it; on the sender where no other host is named. */
export interface Cause {
  cause: string;
  command: string;
  commandOn?: string;
}

/** The command that shows a cause, and the host to run it on. */
export function shownBy(
  command: string,
  on: Pick<HostFacts, "name">,
  { from }: { readonly from: Pick<HostFacts, "name"> },
): Pick<Cause, "command" | "commandOn"> {
  return on.name === from.name ? { command } : { command, commandOn: on.name };
}

export function endsOf<Own>({ from, to }: PairFacts<Own>): readonly [HostFacts<Own>, HostFacts<Own>] {
  return [from, to];
}
