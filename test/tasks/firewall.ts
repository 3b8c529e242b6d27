import type { Kept } from "../../src/host/reader.ts";
import { parseRules } from "../../src/host/tools/iptables.ts";
import type { Firewall } from "../../src/peer-ports/peer-ports.ts";

/** Files that come back at boot, a line each, or whole. */
export function keptLines(...lines: readonly string[]): Kept {
  return { enabled: true, files: new Map(lines.map((text, i) => [String(i), text.split("\n")])) };
}

/** A host where nothing has to come back at boot. */
export const keptNothing: Kept = { enabled: false, files: new Map() };

const chainText = (name: string, inside: readonly string[]) =>
  ["*filter", `:${name} - [0:0]`, ...inside.map((spec) => `-A ${name} ${spec}`), "COMMIT"].join("\n");

/** Ports of a host as they are once closed; `inside` and `ways` are what stands there, `kept` all that was to stand. */
export function closedPorts(
  name: string,
  from: readonly string[],
  ports: readonly string[],
  comment: string,
): {
  firewall: Firewall;
  without: (inside: number, ways: number) => Firewall;
} {
  const inside = [...["127.0.0.0/8", ...from].map((source) => `-s ${source} -j ACCEPT`), "-j DROP"];
  const ways = ports.map((port) => `${port} -m comment --comment ${comment} -j ${name}`);
  const kept = keptLines(...ways.map((way) => `filter -I INPUT ${way}`));
  const chains = keptLines(chainText(name, inside));
  const standing = (some: readonly string[], leading: readonly string[]) =>
    parseRules(
      [...leading.map((way) => `-A INPUT ${way}`), ...some.map((spec) => `-A ${name} ${spec}`)].reduce(
        (text, line) => `${text}\n${line}`,
        `*filter\n:INPUT ACCEPT [0:0]\n:${name} - [0:0]`,
      ),
    );
  return {
    firewall: { rules: standing(inside, ways), kept, chains },
    without: (i, w) => ({ rules: standing(inside.toSpliced(i, 1), ways.toSpliced(w, 1)), kept, chains }),
  };
}

/** A host with iptables and nothing in it. */
export const openFirewall: Firewall = { rules: parseRules(""), kept: keptNothing, chains: keptNothing };

/** A host without iptables. */
export const noFirewall: Firewall = { ...openFirewall, rules: parseRules("missing") };
