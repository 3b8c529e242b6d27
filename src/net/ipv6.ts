import type { Network } from "./ipv4.ts";
import { networkOf, overlaps } from "./ipv4.ts";

/** An IPv6 network: its first address as a number, and its prefix length. */
export interface Network6 {
  first: bigint;
  prefix: number;
}

const bits = 128;

/** `fd00::1` as a number; undefined when it is no address. One with a zone (`fe80::1%eth0`) is none. */
export function parseAddress6(text: string): bigint | undefined {
  const halves = withHexTail(text)?.split("::");
  if (!halves || halves.length > 2) return undefined;
  const [left = [], right = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - left.length - right.length;
  // `::` stands for one group of zeros at least.
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...Array<string>(missing).fill("0"), ...right];
  if (groups.some((group) => !/^[\da-f]{1,4}$/i.test(group))) return undefined;
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** The end of `::ffff:10.0.0.1` as two groups of digits. */
function withHexTail(text: string): string | undefined {
  const [, head = "", tail] = /^(.*:)([\d.]+\.[\d.]+)$/.exec(text) ?? [];
  if (tail === undefined) return text;
  const inside = networkOf(`${tail}/32`)?.first;
  if (inside === undefined) return undefined;
  return `${head}${Math.floor(inside / 65_536).toString(16)}:${(inside % 65_536).toString(16)}`;
}

/** As `ip` prints it: small letters, no leading zeros, the longest run of zeros left out (RFC 5952). */
export function formatAddress6(address: bigint): string {
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((address >> BigInt(112 - 16 * at)) & 0xffffn).toString(16),
  );
  const runs = groups.map((_, at) => groups.slice(at).findIndex((group) => group !== "0"));
  const lengths = runs.map((length, at) => (length < 0 ? groups.length - at : length));
  const longest = Math.max(...lengths);
  if (longest < 2) return groups.join(":");
  const at = lengths.indexOf(longest);
  return `${groups.slice(0, at).join(":")}::${groups.slice(at + longest).join(":")}`;
}

/** Splits `address/prefix`; undefined when it is none. */
export function parseInterface6(text: string): { address: bigint; prefix: number } | undefined {
  const [left = "", right = "", more] = text.split("/");
  const address = parseAddress6(left);
  if (address === undefined || more !== undefined || !/^(0|[1-9]\d{0,2})$/.test(right)) return undefined;
  return Number(right) > bits ? undefined : { address, prefix: Number(right) };
}

const size = (prefix: number) => 1n << BigInt(bits - prefix);

/** The network in which an `address/prefix` lies; undefined when it is none. */
export function networkOf6(text: string): Network6 | undefined {
  const parsed = parseInterface6(text);
  if (!parsed) return undefined;
  return { first: parsed.address - (parsed.address % size(parsed.prefix)), prefix: parsed.prefix };
}

export function formatNetwork6({ first, prefix }: Network6): string {
  return `${formatAddress6(first)}/${prefix}`;
}

export function lastAddress6({ first, prefix }: Network6): bigint {
  return first + size(prefix) - 1n;
}

export function contains6(network: Network6, address: bigint): boolean {
  return address >= network.first && address <= lastAddress6(network);
}

function overlaps6(a: Network6, b: Network6): boolean {
  return a.first <= lastAddress6(b) && b.first <= lastAddress6(a);
}

/** The families of addresses, by the numbers that `ip` has for them. */
export type Family = 4 | 6;

/** Of an address or a network as text. */
export function familyOf(text: string): Family {
  return text.includes(":") ? 6 : 4;
}

/** Whether two networks, or addresses, of either family have an address in common; what is none has nothing. */
export function meet(one: string, other: string): boolean {
  if (familyOf(one) !== familyOf(other)) return false;
  return familyOf(one) === 4
    ? both(networkOf(whole(one, 32)), networkOf(whole(other, 32)), overlaps)
    : both(networkOf6(whole(one, bits)), networkOf6(whole(other, bits)), overlaps6);
}

const whole = (text: string, length: number) => (text.includes("/") ? text : `${text}/${length}`);

function both<N extends Network | Network6>(
  one: N | undefined,
  other: N | undefined,
  test: (one: N, other: N) => boolean,
): boolean {
  return one !== undefined && other !== undefined && test(one, other);
}
