/** An IPv4 network: its first address as a number, and its prefix length. */
export interface Network {
  first: number;
  prefix: number;
}

/** `10.0.0.1` as a number; undefined when it is no address. */
export function parseAddress(text: string): number | undefined {
  // A leading zero means octal to some tools: such an address has two meanings, and so none here.
  if (!/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text)) return undefined;
  const parts = text.split(".").map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

/** Splits `address/prefix`; undefined when it is none. */
export function parseInterface(text: string): { address: number; prefix: number } | undefined {
  const [left = "", right = "", more] = text.split("/");
  const address = parseAddress(left);
  if (address === undefined || more !== undefined || !/^(0|[1-9]\d?)$/.test(right) || Number(right) > 32)
    return undefined;
  return { address, prefix: Number(right) };
}

function size(prefix: number): number {
  return 2 ** (32 - prefix);
}

/** The network in which an `address/prefix` lies; undefined when it is none. */
export function networkOf(text: string): Network | undefined {
  const parsed = parseInterface(text);
  if (!parsed) return undefined;
  return {
    first: Math.floor(parsed.address / size(parsed.prefix)) * size(parsed.prefix),
    prefix: parsed.prefix,
  };
}

export function formatNetwork(network: Network): string {
  return `${formatAddress(network.first)}/${network.prefix}`;
}

export function lastAddress(network: Network): number {
  return network.first + size(network.prefix) - 1;
}

export function contains(network: Network, address: number): boolean {
  return address >= network.first && address <= lastAddress(network);
}

export function overlaps(a: Network, b: Network): boolean {
  return a.first <= lastAddress(b) && b.first <= lastAddress(a);
}

/** The fewest networks that hold exactly the addresses of these: what lies in another goes, and halves of one are joined. */
export function aggregate(networks: readonly Network[]): Network[] {
  const sorted = [...networks].sort((a, b) => a.first - b.first || a.prefix - b.prefix);
  const whole: Network[] = [];
  for (const network of sorted) {
    const before = whole.at(-1);
    if (before && contains(before, network.first)) continue;
    whole.push(network);
    for (
      let [low, high] = whole.slice(-2);
      low && high && areHalves(low, high);
      [low, high] = whole.slice(-2)
    )
      whole.splice(-2, 2, { first: low.first, prefix: low.prefix - 1 });
  }
  return whole;
}

function areHalves(low: Network, high: Network): boolean {
  return (
    low.prefix === high.prefix &&
    low.first % (2 * size(low.prefix)) === 0 &&
    high.first === low.first + size(low.prefix)
  );
}

/** `192.168.100.1/24` → `192.168.100.0/24`: the subnet of an interface's address. */
export function subnetOf(cidr: string): string {
  const network = networkOf(cidr);
  return network ? formatNetwork(network) : cidr;
}
