import { describe, expect, it } from "vitest";
import { CausewayErrors } from "../../src/errors.ts";
import { jsonReporter } from "../../src/report/json.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { applied, checked, failure, keysStep } from "./events.ts";
import { FakeTerminal } from "./terminal.ts";

function written(events: readonly RunEvent[], diff = false): string {
  const terminal = new FakeTerminal();
  const reporter = jsonReporter({ stdout: terminal.stream, diff });
  for (const event of events) reporter.event(event);
  return terminal.text;
}

const parsed = (events: readonly RunEvent[], diff = false) =>
  written(events, diff)
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("JSON output", () => {
  it("is one event a line, as it was said", () => {
    const plain = applied.filter((e) => !["task", "step", "failed"].includes(e.type));
    expect(parsed(plain)).toEqual(plain);
    expect(parsed(applied).map((e) => e.type)).toEqual(applied.map((e) => e.type));
  });

  it("shows of a step only what is free of secrets", () => {
    const { kind, what, from, to, diff } = keysStep;
    expect(parsed(checked)[0]?.steps).toEqual([
      { kind, what, from, to },
      { kind: "run", what: "old store", from: "there", to: null, irreversible: "it is gone" },
    ]);
    expect(parsed(applied, true).find((e) => e.type === "step")?.step).toEqual({
      kind,
      what,
      from,
      to,
      diff,
    });
    expect(written([...applied, ...checked], true)).not.toMatch(/hunter2|perform"|resource/);
  });

  it("gives errors as fields, several as a list", () => {
    const { cause: _, ...detail } = failure.detail;
    const one = { code: "host", message: "restart docker failed", ...detail };
    expect(parsed(applied).find((e) => e.type === "failed")?.error).toEqual(one);
    const error = new CausewayErrors([failure, failure]);
    const probe = { at: 0, type: "probe", name: "ping", state: "failed", error } as const;
    expect(parsed([{ at: 0, type: "unreachable", host: "a", error }, probe]).map((e) => e.error)).toEqual([
      { errors: [one, one] },
      { errors: [one, one] },
    ]);
  });
});
