import type { Reader } from "../host/reader.ts";
import { sh } from "../host/sh.ts";

/** Who listens on one of some TCP ports, as `ss` prints it: `10.0.0.200:2379 users:(("k3s-server",pid=812,fd=7))`. */
export async function readListeners(host: Reader, ports: readonly number[]): Promise<string[]> {
  const wanted = ports.map((port) => `sport = :${port}`).join(" or ");
  const { stdout } = await host.read(sh`command -v ss >/dev/null || exit 0; ss -Hltnp ${wanted}`, {
    looksAt: ["unit:etcd.service", "unit:consul.service"],
  });
  return parseListeners(stdout);
}

/** Parses `ss -Hltnp`: state, two queues, the local and the far address, the processes. */
export function parseListeners(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [, , , local, , ...who] = line.trim().split(/\s+/);
    return local ? [[local, ...who].join(" ")] : [];
  });
}
