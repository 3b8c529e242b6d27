import { describe, expect, test } from "vitest";
import { CausewayErrors } from "../../src/errors.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { readMarksScript } from "../../src/journal/marks.ts";
import { forgetMissingScript, noteMissingScript } from "../../src/journal/script.ts";
import type { Playbook } from "../../src/playbook/define.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { run } from "../../src/run/run.ts";
import { FakeHost, plainly } from "./fake-host.ts";

/** Resets hosts in memory, each with what its journal says and what it carries; or has a playbook run that does nothing there. */
async function reset(
  hosts: Readonly<Record<string, { journal?: string; carries?: string }>>,
  {
    check = false,
    force = false,
    limit,
    undoes = "everything",
  }: { check?: boolean; force?: boolean; limit?: string; undoes?: Playbook["undoes"] | "nothing" } = {},
) {
  const notes: string[] = [];
  const fake = new Map(
    Object.entries(hosts).map(([name, { journal = "", carries = "" }]) => {
      const host = new FakeHost();
      host.journal = journal;
      host.says = (script) => {
        if (script === noteMissingScript("R7").text) notes.push(`${name}: R7`);
        if (script === forgetMissingScript.text) notes.push(`${name}: nothing`);
        return script === readMarksScript.text ? carries : undefined;
      };
      return [name, host] as const;
    }),
  );
  const playbook = { causeway: "playbook", name: "reset", summary: "x", hosts: "all", plays: [] };
  const events: RunEvent[] = [];
  const { Type } = await import("typebox");
  const outcome = await run({
    ...plainly(fake, events),
    playbook: {
      ...playbook,
      vars: Type.Object({}),
      ...(undoes === "nothing" ? {} : { undoes }),
    } as unknown as Playbook,
    inventory: await loadInventory([`${Object.keys(hosts).join(",")},`]),
    ...(limit === undefined ? {} : { limit }),
    check,
    force,
    forks: 8,
  });
  const failed = events.flatMap((e) => (e.type === "failed" ? [e.error] : []));
  const flat = failed.flatMap((error) => (error instanceof CausewayErrors ? error.errors : [error]));
  const warned = events.flatMap((e) => (e.type === "message" ? [`${e.host}: ${e.text}`] : []));
  return { code: outcome.exitCode, refused: outcome.refused, failed: flat, warned, notes };
}

describe("a journal of another host", () => {
  const of = (host: string) => ({ journal: `format 2\nhead R1 0001\nhost ${host}\n` });
  const refusedOn = ({ refused }: Awaited<ReturnType<typeof reset>>) =>
    refused.map(({ detail }) => detail.host);

  test("is refused on a copy, beside the host itself or alone, and in a check, too", async () => {
    const both = await reset({ h1: of("h1"), h2: of("h1") });
    expect([both.code, refusedOn(both)]).toEqual([2, ["h2"]]);
    expect(both.refused[0]?.detail.advice).toContain("mv /var/lib/causeway /var/lib/causeway.of-h1");
    const alone = await reset({ h1: of("h1"), h2: of("h1") }, { limit: "h2", check: true });
    expect([alone.code, refusedOn(alone)]).toEqual([2, ["h2"]]);
  });

  test("is refused where two hosts have it, and neither is that host", async () => {
    const both = await reset({ h1: of("gone"), h2: of("gone"), h3: of("h3") });
    expect([both.code, refusedOn(both)]).toEqual([2, ["h1", "h2"]]);
  });

  test("is one's own under an earlier name, or of a version that noted none", async () => {
    expect(await reset({ h1: of("earlier"), h2: {} })).toMatchObject({ code: 0, refused: [] });
  });
});

describe("a journal of before", () => {
  const of = (host: string, head: string, beside = "") => ({
    journal: `format 2\nhead ${head}\nhost ${host}\nbeside ${beside}\n`,
  });

  const fleet = {
    h1: of("h1", "R7 0003", "R7 h2 h3 h4"),
    h2: of("h2", "R5 0002", "R5 h1"),
    h3: of("h3", "R8 0001"),
    h4: of("h4", ""),
  };

  test("is an error of a reset where another host remembers a later run that changed this one", async () => {
    const { code, failed, warned } = await reset(fleet);
    expect(code).toBe(2);
    expect(warned).toEqual([
      expect.stringMatching(/^h2: its journal ends before run R7, /),
      expect.stringMatching(/^h4: its journal ends before run R7, /),
    ]);
    expect(failed.map(({ detail }) => detail)).toEqual([
      expect.objectContaining({ host: "h2", found: expect.stringContaining("ended before run R7") }),
    ]);
  });

  test("is noted on that host before this run makes it one of today, whatever is run; a check writes nothing", async () => {
    expect((await reset(fleet)).notes).toEqual(["h2: R7"]);
    expect(await reset(fleet, { undoes: "nothing" })).toMatchObject({ code: 0, notes: ["h2: R7"] });
    expect((await reset(fleet, { check: true })).notes).toEqual([]);
  });

  const noted = { h1: { journal: `${of("h1", "R9 0001").journal}missing R7\n` }, h2: of("h2", "R9 0001") };

  test.each([false, true])("stays an error of each reset, alone as well; check %s", async (check) => {
    const { code, failed, notes } = await reset(noted, { check, limit: "h1" });
    expect(code).toBe(2);
    expect(failed.map(({ detail }) => detail)).toEqual([
      expect.objectContaining({ host: "h1", found: expect.stringContaining("ended before run R7") }),
    ]);
    expect(notes).toEqual([]);
  });

  test("is no error of other runs, and forgotten by force", async () => {
    expect((await reset(noted, { undoes: "nothing" })).code).toBe(0);
    expect(await reset(noted, { force: true })).toMatchObject({ code: 0, notes: ["h1: nothing"] });
    expect(await reset(noted, { force: true, check: true })).toMatchObject({ code: 0, notes: [] });
    expect(await reset(fleet, { force: true })).toMatchObject({ code: 0, notes: ["h2: R7", "h2: nothing"] });
  });

  test("is not forgotten where something of causeway is left", async () => {
    const { h1, h2 } = noted;
    const carries = "carries /etc/causeway/apply\n";
    expect(await reset({ h1: { ...h1, carries }, h2 }, { force: true })).toMatchObject({
      code: 2,
      notes: [],
    });
  });
});

describe("what causeway made, and no journal knows", () => {
  const carries = "carries /etc/causeway/apply\ncarries route 10.0.0.0/24 via 10.0.0.2 proto 202 \n";

  test.each([false, true])(
    "is an error of a reset on its host, with all that was found; check %s",
    async (check) => {
      const { code, failed } = await reset({ h1: { carries }, h2: {} }, { check });
      expect(code).toBe(2);
      expect(failed.map(({ detail }) => [detail.host, detail.found])).toEqual([
        ["h1", "/etc/causeway/apply\nroute 10.0.0.0/24 via 10.0.0.2 proto 202"],
      ]);
    },
  );
});
