import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { eventsSchema } from "../../docs/events-schema.ts";
import { plainEvent } from "../../src/report/json.ts";
import { applied, checked } from "./events.ts";
import { misfits } from "./schema.ts";
import { wholeRun } from "./whole-run.ts";

const docs = new URL("../../docs/", import.meta.url);

describe("docs/events.schema.json", () => {
  test("is what npm run docs writes", () => {
    expect(readFileSync(new URL("events.schema.json", docs), "utf8")).toBe(eventsSchema());
  }, 120_000);

  test("describes each example of the page, and every event of a run", () => {
    const page = readFileSync(new URL("json-events.md", docs), "utf8");
    const examples = [...page.matchAll(/^```json\n(.*)\n```$/gm)].map(([, line = ""]) => JSON.parse(line));
    const said = [...applied, ...checked, ...wholeRun(3, { failing: true })].map((event) =>
      JSON.parse(JSON.stringify(plainEvent(event, true))),
    );
    expect(examples.length).toBeGreaterThan(20);
    expect([...examples, ...said].flatMap(misfits)).toEqual([]);
  });

  test.each([
    ["a field that no event has", { at: 1, type: "connecting", host: "a", port: 22 }],
    ["a type that is none", { at: 1, type: "connectin", host: "a" }],
    ["a state that is none", { at: 1, type: "switch", host: "a", state: "off" }],
    ["an error's cause", { at: 1, type: "refused", error: { code: "host", message: "x", cause: {} } }],
  ])("does not describe %s", (_, event) => {
    expect(misfits(event)).toHaveLength(1);
  });
});
