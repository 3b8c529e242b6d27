import { CausewayError } from "../errors.ts";
import type { Playbook } from "../playbook/define.ts";
import type { Fleet } from "../playbook/fleet.ts";
import type { ProbeHost } from "../task/probe.ts";
import type { HostRun, Said } from "./host-run.ts";
import { keepInRunFolder } from "./run-folder.ts";

/** What came of probes. */
export interface Proof {
  /** The pairs that did not behave as they should, as `from → to`. */
  failed: readonly string[];
  /** Probes that could not judge. */
  errors: number;
}

export interface ProofOptions {
  /** The run's name. */
  id: string;
  say: (event: Said) => void;
  evidence: boolean;
  allPairs: boolean;
  /** Why it is proved now, where that is not the end of the run. */
  stage?: string;
  /** Only pairs in which one of these hosts takes part. */
  among?: ReadonlySet<string>;
}

/** Runs probes on the hosts that are left. */
export async function runProbes(
  probes: Playbook["verify"],
  fleet: Fleet,
  hosts: readonly HostRun[],
  { id, say, evidence, allPairs, stage, among }: ProofOptions,
): Promise<Proof> {
  const failed: string[] = [];
  let errors = 0;
  for (const host of hosts) host.memory.forget(["*"]);
  const probeHosts = hosts.map(asProbeHost);
  for (const probe of probes?.(fleet as never) ?? []) {
    const about = { type: "probe", name: probe.probe, ...(stage === undefined ? {} : { stage }) } as const;
    say({ ...about, state: "started" });
    try {
      const matrix = await probe.run(probeHosts, {
        say: (doing) => say({ ...about, state: "started", doing }),
        evidence,
        allPairs,
        ...(among ? { among } : {}),
        keep: (name, content) => keepInRunFolder(id, name, content),
      });
      const bad = matrix.cells.filter((cell) => !cell.ok);
      failed.push(...bad.map(({ from, to }) => `${from} → ${to}`));
      say({ ...about, state: bad.length === 0 ? "passed" : "failed", matrix });
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      errors += 1;
      say({ ...about, state: "failed", error });
    }
  }
  return { failed, errors };
}

/** A host as probes see it. */
export function asProbeHost(host: HostRun): ProbeHost {
  return {
    name: host.name,
    address: host.view.address,
    groups: host.view.groups,
    vars: host.view.vars,
    get facts() {
      return host.view.facts;
    },
    reader: host.reader(),
    sh: (script, options) => host.session.run(script.text, { ...options, secrets: script.secrets }),
    accompany: (script, onLine) => host.session.accompany(script.text, onLine),
  };
}
