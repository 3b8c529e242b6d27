import { type Family, sh } from "causeway";
import { isStarted, type ProbeContainer } from "./containers.ts";
import type { Pair } from "./pings.ts";

/** Where the kernel of a container counts, for each family. */
export const countsOf = { 4: "/proc/net/snmp", 6: "/proc/net/snmp6" } as const;

/** What the kernel counts in a container. */
export const pingsInto = ({ id }: ProbeContainer, family: Family) =>
  sh`docker exec ${id} cat ${countsOf[family]}`;

/** How many pings came in so far, out of the kernel's table: a line of names, and one of numbers; for IPv6 a line each. */
export function readPinged(text = ""): number | undefined {
  const six = /^Icmp6InEchos\s+(\d+)$/m.exec(text)?.[1];
  if (six !== undefined) return Number(six);
  const [names = [], numbers = []] = [...text.matchAll(/^Icmp: (.*)$/gm)].map(([, words = ""]) =>
    words.split(" "),
  );
  const number = numbers[names.indexOf("InEchos")];
  return number === undefined ? undefined : Number(number);
}

/**
 * By the kernel's count of pings that came into the far container: none means that no pair's did, and as many as all
 * pairs with it sent, that every pair's did.
 */
export function arrivedOf(
  { to }: Pair,
  failed: readonly Pair[],
  { before, after, each }: { before: number | undefined; after: number | undefined; each: number },
): boolean | undefined {
  if (before === undefined || after === undefined) return undefined;
  const callers = failed.filter((pair) => pair.to === to && isStarted(pair.from));
  // For the size of packets, more of them were sent.
  const isSized = callers.some(({ tried }) => (tried?.loss ?? 100) < 100);
  if (after === before) return false;
  return !isSized && after - before >= each * callers.length ? true : undefined;
}
