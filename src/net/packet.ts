import { formatAddress6 } from "./ipv6.ts";

/** An IP packet out of a capture, of either family, with what it carries where it is a tunnel's. */
export interface Packet {
  source: string;
  destination: string;
  /** IP's number: 1 ICMP, 6 TCP, 17 UDP, 4 IP in IP, 47 GRE, 58 ICMPv6. */
  protocol: number;
  /** Whether routers may not cut it into pieces, as they never may in IPv6. */
  dontFragment: boolean;
  /** Of a frame on Ethernet: from and to which card. */
  macs?: { source: string; destination: string };
  ports?: { source: number; destination: number };
  /** ICMP's type: 8 is an echo request, 0 its reply; of ICMPv6 128 and 129. */
  icmpType?: number;
  inner?: Packet;
  /** Of one that carries something encrypted: what tells it from all others, at whichever end it is seen. */
  sealed?: string;
}

const etherIpv4 = 0x0800;
const etherIpv6 = 0x86dd;
const etherVlan = 0x8100;
const [icmp, ipInIp, tcp, udp, icmp6] = [1, 4, 6, 17, 58];

/** What an Ethernet frame carries; undefined for anything but the beginning of an IP packet. */
export function readFrame(frame: Buffer): Packet | undefined {
  if (frame.length < 14) return undefined;
  const tagged = frame.readUInt16BE(12) === etherVlan && frame.length >= 18;
  const type = frame.readUInt16BE(tagged ? 16 : 12);
  const rest = frame.subarray(tagged ? 18 : 14);
  const packet = type === etherIpv4 ? readIpv4(rest) : type === etherIpv6 ? readIpv6(rest) : undefined;
  if (!packet) return undefined;
  return { ...packet, macs: { destination: macAt(frame, 0), source: macAt(frame, 6) } };
}

function readIpv4(bytes: Buffer): Packet | undefined {
  if (bytes.length < 20 || (bytes[0] ?? 0) >> 4 !== 4) return undefined;
  const headerLength = ((bytes[0] ?? 0) & 15) * 4;
  const fragment = bytes.readUInt16BE(6);
  // Only the first piece of a packet says what it is.
  if (headerLength < 20 || (fragment & 0x1fff) !== 0) return undefined;
  const protocol = bytes[9] ?? 0;
  return {
    source: addressAt(bytes, 12),
    destination: addressAt(bytes, 16),
    protocol,
    dontFragment: (fragment & 0x4000) !== 0,
    ...payload(protocol, bytes.subarray(headerLength)),
  };
}

/** RFC 8200, section 3. One with headers of options or in pieces is told by its addresses alone. */
function readIpv6(bytes: Buffer): Packet | undefined {
  if (bytes.length < 40 || (bytes[0] ?? 0) >> 4 !== 6) return undefined;
  const protocol = bytes[6] ?? 0;
  return {
    source: address6At(bytes, 8),
    destination: address6At(bytes, 24),
    protocol,
    dontFragment: true,
    ...payload(protocol, bytes.subarray(40)),
  };
}

function payload(protocol: number, bytes: Buffer): Pick<Packet, "ports" | "icmpType" | "inner"> {
  if ((protocol === icmp || protocol === icmp6) && bytes.length >= 1) return { icmpType: bytes[0] ?? 0 };
  if (protocol === ipInIp) return within(readIpv4(bytes));
  if ((protocol !== udp && protocol !== tcp) || bytes.length < 8) return {};
  const ports = { source: bytes.readUInt16BE(0), destination: bytes.readUInt16BE(2) };
  return {
    ports,
    ...(protocol === udp ? carried(bytes.subarray(8), bytes.readUInt16BE(4) - 8) : {}),
  };
}

function carried(bytes: Buffer, length: number): Pick<Packet, "inner" | "sealed"> {
  // A message of WireGuard's with data: its type and three zeros, whom it is for, its number (its white paper, section 5.4.6).
  if (bytes.length >= 32 && bytes.readUInt32BE(0) === 0x04000000)
    return { sealed: bytes.subarray(4, 16).toString("hex") };
  return within(tunnelled(bytes, length));
}

function within(inner: Packet | undefined): Pick<Packet, "inner"> {
  return inner ? { inner } : {};
}

/**
 * What is inside, on whichever port, by its own words: VXLAN's eight bytes have one flag, that the network's number is valid, and
 * zero wherever nothing is defined (RFC 7348, section 5); a bare IP packet says that it is as long as what UDP carries.
 */
function tunnelled(bytes: Buffer, length: number): Packet | undefined {
  if (bytes.length < 20) return undefined;
  if (bytes.readUInt32BE(0) === 0x08000000 && bytes[7] === 0) return readFrame(bytes.subarray(8));
  return (bytes[0] ?? 0) >> 4 === 4 && bytes.readUInt16BE(2) === length ? readIpv4(bytes) : undefined;
}

function addressAt(bytes: Buffer, at: number): string {
  return [...bytes.subarray(at, at + 4)].join(".");
}

function address6At(bytes: Buffer, at: number): string {
  return formatAddress6(BigInt(`0x${bytes.subarray(at, at + 16).toString("hex")}`));
}

function macAt(bytes: Buffer, at: number): string {
  return [...bytes.subarray(at, at + 6)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
