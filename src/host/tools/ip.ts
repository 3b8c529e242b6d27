/** One line of `ip route`; absent parts are undefined. */
export interface Route {
  /** `default`, an address, or a network. */
  dst: string;
  via?: string;
  dev?: string;
  /** The protocol's name or number: who made it. */
  proto?: string;
  src?: string;
  metric?: number;
  /** The line as printed, without the state of the link. */
  line: string;
}

export interface Link {
  name: string;
  index: number;
  mtu: number;
  up: boolean;
  mac?: string;
  /** `veth`, `bridge`, `vxlan`, `macvlan`, `tun`; undefined for a device of the machine's own. */
  kind?: string;
  /** The device below, for a VLAN or macvlan. */
  parent?: string;
  master?: string;
}

export interface Address {
  dev: string;
  /** With the prefix length: `10.213.0.200/24`. */
  cidr: string;
  address: string;
  prefix: number;
}

function wordAfter(words: readonly string[], key: string): string | undefined {
  const at = words.indexOf(key);
  return at < 0 ? undefined : words[at + 1];
}

const routeTypes = new Set([
  "unicast",
  "local",
  "broadcast",
  "multicast",
  "blackhole",
  "unreachable",
  "prohibit",
  "throw",
]);

/**
 * Parses `ip route show` or `ip route get`. What `ip` prints of every IPv6 route that says nothing else, its metric and its
 * preference, is left out.
 */
export function parseRoutes(text: string): Route[] {
  return text.split("\n").flatMap((raw) => {
    const line = raw
      .replaceAll(/ +(linkdown|dead|cache)(?= |$)/g, "")
      .replace(/ metric 1024(?= .*pref medium)/, "")
      .replace(/ pref medium$/, "")
      .trim();
    if (line === "" || /^\s/.test(raw)) return [];
    const words = line.split(/\s+/);
    const dst = routeTypes.has(words[0] ?? "") ? words[1] : words[0];
    if (dst === undefined) return [];
    const route: Route = { dst, line };
    const via = wordAfter(words, "via");
    const dev = wordAfter(words, "dev");
    const proto = wordAfter(words, "proto");
    const src = wordAfter(words, "src");
    const metric = wordAfter(words, "metric");
    if (via) route.via = via;
    if (dev) route.dev = dev;
    if (proto) route.proto = proto;
    if (src) route.src = src;
    if (metric) route.metric = Number(metric);
    return [route];
  });
}

const linkKinds = new Set(
  "veth bridge vxlan macvlan ipvlan vlan tun dummy ipip gre sit bond wireguard".split(" "),
);

/** Parses `ip -o -d link show`. */
export function parseLinks(text: string): Link[] {
  return text.split("\n").flatMap((line) => {
    const head = /^(\d+): ([^:@\s]+)(?:@([^:\s]+))?: <([^>]*)>(.*)$/.exec(line);
    if (!head) return [];
    const [, index, name = "", parent, flags = "", rest = ""] = head;
    const words = rest.replaceAll("\\", " ").split(/\s+/);
    const link: Link = {
      name,
      index: Number(index),
      mtu: Number(wordAfter(words, "mtu")),
      up: flags.split(",").includes("UP"),
    };
    const mac = wordAfter(words, "link/ether");
    // The details of a kind begin a part of their own, behind the link's address.
    const parts = rest.split("\\").slice(2);
    const kind = parts.map((part) => part.trim().split(" ")[0] ?? "").find((word) => linkKinds.has(word));
    const master = wordAfter(words, "master");
    if (parent && parent !== "NONE") link.parent = parent;
    if (mac) link.mac = mac;
    if (kind) link.kind = kind;
    if (master) link.master = master;
    return [link];
  });
}

/** Parses `ip -o addr show`, of either family. */
export function parseAddresses(text: string): Address[] {
  return text.split("\n").flatMap((line) => {
    const found = /^\d+: (\S+)\s+inet6? ([\da-f.:]+)(?: peer [\da-f.:]+)?\/(\d+)/.exec(line);
    if (!found) return [];
    const [, dev = "", address = "", prefix = ""] = found;
    return [{ dev, address, prefix: Number(prefix), cidr: `${address}/${prefix}` }];
  });
}
