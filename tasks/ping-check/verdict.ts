import type { Packet } from "causeway";
import { tunnelOf, type Wire } from "./wire.ts";

/** One end of a pair, as its packets name it. */
export interface End {
  host: string;
  address: string;
  mac: string;
}

/** What was captured for a pair, on the way to the other host and, for macvlan, on docker0. */
export interface Captured {
  atSender: readonly Packet[];
  atReceiver: readonly Packet[];
  onBridges: readonly Packet[];
}

export interface Verdict {
  ok: boolean;
  /** `UDP 8472 with the inner addresses inside` */
  seen: string;
  /** The host that cannot capture. */
  without?: string;
}

const echoRequest = 8;
const ipInIp = 4;

/** Whether the pair's packets crossed as the wire promises; without a wire, how they crossed. */
export function verdictOf(wire: Wire | undefined, from: End, to: End, captured: Captured): Verdict {
  const left = captured.atSender.filter((packet) => isRequest(packet, from, to));
  const came = captured.atReceiver.filter((packet) => isRequest(packet, from, to));
  const forms = [...new Set([...left, ...came].map(formOf))];
  if (left.length === 0) return { ok: false, seen: absent(from, to, captured.atSender) };
  if (came.length === 0)
    return { ok: false, seen: `${forms[0]} on ${from.host}, and nothing arrives on ${to.host}` };
  if (forms.length > 1) return { ok: false, seen: forms.join(" and ") };
  const [form = ""] = forms;
  if (wire === "macvlan") return childrenOnly(form, from, to, { left, came, onBridges: captured.onBridges });
  const promised = wire === undefined ? form : promisedForm(wire);
  return form === promised ? { ok: true, seen: form } : { ok: false, seen: `${form}, not ${promised}` };
}

/** Whether a packet belongs to the pair in either direction, whatever it is wrapped in. */
export function concerns(packet: Packet, one: string, other: string): boolean {
  const { source, destination } = innermost(packet);
  return (source === one && destination === other) || (source === other && destination === one);
}

function isRequest(packet: Packet, from: End, to: End): boolean {
  const inner = innermost(packet);
  return inner.source === from.address && inner.destination === to.address && inner.icmpType === echoRequest;
}

function innermost(packet: Packet): Packet {
  return packet.inner ? innermost(packet.inner) : packet;
}

function formOf({ inner, protocol, ports }: Packet): string {
  if (!inner) return "bare inner addresses";
  return inTunnel(protocol === ipInIp ? "IP in IP" : `UDP ${ports?.destination}`);
}

function promisedForm(wire: Wire): string {
  const tunnel = tunnelOf(wire);
  return tunnel ? inTunnel(`UDP ${tunnel.port}`) : "bare inner addresses";
}

const inTunnel = (name: string) => `${name} with the inner addresses inside`;

/** A masqueraded packet shows itself by its destination alone. */
function absent(from: End, to: End, atSender: readonly Packet[]): string {
  const rewritten = atSender
    .map(innermost)
    .find((packet) => packet.destination === to.address && packet.icmpType === echoRequest);
  return rewritten
    ? `${rewritten.source} instead of the inner address ${from.address}`
    : `nothing of it leaves ${from.host}`;
}

/** macvlan's children stand on the wire under their own MAC addresses, and their packets do not pass docker0. */
function childrenOnly(
  form: string,
  from: End,
  to: End,
  { left, came, onBridges }: { left: Packet[]; came: Packet[]; onBridges: readonly Packet[] },
): Verdict {
  const own = "the children's own MACs";
  if (onBridges.some((packet) => concerns(packet, from.address, to.address)))
    return { ok: false, seen: `${form}, and on docker0` };
  const other = [...left, ...came].find(
    ({ macs }) => macs?.source !== from.mac || macs.destination !== to.mac,
  )?.macs;
  if (form !== promisedForm("macvlan")) return { ok: false, seen: `${form}, not ${own}` };
  return other
    ? { ok: false, seen: `${other.source} to ${other.destination}, not ${own} ${from.mac} to ${to.mac}` }
    : { ok: true, seen: own };
}
