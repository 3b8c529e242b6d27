import type { Finding, HostFinding } from "../doctor/finding.ts";
import { askHost, hostFindings } from "../doctor/host.ts";
import { CausewayError } from "../errors.ts";
import { connect } from "../host/connect.ts";
import type { SessionOptions } from "../host/session.ts";
import type { InventoryHost } from "../inventory/types.ts";
import { inParallel } from "./in-parallel.ts";

/** Looks at each host over one connection; changes nothing. Whoever cannot be reached has an error in place of findings. */
export async function examine(
  hosts: readonly InventoryHost[],
  session: SessionOptions,
  forks: number,
): Promise<{ findings: HostFinding[]; lost: { host: string; error: CausewayError }[] }> {
  const found = new Map<string, Finding[]>();
  const lost: { host: string; error: CausewayError }[] = [];
  await inParallel(hosts, { atOnce: forks }, async ({ name, connection }) => {
    try {
      const opened = await connect(connection, session);
      const answer = await askHost(opened).finally(() => opened.close());
      found.set(name, hostFindings(answer));
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      lost.push({ host: name, error });
    }
  });
  // In the order of the inventory, whoever answered first.
  const findings = hosts.flatMap(({ name: host }) =>
    (found.get(host) ?? []).map((finding) => ({ ...finding, host })),
  );
  return { findings, lost };
}
