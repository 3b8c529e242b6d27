import { formatAddress6 } from "causeway";

/** What a host of a watch says in one line. `at` is its uptime in milliseconds. */
export type Said =
  /** It has no container now. */
  | { says: "none" }
  /** It has no such image, and gives up. */
  | { says: "no image" }
  | { says: "here"; at: number; address: string; id: string; everyMs: number }
  /** A ping begins, of the container that has this id. */
  | { says: "ping"; at: number; address: string; id: string }
  /** The container at this address has said that it is the right one. */
  | { says: "met"; at: number; address: string }
  | { says: "answer"; at: number; address: string; sequence: number; rttMs: number }
  /** The ping of this address has ended; how many packets it sent comes in the next line. */
  | { says: "ended"; at: number; address: string }
  | { says: "transmitted"; at: number; packets: number }
  /** So many packets came to pings that still run and did not read them in time. */
  | { says: "unread"; at: number; packets: number }
  /** Words of Docker or of busybox. */
  | { says: "words"; text: string };

/** `fd003000010000000000000000000002`, as the kernel's table has it, as ping prints it; one of IPv4 is as it is. */
function asPrinted(address: string): string {
  return /^[\da-f]{32}$/.test(address) ? formatAddress6(BigInt(`0x${address}`)) : address;
}

/** Parses a line: `123.45 64 bytes from 192.168.100.2: seq=7 ttl=62 time=0.210 ms`, as busybox's ping writes it behind the uptime. */
export function parseLine(line: string): Said {
  if (line === "@none") return { says: "none" };
  if (line === "@image") return { says: "no image" };
  const [, uptime, text = ""] = /^(\d+\.\d+) (.*)$/.exec(line) ?? [];
  if (uptime === undefined) return { says: "words", text: line.trim() };
  const at = Number(uptime) * 1000;
  const answer = /^\d+ bytes from ([\da-f.:]+): seq=(\d+) ttl=\d+ time=([\d.]+) ms/.exec(text);
  if (answer) {
    const [, address = "", sequence, rtt] = answer;
    return { says: "answer", at, address, sequence: Number(sequence), rttMs: Number(rtt) };
  }
  const [verb, address = "", id = "", every] = text.split(" ");
  if (verb === "@here")
    return { says: "here", at, address: asPrinted(address), id, everyMs: Number(every) * 1000 };
  if (verb === "@ping") return { says: "ping", at, address, id };
  if (verb === "@met") return { says: "met", at, address };
  if (verb === "@unread") return { says: "unread", at, packets: Number(address) };
  const ended = /^--- ([\da-f.:]+) ping statistics ---/.exec(text)?.[1];
  if (ended !== undefined) return { says: "ended", at, address: ended };
  const packets = /^(\d+) packets transmitted/.exec(text)?.[1];
  if (packets !== undefined) return { says: "transmitted", at, packets: Number(packets) };
  return { says: "words", text: text.trim() };
}
