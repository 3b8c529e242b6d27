import { CausewayError } from "../errors.ts";
import type { Playbook } from "../playbook/define.ts";
import type { Fleet } from "../playbook/fleet.ts";
import type { ProbeHost } from "../task/probe.ts";
import type { HostRun, Said } from "./host-run.ts";
import { keepInRunFolder } from "./run-folder.ts";

/** Runs what proves that a playbook works, on the hosts that are left. True when all of it held. */
export async function runProbes(
  playbook: Playbook,
  fleet: Fleet,
  hosts: readonly HostRun[],
  {
    id,
    say,
    evidence,
    allPairs,
  }: { id: string; say: (event: Said) => void; evidence: boolean; allPairs: boolean },
): Promise<boolean> {
  let held = true;
  for (const host of hosts) host.memory.forget(["*"]);
  const probeHosts = hosts.map(
    (host): ProbeHost => ({
      name: host.name,
      address: host.view.address,
      groups: host.view.groups,
      vars: host.view.vars,
      get facts() {
        return host.view.facts;
      },
      reader: host.reader(),
      sh: (script, options) => host.session.run(script.text, { ...options, secrets: script.secrets }),
    }),
  );
  for (const probe of playbook.verify?.(fleet as never) ?? []) {
    say({ type: "probe", name: probe.probe, state: "started" });
    try {
      const matrix = await probe.run(probeHosts, {
        say: (doing) => say({ type: "probe", name: probe.probe, state: "started", doing }),
        evidence,
        allPairs,
        keep: (name, content) => keepInRunFolder(id, name, content),
      });
      const ok = matrix.cells.every((cell) => cell.ok);
      held &&= ok;
      say({ type: "probe", name: probe.probe, state: ok ? "passed" : "failed", matrix });
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      held = false;
      say({ type: "probe", name: probe.probe, state: "failed", error });
    }
  }
  return held;
}
