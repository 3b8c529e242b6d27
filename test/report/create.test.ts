import { describe, expect, it } from "vitest";
import { createReporter } from "../../src/report/create.ts";
import type { ReporterOptions } from "../../src/report/options.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { applied } from "./events.ts";
import { FakeTerminal, quiet } from "./terminal.ts";

async function reporterOn(output: ReporterOptions["output"]) {
  const [stdout, stderr] = [new FakeTerminal(), new FakeTerminal()];
  const reporter = await createReporter({ ...quiet, output, stdout: stdout.stream, stderr: stderr.stream });
  return { stdout, stderr, reporter };
}

describe("the reporter that was asked for", () => {
  it("is the one that is made, and only pretty draws stages", async () => {
    const [first] = applied;
    for (const [output, start, draws] of [
      ["json", '{"at":0,', false],
      ["plain", "static-route:", false],
      ["pretty", "\x1b[?25l", true],
    ] as const) {
      const { stdout, reporter } = await reporterOn(output);
      if (first) reporter.event(first);
      await reporter.close();
      expect(stdout.text.startsWith(start)).toBe(true);
      expect(reporter.renderer !== undefined).toBe(draws);
    }
  });

  it.each(["json", "plain", "pretty"] as const)(
    "never throws, and says once that it failed: %s",
    async (output) => {
      const { stderr, reporter } = await reporterOn(output);
      const broken = { type: "failed", at: 0, host: "a" } as unknown as RunEvent;
      reporter.event(broken);
      reporter.event(broken);
      await reporter.close();
      expect(stderr.lines).toEqual([expect.stringMatching(/^the report is incomplete: /)]);
    },
  );

  it("minds no reader that has gone away, but tells of a full disk", async () => {
    const { stdout, stderr } = await reporterOn("plain");
    stdout.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    expect(stderr.lines).toEqual([]);
    stdout.emit("error", Object.assign(new Error("no space left"), { code: "ENOSPC" }));
    expect(stderr.lines).toEqual(["the report is incomplete: no space left"]);
  });
});
