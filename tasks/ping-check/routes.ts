import {
  formatAddress6,
  type ProbeHost,
  parseAddress6,
  parseRoutes,
  type Route,
  type Script,
  sh,
} from "causeway";

/** Where packets to one address go: the route, or what the kernel said where there is none. */
export interface Way {
  route?: Route;
  /** `192.168.200.2 via 10.0.0.201 dev eth0`, or `RTNETLINK answers: Network is unreachable`. */
  words: string;
}

/** Asks one process of the host where packets to all of the addresses go. */
export async function waysTo(
  host: ProbeHost,
  addresses: readonly string[],
): Promise<ReadonlyMap<string, Way>> {
  if (addresses.length === 0) return new Map();
  const { stdout, stderr } = await host.sh(sh`${askFor(addresses)} | ip -force -batch -; true`);
  return readWays(addresses, stdout, stderr);
}

/** The questions, a line each, as `ip -batch` takes them. */
export function askFor(addresses: readonly string[]): Script {
  return sh`printf 'route get %s\n' ${addresses}`;
}

/** Parses the answers: a route begins with its address, and what failed is told by the number of its question. */
export function readWays(addresses: readonly string[], stdout: string, stderr: string): Map<string, Way> {
  const routes = new Map(parseRoutes(stdout).map((route) => [route.dst, route]));
  const refusals = new Map(
    [...stderr.matchAll(/^(.*)\nCommand failed [^:\n]*:(\d+)$/gm)].map(
      ([, words = "", line]) => [addresses[Number(line) - 1], words.trim()] as const,
    ),
  );
  return new Map(
    addresses.map((address) => {
      const route = routes.get(asPrinted(address));
      return [address, route ? { route, words: route.line } : { words: refusals.get(address) ?? "" }];
    }),
  );
}

/** An address of IPv6 may be spelt in many ways, and `ip` has its own. */
function asPrinted(address: string): string {
  const six = parseAddress6(address);
  return six === undefined ? address : formatAddress6(six);
}

/** Per address, the largest packet that a router on the way lets through, as the kernel remembers it on the route's second line. */
export function readSizes(stdout: string): Map<string, number> {
  const told = [...stdout.matchAll(/^(\S+) .*(?:\n[ \t]+.*)?\bmtu (\d+)/gm)];
  return new Map(told.map(([, address = "", size]) => [address, Number(size)]));
}
