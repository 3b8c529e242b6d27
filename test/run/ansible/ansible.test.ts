import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { rollOn, setting } from "../rolling.ts";
import { askAnsible, noAnsible } from "./oracle.ts";
import { otherwise, outcomeOf } from "./outcomes.ts";
import { type Outcome, type Scenario, scenarios } from "./scenarios.ts";

/** What ansible-core 2.14 did. `npm run test:full` asks again; a new scenario fails there with what is to be written down. */
const ofAnsible = JSON.parse(readFileSync(new URL("outcomes.json", import.meta.url), "utf8")) as Record<
  string,
  Outcome
>;

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
  return outcomeOf(events, outcome.exitCode);
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
