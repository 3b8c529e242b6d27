import {
  contains,
  formatNetwork,
  lastAddress,
  networkOf,
  parseAddress,
  parseInterface,
} from "../net/ipv4.ts";

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
    advice: `${text} is ${edge} address; take the first one, for instance`,
  };
};

/** The formats that schemas name, each with words of its own. */
export const formats: Readonly<Record<string, Check>> = {
  cidr,
  "interface-cidr": interfaceCidr,
  "ipv4-address": (text) =>
    parseAddress(text) === undefined ? { expected: "an IPv4 address such as 10.0.0.200" } : undefined,
  "absolute-path": (text) =>
    text.startsWith("/") ? undefined : { expected: "an absolute path, beginning with /" },
};
