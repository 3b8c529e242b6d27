import type { RunEvent } from "../../../src/run/events.ts";
import { inOrder } from "./oracle.ts";
import type { Outcome } from "./scenarios.ts";

/** Where a roll comes out otherwise on purpose: what is different, and why. */
export const otherwise: Readonly<Record<string, { why: string; outcome: Partial<Outcome> }>> = {
  "max_fail_percentage and a host that is unreachable": {
    why: "a host that cannot be reached counts as one that failed",
    outcome: { batches: [["h1", "h2", "h3", "h4"]] },
  },
  "any_errors_fatal and a host that is unreachable": {
    why: "a host that cannot be reached counts as one that failed",
    outcome: { batches: [["h1", "h2", "h3"]] },
  },
  "a host failed in the play before": {
    why: "batches are cut over the hosts that have something to do",
    outcome: { batches: [["h1", "h2", "h3", "h4"], ["h2", "h3"], ["h4"]] },
  },
  "a batch failed in the play before": {
    why: "there is no batch without a host",
    outcome: {
      batches: [
        ["h1", "h2", "h3", "h4"],
        ["h3", "h4"],
      ],
    },
  },
  "a batch of one failed in the play before": {
    why: "there is no batch without a host",
    outcome: { batches: [["h1", "h2", "h3"], ["h1"], ["h3"]] },
  },
  "a host was unreachable in the play before": {
    why: "batches are cut over the hosts that have something to do",
    outcome: { batches: [["h1", "h2", "h3", "h4"], ["h2", "h3"], ["h4"]] },
  },
};

/** What of a run is compared with Ansible's. */
export function outcomeOf(events: readonly RunEvent[], exitCode: number): Outcome {
  const failed = new Set(events.flatMap((e) => (e.type === "failed" ? [e.host] : [])));
  const away = new Set(events.flatMap((e) => (e.type === "unreachable" ? [e.host] : [])));
  const turns = events.flatMap((e, at): readonly (readonly string[])[] => {
    if (e.type === "batch") return [e.hosts];
    const isCut = events.slice(at + 1).find((next) => next.type === "batch" || next.type === "play");
    // The first play has those, too, that could not be reached.
    if (e.type === "play" && isCut?.type !== "batch") return [[...e.hosts, ...(e.index === 0 ? away : [])]];
    return [];
  });
  const begun = new Set(turns.flat());
  return {
    batches: turns.map(inOrder),
    failed: inOrder([...failed].filter((name) => begun.has(name))),
    unreachable: inOrder([...away].filter((name) => begun.has(name))),
    exitCode: exitCode,
  };
}
