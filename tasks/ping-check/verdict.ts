import type { Packet } from "causeway";
import type { Captured, End, Verdict, Wire } from "./wire.ts";

/** What is said of a packet that is in no tunnel. */
export const bareForm = "bare inner addresses";
/** Of ICMP, and of ICMPv6. */
const echoRequests: readonly (number | undefined)[] = [8, 128];
const ipInIp = 4;

/** Whether the pair's packets crossed as the wire promises; without a wire, how they crossed. */
export function verdictOf(wire: Wire | undefined, from: End, to: End, captured: Captured): Verdict {
  if (wire?.sealed) return sealedVerdict(from, to, captured);
  const left = captured.atSender.filter((packet) => isRequest(packet, from, to));
  const came = captured.atReceiver.filter((packet) => isRequest(packet, from, to));
  const forms = [...new Set([...left, ...came].map(formOf))];
  if (left.length === 0) return { ok: false, seen: absent(from, to, captured.atSender) };
  if (came.length === 0)
    return { ok: false, seen: `${forms[0]} on ${from.host}, and nothing arrives on ${to.host}` };
  if (forms.length > 1) return { ok: false, seen: forms.join(" and ") };
  const [form = ""] = forms;
  if (wire?.verdict) return wire.verdict({ ...captured, from, to, left, came, form });
  const promised = wire === undefined ? form : promisedForm(wire);
  return form === promised ? { ok: true, seen: form } : { ok: false, seen: `${form}, not ${promised}` };
}

/** Nobody but the two hosts can read whose the messages are; that they are the same at both ends everybody can see. */
function sealedVerdict(from: End, to: End, { atSender, atReceiver }: Captured): Verdict {
  const open = [...atSender, ...atReceiver].find((packet) => concerns(packet, from.address, to.address));
  if (open) return { ok: false, seen: `${formOf(open)}, not encrypted` };
  const left = atSender.filter(({ sealed }) => sealed !== undefined);
  const there = new Set(atReceiver.flatMap(({ sealed }) => sealed ?? []));
  const both = left.filter(({ sealed = "" }) => there.has(sealed));
  const ports = [...new Set((both.length > 0 ? both : left).map(({ ports }) => `UDP ${ports?.destination}`))];
  if (left.length === 0) return { ok: false, seen: `nothing encrypted leaves ${from.host}` };
  if (both.length === 0)
    return {
      ok: false,
      seen: `${ports.join(", ")} on ${from.host}, and nothing of it arrives on ${to.host}`,
    };
  return { ok: true, seen: `${ports.join(", ")} encrypted at both ends, the inner addresses bare nowhere` };
}

/** Whether a packet belongs to the pair in either direction, whatever it is wrapped in. */
export function concerns(packet: Packet, one: string, other: string): boolean {
  const { source, destination } = innermost(packet);
  return (source === one && destination === other) || (source === other && destination === one);
}

function isRequest(packet: Packet, from: End, to: End): boolean {
  const inner = innermost(packet);
  return (
    inner.source === from.address && inner.destination === to.address && echoRequests.includes(inner.icmpType)
  );
}

function innermost(packet: Packet): Packet {
  return packet.inner ? innermost(packet.inner) : packet;
}

function formOf({ inner, protocol, ports }: Packet): string {
  if (!inner) return bareForm;
  return inTunnel(protocol === ipInIp ? "IP in IP" : `UDP ${ports?.destination}`);
}

function promisedForm({ tunnel }: Wire): string {
  return tunnel ? inTunnel(`UDP ${tunnel.port}`) : bareForm;
}

const inTunnel = (name: string) => `${name} with the inner addresses inside`;

/** A masqueraded packet shows itself by its destination alone. */
function absent(from: End, to: End, atSender: readonly Packet[]): string {
  const rewritten = atSender
    .map(innermost)
    .find((packet) => packet.destination === to.address && echoRequests.includes(packet.icmpType));
  return rewritten
    ? `${rewritten.source} instead of the inner address ${from.address}`
    : `nothing of it leaves ${from.host}`;
}
