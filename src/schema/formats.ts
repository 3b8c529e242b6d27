import {
  contains,
  formatNetwork,
  lastAddress,
  networkOf,
  parseAddress,
  parseInterface,
} from "../net/ipv4.ts";
import {
  familyOf,
  formatAddress6,
  formatNetwork6,
  networkOf6,
  parseAddress6,
  parseInterface6,
} from "../net/ipv6.ts";

/** Why a text does not fit a format, and what would: nothing when it fits. */
export interface Misfit {
  expected: string;
  advice?: string;
}

type Check = (text: string) => Misfit | undefined;

const cidr: Check = (text) => {
  const parsed = parseInterface(text);
  const network = networkOf(text);
  if (!parsed || !network) return { expected: "an IPv4 network such as 192.168.100.0/24" };
  if (parsed.address === network.first) return undefined;
  return {
    expected: "a network address without host bits",
    advice: `host bits are set; the network is ${formatNetwork(network)}`,
  };
};

/** In one spelling, as tools print it: what is the same has to compare as the same. */
const cidr6: Check = (text) => {
  const parsed = parseInterface6(text);
  const network = networkOf6(text);
  if (!parsed || !network) return { expected: "an IPv6 network such as fd00:30:100::/64" };
  const written = formatNetwork6(network);
  if (text === written) return undefined;
  return parsed.address === network.first
    ? { expected: "small letters, without zeros that can be left out", advice: `write it as ${written}` }
    : {
        expected: "a network address without host bits",
        advice: `host bits are set; the network is ${written}`,
      };
};

const ipv6Address: Check = (text) => {
  const address = parseAddress6(text);
  if (address === undefined) return { expected: "an IPv6 address such as fd00:10::200" };
  const written = formatAddress6(address);
  if (text === written) return undefined;
  return {
    expected: "small letters, without zeros that can be left out",
    advice: `write it as ${written}`,
  };
};

const ipv4Address: Check = (text) =>
  parseAddress(text) === undefined ? { expected: "an IPv4 address such as 10.0.0.200" } : undefined;

const ofFamily =
  (four: Check, six: Check): Check =>
  (text) =>
    familyOf(text) === 6 ? six(text) : four(text);

const interfaceCidr: Check = (text) => {
  const parsed = parseInterface(text);
  const network = networkOf(text);
  if (!parsed || !network)
    return { expected: "an interface's address with its prefix, such as 192.168.100.1/24" };
  if (parsed.prefix > 30)
    return { expected: "a prefix of at most 30, so that containers have addresses too" };
  const edge =
    parsed.address === network.first
      ? "the network's own"
      : parsed.address === lastAddress(network)
        ? "the broadcast"
        : "";
  if (!edge || !contains(network, parsed.address)) return undefined;
  return {
    expected: `a host address inside ${formatNetwork(network)}`,
    advice: `${text} is ${edge} address; use the first one, for example`,
  };
};

/** Over http or https; whoever needs a password fetches the archive by hand. */
const downloadUrl: Check = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const expected = "an address such as https://example.org/etcd-v3.4.33-linux-amd64.tar.gz";
  if (!url || !/^https?:$/.test(url.protocol)) return { expected };
  if (!url.username && !url.password) return undefined;
  return { expected, advice: "leave the user and password out: they would show in process lists" };
};

/** The formats that schemas name, each with words of its own. */
export const formats: Readonly<Record<string, Check>> = {
  cidr,
  "interface-cidr": interfaceCidr,
  cidr6,
  "any-cidr": ofFamily(cidr, cidr6),
  "ipv4-address": ipv4Address,
  "ipv6-address": ipv6Address,
  "any-address": ofFamily(ipv4Address, ipv6Address),
  "download-url": downloadUrl,
  sha256: (text) =>
    /^[0-9a-f]{64}$/.test(text)
      ? undefined
      : { expected: "64 digits and letters a to f, as sha256sum prints them" },
  "absolute-path": (text) =>
    text.startsWith("/") ? undefined : { expected: "an absolute path, beginning with /" },
};
