import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { rollOn, setting } from "../rolling.ts";
import { askAnsible, inOrder, noAnsible } from "./oracle.ts";
import { type Outcome, type Scenario, scenarios } from "./scenarios.ts";

/** What ansible-core 2.14 did. `npm run test:full` asks again; a new scenario fails there with what is to be written down. */
const ofAnsible = JSON.parse(readFileSync(new URL("outcomes.json", import.meta.url), "utf8")) as Record<
  string,
  Outcome
>;

/** Where a roll comes out otherwise on purpose: what is different, and why. */
const otherwise: Readonly<Record<string, { why: string; outcome: Partial<Outcome> }>> = {
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

/** The same scenario over hosts in memory. */
async function ours(scenario: Scenario): Promise<Outcome> {
  const { hosts, failing, unreachable, serial, maxFailPercentage, anyErrorsFatal, twoPlays } = scenario;
  const policy = {
    ...(maxFailPercentage === undefined ? {} : { maxFailPercentage }),
    ...(anyErrorsFatal ? { anyErrorsFatal } : {}),
  };
  const batches = serial === undefined ? {} : { serial };
  const later = setting([], "w");
  const { outcome, events } = await rollOn({
    hosts,
    ...(failing ? { failing } : {}),
    ...(unreachable ? { unreachable } : {}),
    play: { ...policy, ...(twoPlays ? {} : batches) },
    ...(twoPlays
      ? { next: { ...policy, ...batches, tasks: (h: { name: string }) => [later({ host: h.name })] } }
      : {}),
  });
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
    exitCode: outcome.exitCode,
  };
}

const missing =
  process.env.CAUSEWAY_TEST_FULL === undefined ? "npm run test:full asks it" : await noAnsible();

describe("a roll comes out as in Ansible", () => {
  test.each(Object.entries(scenarios))("%s", async (name, scenario) => {
    expect(await ours(scenario)).toEqual({ ...ofAnsible[name], ...otherwise[name]?.outcome });
  });

  test.skipIf(missing)(
    `what Ansible does is what is written down${missing ? ` (${missing})` : ""}`,
    async () => {
      const asked: Record<string, Outcome> = {};
      for (const [name, scenario] of Object.entries(scenarios)) asked[name] = await askAnsible(scenario);
      expect(asked).toEqual(ofAnsible);
    },
    // Each scenario is a process of its own.
    900_000,
  );
});
